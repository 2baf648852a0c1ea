// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relaytest_test

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weir-io/weir/internal/relaytest"
	"github.com/weir-io/weir/internal/wait"
	"github.com/weir-io/weir/lttng"
)

// errorCase is a provoked error: what was sent to the original relay and what
// it did.
type errorCase struct {
	Name  string
	Steps []errorStep
	End   string      // open or closed: the connection of the last step
	Files []fileEntry // afterwards
	New   *struct {   // where the newer original differs
		Recv  []errorStep
		Files *[]fileEntry
	}
}

type errorStep struct {
	Conn, Op string
	Hex      hexBytes
}

type hexBytes []byte

func (h *hexBytes) UnmarshalText(b []byte) (err error) {
	*h, err = hex.AppendDecode(nil, b)
	return err
}

// fileEntry is [path, size].
type fileEntry struct {
	path string
	size int64
}

func (f *fileEntry) UnmarshalJSON(b []byte) error {
	return json.Unmarshal(b, &[]any{&f.path, &f.size})
}

func errorCases(t testing.TB) []errorCase {
	t.Helper()
	var cases []errorCase
	lines := bufio.NewScanner(bytes.NewReader(readTestdata(t, "errors.jsonl")))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var c errorCase
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			t.Fatal(err)
		}
		cases = append(cases, c)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	if len(cases) != 90 {
		t.Fatalf("%d cases, want 90", len(cases))
	}
	return cases
}

// outcome is what a relay has to answer in a case, where this differs from the
// original of the case.
type outcome struct {
	why     string
	answers []string         // hexadecimal, all of control0 behind the VERSION reply
	end     string           // connection of the last step
	files   map[string]int64 // nil: as in the case
}

const (
	okSession = "00000000000000010000000a00000014682f732d32303031303930392d30313436343000"
	okCode    = "0000000a"
	okStream1 = "00000000000000010000000a"
	okStream2 = "00000000000000020000000a"

	root  = "h/s-20010909-014640/"
	data  = root + "ust/uid/0/64-bit/ch_0"
	index = root + "ust/uid/0/64-bit/index/ch_0.idx"
	meta  = root + "ust/uid/0/64-bit/metadata"
)

// opened is the answers up to a session with a data and a metadata stream.
var opened = []string{okSession, okCode, okStream1, okStream2, okCode}

// refused is the answer of CREATE_SESSION.
const refused = "00000000000000000000001900000000"

// differing lists the cases in which this relay deliberately does not do what
// the newer original does.
var differing = map[string]outcome{
	"unknown-command-0":     {"the newer original dies of its own log message", []string{"0000000b"}, "closed", nil},
	"unknown-command-23":    {"the newer original dies of its own log message", []string{"0000000b"}, "closed", nil},
	"unknown-command-10000": {"the newer original dies of its own log message", []string{"0000000b"}, "closed", nil},

	"create-15-trace-format-3":    {"the recorded relay negotiated 13", []string{refused}, "open", nil},
	"second-create-on-connection": {"both originals abort", []string{okSession, refused}, "open", nil},

	"pending-data-only": {
		"signed minimum: the index is missing; its file comes with the first complete packet",
		append(opened[:5:5], "00000001"), "open",
		map[string]int64{data: 1024, meta: 0},
	},
	"metadata-to-data-stream": {"the file would be spoilt", opened, "closed", map[string]int64{data: 0, meta: 0}},
	"data-duplicate-seq": {
		"the second packet is not stored; the index file comes with the first complete packet",
		opened, "closed",
		map[string]int64{data: 1000, meta: 0},
	},
	"data-zero-length": {
		"the original finishes an empty packet with the next byte on the connection",
		append(opened[:5:5], okCode), "open",
		map[string]int64{data: 4096, index: 88, meta: 0},
	},
	"tracefile-size-without-count": {
		"count 0 means unlimited, the originals die or refuse",
		[]string{okSession, okCode, okStream1},
		"open",
		map[string]int64{root + "ust/uid/0/64-bit/ch_0_0": 1000, root + "ust/uid/0/64-bit/ch_0_1": 1000},
	},
	"rotate-with-unindexed-data-ahead": {
		"both originals die; packets 3 and 4 belong to the new chunk",
		append(opened[:5:5], okCode, okCode, okCode, okCode, okCode), "open",
		map[string]int64{
			data: 3072, index: 232, meta: 0,
			root + "20010909T014640+0000-1/ust/uid/0/64-bit/ch_0": 2048,
		},
	},

	"chunk-two-creates-without-close": {
		"what a rotation has moved goes back when nobody will finish it",
		nil, "",
		map[string]int64{data: 0, meta: 0},
	},

	// Refused before anything is moved.
	"chunk-name-with-slash":          {"refused before the move", append(opened[:5:5], "00000061"), "closed", map[string]int64{data: 0, meta: 0}},
	"chunk-name-with-dot":            {"refused before the move", append(opened[:5:5], "00000061"), "closed", map[string]int64{data: 0, meta: 0}},
	"chunk-name-longer-than-payload": {"refused before the move", nil, "", map[string]int64{data: 0, meta: 0}},
	"chunk-name-not-terminated":      {"refused before the move", nil, "", map[string]int64{data: 0, meta: 0}},
}

// wanted returns what a relay must do in the case: the recorded answers, the
// newer original's where those differ, or what the table says.
func (c *errorCase) wanted(t testing.TB) (answers []byte, end string, files map[string]int64) {
	t.Helper()
	steps, end, entries := c.Steps, c.End, c.Files
	if c.New != nil {
		if c.New.Recv != nil {
			steps = c.New.Recv
		}
		if c.New.Files != nil {
			entries = *c.New.Files
		}
	}
	for _, s := range steps {
		if s.Op == "recv" {
			answers = append(answers, s.Hex...)
		}
	}
	files = make(map[string]int64)
	for _, f := range entries {
		files[f.path] = f.size
	}
	own := lttng.Version{Major: lttng.MajorVersion, Minor: lttng.MinorVersion}.Append(nil)
	if c.asksVersion(t) {
		copy(answers, own)
	}
	d, ok := differing[c.Name]
	if !ok {
		return answers, end, files
	}
	if d.answers != nil {
		answers, end = own, d.end
		for _, a := range d.answers {
			b, err := hex.DecodeString(a)
			if err != nil {
				t.Fatal(err)
			}
			answers = append(answers, b...)
		}
	}
	if d.files != nil {
		files = d.files
	}
	return answers, end, files
}

// asksVersion reports whether the case begins with an answered VERSION.
func (c *errorCase) asksVersion(t testing.TB) bool {
	t.Helper()
	h, err := lttng.ParseControlHeader(c.Steps[0].Hex)
	if err != nil {
		t.Fatal(err)
	}
	return c.Steps[0].Conn == "control0" && h.Cmd == lttng.CmdVersion && len(c.Steps) > 1
}

// TestErrors provokes each recorded error and expects the documented answer,
// the documented fate of the connection and files, and a relay that goes on as
// if nothing had happened.
func TestErrors(t *testing.T) {
	seen := make(map[string]bool)
	for _, c := range errorCases(t) {
		seen[c.Name] = true
		t.Run(c.Name, func(t *testing.T) {
			r := relaytest.Start(t, relaytest.OneWorker)
			before := relaytest.CountResources(t)
			answers, end, files := c.wanted(t)
			e := &provoker{t: t, relay: r, conns: make(map[string]net.Conn), base: r.Server.Counters().ControlTotal.Load()}
			t.Cleanup(e.close)
			for _, s := range c.Steps {
				if s.Op == "send" {
					e.send(s.Conn, s.Hex)
				}
			}
			e.checkAnswers(answers)
			e.checkEnd(c.Steps[len(c.Steps)-1].Conn, end)
			e.close()
			r.WaitSettled()
			e.checkFiles(files)
			checkAlive(t, r)
			r.Store.Expire()
			before.Check(t)
		})
	}
	for name := range differing {
		if !seen[name] {
			t.Errorf("no case %q", name)
		}
	}
}

// provoker plays one error case.
type provoker struct {
	t     testing.TB
	relay *relaytest.Relay
	conns map[string]net.Conn
	sent  uint64
	base  uint64 // connections accepted before
}

// send writes to a connection, which the first call opens, and waits until the
// relay has handled it or closed the connection.
func (e *provoker) send(conn string, b []byte) {
	e.t.Helper()
	c := e.conns[conn]
	if c == nil {
		address := e.relay.Data
		if isControl(conn) {
			address = e.relay.Control
		}
		c = relaytest.Connect(e.t, address)
		e.conns[conn] = c
	}
	counters := e.relay.Server.Counters()
	e.sent += uint64(len(b))
	if _, err := c.Write(b); err != nil {
		return // closed by the relay after an earlier step
	}
	wait.Until(e.t, "the step is handled", func() bool {
		open := counters.ControlOpen.Load() + counters.DataOpen.Load()
		total := counters.ControlTotal.Load() + counters.DataTotal.Load()
		return counters.ReceivedBytes.Load() == e.sent || open < int64(total-e.base)
	})
}

func (e *provoker) checkAnswers(want []byte) {
	e.t.Helper()
	c := e.conns["control0"]
	if c == nil {
		if len(want) > 0 {
			e.t.Fatalf("answers %x without a control connection", want)
		}
		return
	}
	got := make([]byte, len(want))
	n, err := io.ReadFull(c, got)
	if err != nil || !bytes.Equal(got, want) {
		e.t.Fatalf("answers %x (error %v), want %x", got[:n], err, want)
	}
}

// checkEnd looks whether a connection is open or closed, and that nothing more
// was answered.
func (e *provoker) checkEnd(conn, end string) {
	e.t.Helper()
	c, counters := e.conns[conn], e.relay.Server.Counters()
	switch {
	case end == "closed":
		if rest := relaytest.WaitClosed(e.t, c); len(rest) > 0 {
			e.t.Errorf("%x follows the answers, want the end", rest)
		}
	case !isControl(conn):
		if n := counters.DataOpen.Load(); n != 1 {
			e.t.Errorf("%d data connections open, want 1", n)
		}
	default:
		// A question that is always answered: its answer must come next.
		e.send(conn, lttng.AppendRequest(nil, lttng.CmdGetConfiguration, lttng.GetConfiguration{}.Append))
		want := lttng.ConfigurationReply{Code: lttng.ReplyOK, Flags: lttng.ConfigClearAllowed}.Append(nil)
		got := make([]byte, len(want))
		if n, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, want) {
			e.t.Errorf("connection not open: got %x (error %v), want %x", got[:n], err, want)
		}
	}
}

func (e *provoker) close() {
	for _, c := range e.conns {
		_ = c.Close() // by us for the first time, whoever was faster
	}
}

func (e *provoker) checkFiles(want map[string]int64) {
	e.t.Helper()
	got := make(map[string]int64)
	for path, f := range relaytest.Tree(e.t, e.relay.Output) {
		if !strings.HasSuffix(path, "/") {
			got[path] = f.Size
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		e.t.Errorf("files differ (-want +got):\n%s", diff)
	}
}

// checkAlive records a small session and looks at its files.
func checkAlive(t testing.TB, r *relaytest.Relay) {
	t.Helper()
	before := r.Store.Counters().Packets.Load()
	rec := r.Record(t, relaytest.Plan{Session: lttng.CreateSession{
		Hostname: "other", SessiondUUID: [16]byte{0xff},
	}})
	rec.SendWhole(0, 0, 200)
	r.WaitPackets(before + 1)
	rec.Close()
	wait.Until(t, "the fresh session is closed", func() bool { return r.Store.Session(rec.Session.Session) == nil })
	got := relaytest.Stored(t, filepath.Join(r.Output, rec.Session.Path, relaytest.StreamPath, "ch_0"))
	if len(got) != 1 {
		t.Errorf("a fresh session stored %d packets, want 1", len(got))
	}
}
