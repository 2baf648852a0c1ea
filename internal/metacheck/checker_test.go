// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package metacheck

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/weir-io/weir/internal/fdpool"
	"github.com/weir-io/weir/internal/tracestore"
	"github.com/weir-io/weir/lttng"
)

const (
	path   = "ust/uid/0/64-bit"
	traceT = "/* CTF 1.8 */\ntrace { major = 1; minor = 8; byte_order = le;\n\tpacket.header := struct { integer { size = 32; } stream_id; }; };\n"
	clockT = "clock { name = c; };\n"
	// streamT has a layout.
	streamT = "stream { id = 3; packet.context := struct { integer { size = 64; map = clock.c.value; } timestamp_begin;\n" +
		"\tinteger { size = 64; } content_size; integer { size = 64; } packet_size; }; };\n"
	eventT = "event { name = e; id = 1; stream_id = 3; };\n"
	good   = traceT + clockT + streamT + eventT
)

// bench is a store whose metadata is checked.
type bench struct {
	t       *testing.T
	out     string
	store   *tracestore.Store
	checker *Checker
	log     bytes.Buffer
}

func newBench(t *testing.T, maxBytes int64) *bench {
	t.Helper()
	b := &bench{t: t, out: t.TempDir()}
	b.checker = New(Options{MaxBytes: maxBytes, Log: slog.New(slog.NewTextHandler(&b.log, nil))})
	t.Cleanup(b.checker.Close)
	b.store = tracestore.New(tracestore.Options{
		Output: b.out, AllowClear: true, RetainClosed: time.Hour, Watcher: b.checker,
		Files: fdpool.New(16), Log: slog.New(slog.DiscardHandler),
	})
	return b
}

// session is one that is being received.
type session struct {
	*bench
	ss *tracestore.Session
}

func (b *bench) open(m lttng.CreateSession) *session {
	b.t.Helper()
	m.SessiondUUID, m.Hostname, m.TraceFormat = [16]byte{1}, "vm", lttng.FormatCTF1
	ss, err := b.store.CreateSession(m, lttng.MinorTraceFormat, netip.MustParseAddr("127.0.0.1"))
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(ss.Close)
	if err := ss.CreateChunk(lttng.CreateTraceChunk{CreationTime: 1_700_000_000}); err != nil {
		b.t.Fatal(err)
	}
	return &session{b, ss}
}

func (s *session) add(path string) *tracestore.Stream {
	s.t.Helper()
	st, _, err := s.ss.AddStream(lttng.AddStream{Path: path, Channel: "metadata"})
	if err != nil {
		s.t.Fatal(err)
	}
	s.ss.Publish()
	return st
}

func (s *session) send(st *tracestore.Stream, text string) {
	s.t.Helper()
	if err := st.AppendMetadata(lttng.Metadata{Stream: st.ID(), Content: []byte(text)}); err != nil {
		s.t.Fatal(err)
	}
}

// faults returns what is wrong by now.
func (s *session) faults() []Fault {
	s.checker.Wait()
	return s.checker.Faults(s.ss)
}

func (s *session) want(what string, want ...Fault) {
	s.t.Helper()
	if diff := cmp.Diff(want, s.faults(), cmpopts.IgnoreUnexported(Fault{}), cmpopts.EquateEmpty()); diff != "" {
		s.t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// stored returns what lies in the metadata file.
func (s *session) stored(path string) string {
	s.t.Helper()
	found, err := filepath.Glob(filepath.Join(s.out, "vm", "*", path, "metadata"))
	if err != nil || len(found) != 1 {
		s.t.Fatalf("metadata files %v, %v", found, err)
	}
	b, err := os.ReadFile(found[0])
	if err != nil {
		s.t.Fatal(err)
	}
	return string(b)
}

// Metadata cut at any byte is good, and the layouts are known as soon as they
// can be.
func TestCutAnywhere(t *testing.T) {
	b := newBench(t, 1<<20)
	for cut := 1; cut < len(good); cut += 7 {
		s := b.open(lttng.CreateSession{Name: "s", SessiondSessionID: uint64(cut)})
		st := s.add(path)
		s.send(st, good[:cut])
		s.want("first part")
		known := cut >= len(traceT+clockT+streamT)-1
		if got := b.checker.Layout(st.Trace(), 3) != nil; got != known {
			t.Errorf("cut at %d: layout known %v, want %v", cut, got, known)
		}
		s.send(st, good[cut:])
		s.want(fmt.Sprintf("cut at %d", cut))
		if b.checker.Layout(st.Trace(), 3) == nil || b.checker.Layout(st.Trace(), 4) != nil {
			t.Errorf("cut at %d: layouts of classes 3, 4: %v, %v", cut, b.checker.Layout(st.Trace(), 3), b.checker.Layout(st.Trace(), 4))
		}
		st.RequestClose(lttng.NoSeq)
		s.want("closed")
		s.ss.Close()
	}
	if c := b.checker.Counters(); c.Errors.Load() != 0 || c.Bytes.Load() == 0 || b.log.Len() > 0 {
		t.Errorf("%d errors, %d good bytes, log %q", c.Errors.Load(), c.Bytes.Load(), b.log.String())
	}
	b.checker.Wait()
	if b.checker.held != 0 || len(b.checker.sessions) != 0 {
		t.Errorf("holds %d bytes of %d sessions when all are closed", b.checker.held, len(b.checker.sessions))
	}
}

// The fixture of CTF 2, in its fragments and in halves of them.
func TestFragments(t *testing.T) {
	a, err := txtar.ParseFile("../metadata/testdata/lttng-ust.txtar")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.ReplaceAll(string(a.Files[0].Data)+string(a.Files[1].Data), "␞", "\x1e")
	b := newBench(t, 1<<20)
	s := b.open(lttng.CreateSession{Name: "s"})
	bytewise := s.add("bytewise")
	for i := range len(text) {
		s.send(bytewise, text[i:i+1])
		if text[i] == '}' || text[i] == '\n' {
			s.checker.Wait()
		}
	}
	st := s.add(path)
	for ; len(text) > 0; text = text[min(1000, len(text)):] {
		s.send(st, text[:min(1000, len(text))])
		s.checker.Wait()
	}
	s.want("whole")
	if b.checker.Layout(st.Trace(), 0) == nil {
		t.Error("no layout of stream class 0")
	}
	s.send(st, "\x1e{\"type\": \"event-record-class\", \"id\": 0}\n")
	s.want("same event twice", Fault{
		Trace: path, Offset: 13476, Path: "id", Got: "0", Want: "the id of no other event record class of its data stream class",
		Message: "ctf2: fragment 11 at offset 13476: id: got 0, want the id of no other event record class of its data stream class",
	})
}

// What is wrong is told once, with its place, and nothing is disturbed by it.
func TestFault(t *testing.T) {
	b := newBench(t, 1<<20)
	s := b.open(lttng.CreateSession{Name: "s", LiveTimer: 1})
	st, other, third := s.add("ust/pid/a"), s.add("ust/pid/b"), s.add("ust/pid/c")
	s.send(third, good)
	s.send(st, good)
	s.send(st, "event {\n  name = e 7;\n};\n")
	s.checker.Wait()
	s.send(st, "nor is this;\n")
	s.send(other, "stream;")
	want := []Fault{{
		Trace: "ust/pid/a", Line: 9, Column: 12, Offset: 397, Got: `"7"`, Want: `";"`,
		Message: `tsdl: line 9, column 12: got "7", want ";"`,
	}, {
		Trace: "ust/pid/b", Line: 1, Column: 8, Offset: 7, Got: "end of text", Want: "a trace block",
		Message: `tsdl: line 1, column 8: got end of text, want a trace block`,
	}}
	s.want("two traces", want...)
	st.RequestClose(lttng.NoSeq)
	other.RequestClose(lttng.NoSeq)
	third.RequestClose(lttng.NoSeq)
	s.want("applications gone", want...)
	if n := b.checker.Counters().Errors.Load(); n != 2 {
		t.Errorf("%d errors, want 2", n)
	}
	if log := b.log.String(); strings.Count(log, "metadata broken") != 1 || !strings.Contains(log, "trace=ust/pid/") {
		t.Errorf("log %q", log)
	}
	if got := s.stored("ust/pid/a"); got != good+"event {\n  name = e 7;\n};\nnor is this;\n" {
		t.Errorf("stored %q", got)
	}
}

// What a producer leaves incomplete is wrong when it is gone.
func TestIncompleteAtTheEnd(t *testing.T) {
	b := newBench(t, 1<<20)
	s := b.open(lttng.CreateSession{Name: "s", LiveTimer: 1})
	st, blank := s.add("a"), s.add("b")
	s.send(st, good+"event {")
	s.send(blank, good+"\n\n /* the end */\n")
	s.want("open")
	st.RequestClose(lttng.NoSeq)
	blank.RequestClose(lttng.NoSeq)
	faults := s.faults()
	if len(faults) != 1 || faults[0].Trace != "a" || faults[0].Line != 8 {
		t.Errorf("faults %+v, want one of a at line 8", faults)
	}
}

// Reset metadata is checked anew.
func TestReset(t *testing.T) {
	b := newBench(t, 1<<20)
	s := b.open(lttng.CreateSession{Name: "s"})
	st := s.add(path)
	s.send(st, "stream;")
	if n := len(s.faults()); n != 1 {
		t.Fatalf("%d faults, want 1", n)
	}
	if err := st.ResetMetadata(); err != nil {
		t.Fatal(err)
	}
	s.send(st, good)
	s.want("sent again")
}

// After a rotation the old metadata stands for the new until that differs.
func TestRotation(t *testing.T) {
	b := newBench(t, 1<<20)
	s := b.open(lttng.CreateSession{Name: "s"})
	st := s.add(path)
	s.send(st, good)
	s.want("before")
	if err := s.ss.CreateChunk(lttng.CreateTraceChunk{Chunk: 1, CreationTime: 1_700_000_001}); err != nil {
		t.Fatal(err)
	}
	if err := s.ss.Rotate(lttng.RotateStreams{HasChunk: true, Chunk: 1, Streams: []lttng.RotatePosition{{Stream: st.ID()}}}); err != nil {
		t.Fatal(err)
	}
	s.want("carried over")
	s.send(st, traceT)
	s.send(st, "clock { name = d; }; stream;")
	faults := s.faults()
	if len(faults) != 1 || faults[0].Line != 4 {
		t.Errorf("faults %+v, want one at line 4", faults)
	}
	// The same length as before, and other bytes.
	if b.checker.Layout(st.Trace(), 3) != nil {
		t.Error("there is a layout of what was declared before the rotation only")
	}
}

// Beyond the limit nothing is checked and nothing is kept, but all is stored.
func TestLimit(t *testing.T) {
	b := newBench(t, 16<<10)
	s := b.open(lttng.CreateSession{Name: "s", LiveTimer: 1})
	st, healthy := s.add("huge"), s.add("healthy")
	part := "/* " + strings.Repeat("never ending ", 80_000)
	for range 100 {
		s.send(st, part) // 100 MB in all
	}
	s.send(healthy, good)
	faults := s.faults()
	if len(faults) != 1 || !faults[0].Unchecked || faults[0].Trace != "huge" {
		t.Fatalf("faults %+v, want one of huge that is not checked", faults)
	}
	if c := b.checker.Counters(); c.Unchecked.Load() != 1 || c.Errors.Load() != 0 {
		t.Errorf("%d unchecked, %d errors, want 1, 0", c.Unchecked.Load(), c.Errors.Load())
	}
	if b.checker.Layout(healthy.Trace(), 3) == nil {
		t.Error("the other trace was not checked")
	}
	if n := len(s.stored("huge")); n != 100*len(part) {
		t.Errorf("%d bytes stored, want %d", n, 100*len(part))
	}
}

// All traces together have a limit too: those that end make room.
func TestTotal(t *testing.T) {
	b := newBench(t, 1<<20)
	const each = int64(len(good)) + 8*200 // about: what good declares
	b.checker.opts.MaxTotal = 5 * each / 2
	s := b.open(lttng.CreateSession{Name: "s", LiveTimer: 1})
	first := s.add("first")
	for _, st := range []*tracestore.Stream{first, s.add("second"), s.add("third")} {
		s.send(st, good)
		s.checker.Wait()
	}
	if faults := s.faults(); len(faults) != 1 || faults[0].Trace != "third" {
		t.Errorf("faults %+v, want one of third", faults)
	}
	first.RequestClose(lttng.NoSeq)
	s.checker.Wait()
	s.send(s.add("fourth"), good)
	if faults := s.faults(); len(faults) != 1 {
		t.Errorf("faults %+v after a trace has ended, want the one of third", faults)
	}
}

// A few bytes that declare millions of fields take no more memory than others.
func TestBomb(t *testing.T) {
	b := newBench(t, 1<<20)
	s := b.open(lttng.CreateSession{Name: "s", LiveTimer: 1})
	st := s.add(path)
	s.send(st, "\x1e{\"type\": \"preamble\", \"version\": 2}\x1e{\"type\": \"data-stream-class\"}"+
		"\x1e{\"type\": \"field-class-alias\", \"name\": \"a0\", \"field-class\": {\"type\": \"null-terminated-string\"}}")
	for i := range 14 {
		s.send(st, fmt.Sprintf("\x1e"+`{"type": "field-class-alias", "name": "a%d", "field-class": {"type": "structure", "member-classes": [`+
			`{"name": "l", "field-class": "a%d"}, {"name": "r", "field-class": "a%d"}]}}`, i+1, i, i))
	}
	s.want("aliases")
	for i := range 20 {
		s.send(st, fmt.Sprintf("\x1e"+`{"type": "event-record-class", "id": %d, "payload-field-class": "a14"}`, i))
		s.checker.Wait()
	}
	if faults := s.faults(); len(faults) != 1 || !faults[0].Unchecked {
		t.Errorf("faults %+v, want one that is not checked", faults)
	}
	if b.checker.held != 0 {
		t.Errorf("%d bytes are held", b.checker.held)
	}
}

func TestHostile(t *testing.T) {
	for name, text := range map[string]string{
		"braces":    strings.Repeat("struct { ", 100_000) + ";",
		"brackets":  "\x1e" + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000),
		"objects":   "\x1e" + strings.Repeat(`{"a":`, 50_000) + strings.Repeat("}", 50_000),
		"zeros":     strings.Repeat("\x00", 4096) + ";",
		"bad magic": "\x57\x1d\xd1\x75" + strings.Repeat("\xff", 4096),
		"packet":    "\x57\x1d\xd1\x75" + strings.Repeat("\x00", 20) + "\x28\x01\x00\x00\x28\x01\x00\x00" + strings.Repeat("\x00", 5),
		"other":     "{\"a\": 1}",
		"terminals": "\x1b[2J;" + strings.Repeat("\xff", 100) + ";",
	} {
		b := newBench(t, 1<<20)
		s := b.open(lttng.CreateSession{Name: "s", LiveTimer: 1})
		st := s.add(path)
		s.send(st, text)
		s.checker.Wait()
		st.RequestClose(lttng.NoSeq)
		faults := s.faults()
		if len(faults) != 1 || faults[0].Unchecked || len(faults[0].Message) > 2*maxMessage {
			t.Errorf("%s: %+v, want one fault", name, faults)
		}
	}
}

// One session's faults are bounded.
func TestManyFaults(t *testing.T) {
	b := newBench(t, 1<<20)
	s := b.open(lttng.CreateSession{Name: "s", LiveTimer: 1})
	for i := range maxFaults + 10 {
		s.send(s.add(fmt.Sprintf("ust/pid/%d", i)), "stream;")
	}
	if n := len(s.faults()); n != maxFaults || b.checker.Counters().Errors.Load() != maxFaults+10 {
		t.Errorf("%d faults, %d errors, want %d, %d", n, b.checker.Counters().Errors.Load(), maxFaults, maxFaults+10)
	}
}

// What arrives after the end is ignored, and nothing stays open.
func TestClosed(t *testing.T) {
	b := newBench(t, 1<<20)
	s := b.open(lttng.CreateSession{Name: "s", LiveTimer: 1})
	st := s.add(path)
	s.send(st, good)
	b.checker.Close()
	s.send(st, "stream;")
	s.want("after the end")
}
