// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weir-io/weir/changelog"
	client "github.com/weir-io/weir/client/feed"
	"github.com/weir-io/weir/internal/feed"
	"github.com/weir-io/weir/internal/feed/fstest"
	"github.com/weir-io/weir/internal/feed/journal"
)

// readPayload is that of READ.
func readPayload(records, bytes, wait, linger uint32) string {
	var b []byte
	for _, n := range []uint32{records, bytes, wait, linger} {
		b = binary.LittleEndian.AppendUint32(b, n)
	}
	return string(b)
}

func TestFramesThatEndTheConnection(t *testing.T) {
	a := start(t)
	_, err := a.dial().Create(t.Context(), client.CreateOptions{Name: "f", Source: a.fs.Dir})
	must(t, err)
	length := func(n uint32) []byte { return append(binary.LittleEndian.AppendUint32(nil, n), 1, 0, 0, 0) }
	greet, open := hello(client.FormatNative), frame(client.OpOpen, `{"feed":"f"}`)
	forever := frame(client.OpRead, readPayload(1, 4096, client.Forever, 0))
	for _, c := range []struct {
		name  string
		bytes []byte
	}{
		{"length 0", length(0)},
		{"length 3", length(3)},
		{"length over the limit", length(client.MaxRequest + 5)},
		{"length 0xFFFFFFFF", length(0xFFFFFFFF)},
		{"length 0 after HELLO", slices.Concat(greet, length(0))},
		{"length 0xFFFFFFFF after HELLO", slices.Concat(greet, length(0xFFFFFFFF))},
		{"magic", frame(client.OpHello, "WFD2\x01\x00\x00")},
		{"version", frame(client.OpHello, "WFD1\x02\x00\x00")},
		{"format", frame(client.OpHello, "WFD1\x01\x00\x04")},
		{"HELLO cut", frame(client.OpHello, "WFD1\x01\x00")},
		{"HELLO too long", frame(client.OpHello, "WFD1\x01\x00\x00\x00")},
		{"HELLO empty", frame(client.OpHello, "")},
		{"HELLO missing", open},
		{"HELLO twice", slices.Concat(greet, greet)},
		{"op 0", slices.Concat(greet, frame(0, ""))},
		{"unknown op", slices.Concat(greet, frame(99, "{}"))},
		{"an answer", slices.Concat(greet, frame(client.OpList|client.OpAnswer, ""))},
		{"an error", slices.Concat(greet, frame(client.OpError, "{}"))},
		{"READ cut", slices.Concat(greet, open, frame(client.OpRead, readPayload(1, 4096, 0, 0)[:15]))},
		{"READ too long", slices.Concat(greet, open, frame(client.OpRead, readPayload(1, 4096, 0, 0)+"x"))},
		{"CANCEL cut", slices.Concat(greet, open, frame(client.OpCancel, "1234567"))},
		{"CLOSE too long", slices.Concat(greet, open, frame(client.OpClose, "12"))},
		{"second READ", slices.Concat(greet, open, forever, forever)},
		{"CANCEL while a READ waits", slices.Concat(greet, open, forever, frame(client.OpCancel, "12345678"))},
		{"OPEN while a READ waits", slices.Concat(greet, open, forever, open)},
		{"LIST while a READ waits", slices.Concat(greet, open, forever, frame(client.OpList, ""))},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := a.raw()
			r.t = t
			r.say(c.bytes)
			if got := r.wantClosed(); got != client.CodeProtocol {
				t.Errorf("got error %q before the end, want %q", got, client.CodeProtocol)
			}
		})
	}
	i, err := a.dial().Info(t.Context(), "f")
	must(t, err)
	if i.Consumer != nil {
		t.Errorf("after all: the feed is still held: %+v", i.Consumer)
	}
}

// TestCutAnywhere has a client die at every byte of what it says.
func TestCutAnywhere(t *testing.T) {
	a := start(t)
	_, err := a.dial().Create(t.Context(), client.CreateOptions{Name: "f", Source: a.fs.Dir})
	must(t, err)
	open := frame(client.OpOpen, `{"feed":"f","steal":true}`)
	for _, frames := range [][][]byte{
		{
			hello(client.FormatJSON), frame(client.OpList, ""), open,
			frame(client.OpCancel, "\x00\x00\x00\x00\x00\x00\x00\x00"), frame(client.OpClose, "\x01"),
		},
		{hello(client.FormatText), open, frame(client.OpRead, readPayload(10, 4096, client.Forever, 0)), frame(client.OpClose, "\x00")},
	} {
		all := slices.Concat(frames...)
		for n := range len(all) + 1 {
			r := a.raw()
			r.say(all[:n])
			must(t, r.CloseWrite())
			if got := r.wantClosed(); got != "" && got != client.CodeBusy {
				t.Errorf("cut at %d of %q: got error %q, want none, or that another one has the feed", n, all, got)
			}
		}
	}
	a.idleBut(1)
}

// idleBut waits until the server has no more than n connections.
func (a *agent) idleBut(n int) {
	a.t.Helper()
	a.until("connections are closed", func() bool {
		a.server.mu.Lock()
		defer a.server.mu.Unlock()
		return len(a.server.conns) <= n
	})
}

func TestRandomBytes(t *testing.T) {
	a := start(t)
	r := rand.New(rand.NewPCG(3, 4))
	for i := range 300 {
		b := make([]byte, r.IntN(200))
		for j := range b {
			b[j] = byte(r.Uint32())
		}
		if i%2 == 0 { // a frame that could be one
			f := client.Frame{Op: client.Op(r.IntN(20)), Flags: byte(r.Uint32()), Payload: b}
			b = append(hello(client.Format(r.IntN(4))), f.Append(nil)...)
		}
		c := a.raw()
		c.say(b)
		must(t, c.CloseWrite())
		c.wantClosed()
	}
	a.idle()
}

// helloPatience is how long tests give clients to say something. A client that does gets by
// with that also where the machine is busy.
const helloPatience = 3 * time.Second

func TestClientsThatSayNothing(t *testing.T) {
	store, err := journal.OpenMemory()
	must(t, err)
	t.Cleanup(func() { store.Close() })
	a := startWith(t, fstest.New(t, "tmpfs"), store, Options{MaxConns: 50, HelloTimeout: helloPatience})
	var silent []*raw
	a.until("all are admitted", func() bool { // those above the limit are refused
		silent = append(silent, a.raw())
		return a.open() == 50
	})
	refused := 0
	for range 200 {
		r := a.raw()
		_ = r.CloseWrite() // lest it is waited for when the first are gone; it may be closed
		switch got := r.wantClosed(); got {
		case client.CodeLimit:
			refused++
		case "":
		default:
			t.Fatalf("over the limit: got %q, want %q", got, client.CodeLimit)
		}
		if n := a.open(); n > 50 {
			t.Fatalf("over the limit: got %d connections at once, want 50", n)
		}
	}
	if refused == 0 {
		t.Error("over the limit: nobody is refused")
	}
	for _, r := range silent {
		r.wantClosed()
	}
	a.idle()
	if _, err := a.dial().List(t.Context()); err != nil {
		t.Errorf("after them: %v", err)
	}
}

func TestClientsThatStopAmidAFrame(t *testing.T) {
	store, err := journal.OpenMemory()
	must(t, err)
	t.Cleanup(func() { store.Close() })
	a := startWith(t, fstest.New(t, "tmpfs"), store, Options{HelloTimeout: helloPatience})
	stopped := map[string]*raw{}
	for name, b := range map[string][]byte{
		"no length":  {0, 0},
		"length 0":   {0, 0, 0, 0},
		"length max": {0xFF, 0xFF, 0xFF, 0xFF},
		"no payload": {100, 0, 0, 0, byte(client.OpCreate), 0, 0, 0, '{'},
	} {
		r := a.greeted(client.FormatJSON)
		r.say(b)
		stopped[name] = r
	}
	for name, r := range stopped {
		if got := r.wantClosed(); got != client.CodeProtocol {
			t.Errorf("%s: got %q, want %q", name, got, client.CodeProtocol)
		}
	}
	waiting := a.greeted(client.FormatJSON) // between frames there is time
	waiting.say(frame(client.OpList, ""))
	if got := waiting.hear(); got.Op != client.OpList|client.OpAnswer {
		t.Errorf("LIST after the others: got %+v", got)
	}
	must(t, waiting.Close())
	a.idle()
}

func TestHostileJSON(t *testing.T) {
	a := start(t)
	api := a.dial()
	_, err := api.Create(t.Context(), client.CreateOptions{Name: "f", Source: a.fs.Dir})
	must(t, err)
	before, err := api.List(t.Context())
	must(t, err)
	ops := []client.Op{
		client.OpCreate, client.OpDestroy, client.OpInfo, client.OpOpen, client.OpReset, client.OpResolve,
		client.OpTail, client.OpSet, client.OpFIFO, client.OpRescan,
	}
	r := a.greeted(client.FormatNative)
	for _, payload := range []string{
		"", "{", "}", "null", "[]", "0", `"f"`, `{"feed":1}`, `{"feed":null}`, `{"feed":["f"]}`, `{"feed":"\ud800"}`, `{"feed":"f"}x`,
		`{"feed":"` + strings.Repeat("x", 60_000) + `"}`, strings.Repeat("[", 60_000), strings.Repeat(`{"a":`, 10_000),
		`{"source":1e999}`, `{"source":"` + "\x00" + `"}`, `{"source":"/","abort_size":-1}`, `{"source":"/","abort_timeout":"x"}`,
		`{"options":{"owner":4294967296},"feed":"g"}`, "\xff\xfe", `{"source":{"source":{}}}`, `{"fid":"[0x1:0x2]"}`,
	} {
		for _, op := range ops {
			if code, answer := r.ask(op, payload); code != client.CodeBadArgument && code != client.CodeNotFound {
				t.Errorf("op %d with %.40q: got error %q %.80q, want %q or %q", op, payload, code, answer, client.CodeBadArgument, client.CodeNotFound)
			}
		}
	}
	after, err := api.List(t.Context())
	must(t, err)
	before[0].Rate, after[0].Rate = 0, 0
	if b, c := fmt.Sprintf("%+v", before), fmt.Sprintf("%+v", after); len(after) != 1 || b != c {
		t.Errorf("feeds were changed: got %s, want %s", c, b)
	}
}

func TestRefusedOptions(t *testing.T) {
	a := start(t)
	api := a.dial()
	if err := os.WriteFile(a.fs.Path("file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := api.Create(t.Context(), client.CreateOptions{Name: "taken", Source: a.fs.Dir})
	must(t, err)
	negative := client.Seconds(-time.Second)
	for _, c := range []struct {
		name    string
		o       client.CreateOptions
		code    client.Code
		message string
	}{
		{"name begins with a digit", client.CreateOptions{Name: "1x"}, client.CodeBadArgument, `"1x"`},
		{"name of 64 letters", client.CreateOptions{Name: strings.Repeat("a", 64)}, client.CodeBadArgument, "63"},
		{"name with a slash", client.CreateOptions{Name: "a/b"}, client.CodeBadArgument, "letter"},
		{"name as an id", client.CreateOptions{Name: "cl7"}, client.CodeBadArgument, "ids"},
		{"name as an id with a name", client.CreateOptions{Name: "cl7-x"}, client.CodeBadArgument, "ids"},
		{"name taken", client.CreateOptions{Name: "taken"}, client.CodeExists, "cl1"},
		{"mask", client.CreateOptions{Mask: "+foo"}, client.CodeBadArgument, `offset 1: got "foo"`},
		{"mask empty word", client.CreateOptions{Mask: "CREAT+"}, client.CodeBadArgument, "offset 6"},
		{"mode batch", client.CreateOptions{Mode: "batch"}, client.CodeBadArgument, "AC_BATCH is not built"},
		{"mode", client.CreateOptions{Mode: "x"}, client.CodeBadArgument, `"x"`},
		{"index", client.CreateOptions{Index: "some"}, client.CodeBadArgument, `"some"`},
		{"start in the future", client.CreateOptions{Start: "1000000"}, client.CodeBadArgument, `"1000000"`},
		{"start no number", client.CreateOptions{Start: "-1"}, client.CodeBadArgument, `"-1"`},
		{"timeout", client.CreateOptions{AbortTimeout: &negative}, client.CodeBadArgument, "-1s"},
		{"filter field", client.CreateOptions{Filter: json.RawMessage(`{"path":["a"],"colour":["x"]}`)}, client.CodeBadArgument, "offset 14"},
		{"filter value", client.CreateOptions{Filter: json.RawMessage(`{"uid":["0-"]}`)}, client.CodeBadArgument, "uid"},
		{"filter no object", client.CreateOptions{Filter: json.RawMessage(`[1]`)}, client.CodeBadArgument, "offset 0"},
		{"source relative", client.CreateOptions{Source: "."}, client.CodeBadArgument, "absolute"},
		{"source not there", client.CreateOptions{Source: a.fs.Path("none")}, client.CodeNotFound, "none"},
		{"source UUID", client.CreateOptions{Source: "00000000-0000-0000-0000-000000000001"}, client.CodeNotFound, "UUID"},
		{"source without changes", client.CreateOptions{Source: "/proc"}, client.CodeUnsupported, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.o.Source == "" {
				c.o.Source = a.fs.Dir
			}
			_, err := api.Create(t.Context(), c.o)
			if !errors.Is(err, &client.Error{Code: c.code}) || !strings.Contains(err.Error(), c.message) {
				t.Errorf("got %v, want %s with %q in it", err, c.code, c.message)
			}
		})
	}
	feeds, err := api.List(t.Context())
	must(t, err)
	if len(feeds) != 1 || feeds[0].ID != "cl1" {
		t.Errorf("feeds after refusals: got %+v, want the first alone", feeds)
	}
}

func TestRefusedRequests(t *testing.T) {
	a := start(t)
	api := a.dial()
	_, err := api.Create(t.Context(), client.CreateOptions{Name: "f", Source: a.fs.Dir})
	must(t, err)
	other := feed.Caller{UID: 3001, GID: 3001}
	_, attachErr := a.Attach(other, "f", false)
	_, stealErr := a.Attach(other, "f", true)
	_, infoErr := a.Manager.Info(other, "f")
	_, createErr := a.Manager.Create(t.Context(), other, client.CreateOptions{Source: a.fs.Dir})
	_, resetErr := a.Manager.Reset(t.Context(), other, "f", "now", false)
	_, setErr := a.Manager.Set(t.Context(), other, "f", client.CreateOptions{})
	_, sourcesErr := a.Manager.Sources(other)
	_, pathsErr := a.Manager.Paths(t.Context(), other, a.fs.Dir, changelog.FID{Seq: 1})
	_, tailErr := a.Manager.Tail(t.Context(), other, client.CreateOptions{Source: a.fs.Dir}) // this agent cannot check
	for name, err := range map[string]error{
		"attach": attachErr, "steal": stealErr, "info": infoErr, "create": createErr, "reset": resetErr, "set": setErr,
		"sources": sourcesErr, "paths": pathsErr, "tail": tailErr, "destroy": a.Manager.Destroy(t.Context(), other, "f"),
		"rescan": a.Manager.Rescan(t.Context(), other, a.fs.Dir), "fifo": a.server.fifo(a.Manager, other, client.FIFORequest{Feed: "f", Path: "/x"}),
	} {
		if !errors.Is(err, &client.Error{Code: client.CodeDenied}) {
			t.Errorf("%s by another user: got %v, want %s", name, err, client.CodeDenied)
		}
	}
	if l := a.List(other); len(l) != 0 {
		t.Errorf("LIST by another user: got %+v, want nothing", l)
	}
	r := a.greeted(client.FormatNative)
	for _, c := range []struct {
		name    string
		op      client.Op
		payload string
		code    client.Code
	}{
		{"READ without a feed", client.OpRead, readPayload(1, 4096, 0, 0), client.CodeBadArgument},
		{"CANCEL without a feed", client.OpCancel, "12345678", client.CodeDenied},
		{"CLOSE without a feed", client.OpClose, "", client.CodeBadArgument},
		{"PIPE without a feed", client.OpPipe, "", client.CodeBadArgument},
		{"unknown feed", client.OpOpen, `{"feed":"g"}`, client.CodeNotFound},
		{"half of a name", client.OpOpen, `{"feed":"cl1-g"}`, client.CodeNotFound},
		{"FID with garbage", client.OpResolve, fmt.Sprintf(`{"source":%q,"fid":"[0x1:0x2:0x3]x"}`, a.fs.Dir), client.CodeBadArgument},
		{"OPEN", client.OpOpen, `{"feed":"f"}`, ""},
		{"OPEN again", client.OpOpen, `{"feed":"f"}`, client.CodeBadArgument},
		{"TAIL too", client.OpTail, `{"source":"/"}`, client.CodeBadArgument},
		{"no records", client.OpRead, readPayload(0xFFFFFFFF, 4096, 0, 0), client.CodeBadArgument},
		{"too many records", client.OpRead, readPayload(65_537, 4096, 0, 0), client.CodeBadArgument},
		{"too few bytes", client.OpRead, readPayload(1, 4095, 0, 0), client.CodeBadArgument},
		{"too many bytes", client.OpRead, readPayload(1, 16<<20+1, 0, 0), client.CodeBadArgument},
		{"linger", client.OpRead, readPayload(1, 4096, 0, 1001), client.CodeBadArgument},
		{"CANCEL behind the last", client.OpCancel, "\xff\xff\xff\xff\xff\xff\xff\xff", client.CodeBadArgument},
		{"and all goes on", client.OpRead, readPayload(1, 4096, 0, 0), ""},
	} {
		if code, _ := r.ask(c.op, c.payload); code != c.code {
			t.Errorf("%s: got error %q, want %q", c.name, code, c.code)
		}
	}
}

// TestNamesOfAnyBytes has names that no text can hold go through all forms of records.
func TestNamesOfAnyBytes(t *testing.T) {
	a := start(t)
	names := []string{
		"a\nb", "-rf", "..b64", " ", "\xff\xfe\x80", "tab\tquote\"back\\slash", "\x01\x7f", strings.Repeat("n", 255),
		strings.Repeat("\xf0", 255), "é", "e\u0301", "name_b64", "\r",
	}
	api := a.dial()
	_, err := api.Create(t.Context(), client.CreateOptions{Name: "f", Source: a.fs.Dir, Mask: "MKDIR,RENME"})
	must(t, err)
	a.mkdirs(names)
	for _, f := range []client.Format{client.FormatNative, client.FormatJSON, client.FormatLustre, client.FormatText} {
		t.Run(f.String(), func(t *testing.T) {
			n := a.reopened("f", f)
			defer n.Close()
			got := map[string]bool{}
			for len(got) < len(names) {
				b, err := n.Raw(t.Context(), client.ReadOptions{Wait: -1, Keep: true}, func(b []byte) error {
					name, err := nameIn(f, b)
					got[name] = true
					return err
				})
				must(t, err)
				if b.Through == 0 {
					t.Fatal("batch without an end")
				}
			}
			for _, name := range names {
				if !got[name] {
					t.Errorf("%q did not come through", name)
				}
			}
		})
	}
}

// nameIn is the name of a record in a form.
func nameIn(f client.Format, b []byte) (string, error) {
	var r changelog.Record
	switch f {
	case client.FormatNative:
		err := changelog.DecodeNative(b, &r)
		return string(r.Name), err
	case client.FormatJSON:
		err := changelog.DecodeJSON(b[:len(b)-1], &r)
		return string(r.Name), err
	case client.FormatLustre:
		err := changelog.DecodeLustre(b, &r)
		return string(r.Name), err
	}
	err := changelog.ParseText(b[:len(b)-1], &r)
	return string(r.Name), err
}

// TestOwnWritesMakeNoLoop has the store on the file system that is watched.
func TestOwnWritesMakeNoLoop(t *testing.T) {
	fs := fstest.New(t, "ext4")
	must(t, os.Mkdir(fs.Path("state"), 0o700))
	store, err := journal.OpenStore(fs.Path("state"), journal.Options{})
	must(t, err)
	t.Cleanup(func() { store.Close() })
	a := startOn(t, fs, store)
	api := a.dial()
	_, err = api.Create(t.Context(), client.CreateOptions{Name: "f", Source: fs.Dir})
	must(t, err)
	n := a.reopened("f", client.FormatNative)
	for i := range 20 { // each cancel and each commit writes to the store
		name := fmt.Sprintf("d%d", i)
		a.sh("mkdir " + name)
		if got := strings.Join(take(t, n, 1, client.ReadOptions{}), ", "); got != "MKDIR "+name {
			t.Errorf("got %q, want MKDIR %s alone", got, name)
		}
	}
	must(t, n.Commit(t.Context()))
	i, err := api.Info(t.Context(), "f")
	must(t, err)
	if i.Available != 0 {
		t.Errorf("after all: %d records are available, want none", i.Available)
	}
}

// TestTwoAgentsOnOneStore has the second one refused.
func TestTwoAgentsOnOneStore(t *testing.T) {
	dir := t.TempDir()
	store, err := journal.OpenStore(dir, journal.Options{})
	must(t, err)
	defer store.Close()
	if _, err := journal.OpenStore(dir, journal.Options{}); !errors.Is(err, journal.ErrLocked) {
		t.Errorf("second store: got %v, want %v", err, journal.ErrLocked)
	}
}

// TestSilentConsumer has one that asked for records and does not read them given up,
// and nobody else.
func TestSilentConsumer(t *testing.T) {
	a := start(t)
	api := a.dial()
	few := uint64(300)
	_, err := api.Create(t.Context(), client.CreateOptions{Name: "stopped", Source: a.fs.Dir, AbortSize: &few})
	must(t, err)
	_, err = api.Create(t.Context(), client.CreateOptions{Name: "other", Source: a.fs.Dir})
	must(t, err)
	stopped := a.stoppedReader("stopped")
	a.sh("for i in $(seq 500); do mkdir x; rmdir x; done")
	n := a.reopened("other", client.FormatNative)
	if got := len(take(t, n, 1000, client.ReadOptions{})); got != 1000 {
		t.Errorf("the other: got %d records, want 1000", got)
	}
	a.until("the stopped one is given up", func() bool {
		i, err := api.Info(t.Context(), "stopped")
		return err == nil && i.Aborted != nil
	})
	i, err := api.Info(t.Context(), "stopped")
	must(t, err)
	if i.Aborted.Reason != "size" || i.Consumer != nil {
		t.Errorf("given up: got %+v, consumer %+v, want for its size, and no consumer", i.Aborted, i.Consumer)
	}
	stopped()
	last := a.reopened("stopped", client.FormatNative)
	defer last.Close()
	b, err := last.Read(t.Context(), client.ReadOptions{})
	must(t, err)
	if len(b.Records) != 1 || b.Records[0].Mark == nil || b.Records[0].Mark.Kind != changelog.MarkAbort || !b.Aborted {
		t.Errorf("next reader: got %+v, want MARK abort", b)
	}
	var refused *client.Error
	if _, err := last.Read(t.Context(), client.ReadOptions{}); !errors.As(err, &refused) || refused.Code != client.CodeAborted || refused.Aborted == nil {
		t.Errorf("after MARK abort: got %v, want %s with what was lost", err, client.CodeAborted)
	}
	purge := a.findMark(n, changelog.MarkPurge)
	if purge.Feed != "cl1-stopped" || purge.From != i.Aborted.First || purge.To != i.Aborted.Last {
		t.Errorf("MARK purge: got %+v, want that of cl1-stopped, %d to %d", purge, i.Aborted.First, i.Aborted.Last)
	}
}

// findMark reads a feed up to a mark; each read cancels, so that the journal is trimmed.
func (a *agent) findMark(n *client.Consumer, kind changelog.MarkKind) changelog.Marker {
	a.t.Helper()
	ctx, cancel := context.WithTimeout(a.t.Context(), time.Minute)
	defer cancel()
	for {
		b, err := n.Read(ctx, client.ReadOptions{Wait: -1})
		must(a.t, err)
		for i := range b.Records {
			if m := b.Records[i].Mark; m != nil && m.Kind == kind {
				return *m
			}
		}
	}
}
