// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ustsource

import (
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/client/agent"
	"github.com/weir-io/weir/ctf/schema"
	"github.com/weir-io/weir/ctf/tsdl"
	"github.com/weir-io/weir/internal/source"
	"github.com/weir-io/weir/internal/ust/wire"
	"github.com/weir-io/weir/internal/wait"
)

// watch opens a session in which programs that misbehave are told of.
func watch(t *testing.T, s *Source) *trace {
	t.Helper()
	tr, err := s.Open(source.SessionInfo{Name: "watch"})
	if err != nil {
		t.Fatal(err)
	}
	return tr.(*trace)
}

// wantWarning checks what a session tells.
func wantWarning(t *testing.T, tr *trace, words ...string) {
	t.Helper()
	text := strings.Join(tr.Warnings(), "\n")
	for _, w := range words {
		if !strings.Contains(text, w) {
			t.Errorf("warnings %q do not tell of %q", text, w)
		}
	}
}

// A process that connects again and again, and says nothing, is let in no more; nor
// has one more programs than it can need.
func TestFlood(t *testing.T) {
	s := serve(t)
	tr := watch(t, s)
	var conns []*net.UnixConn
	for range maxNewOfProcess {
		conns = append(conns, dial(t, s))
	}
	wantClosed(t, "one too many", dial(t, s))
	wantWarning(t, tr, errFlood.Error())
	for _, c := range conns {
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
	wait.Until(t, "no new connection", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return len(s.newOfProcess) == 0 && len(s.newOfUser) == 0
	})
	for range maxOfProcess {
		f := join(t, s, nil)
		<-f.registered
	}
	more := join(t, s, nil)
	wantClosed(t, "one program too many", more.notify)
	<-more.done
}

// However many users and processes there are, so many connections are let in.
func TestManyNew(t *testing.T) {
	s := New(Options{})
	for i := range maxNew {
		if !s.admit(admission{uint32(i), int32(i)}) {
			t.Fatalf("connection %d is refused", i)
		}
	}
	if s.admit(admission{maxNew, maxNew}) {
		t.Error("one too many is let in")
	}
	s.settle(admission{})
	if !s.admit(admission{maxNew, maxNew}) {
		t.Error("none is let in when one has gone")
	}
}

// Programs are let in again after errors, such as too many open files.
func TestAcceptSurvives(t *testing.T) {
	fail := make(chan error, 3)
	for _, err := range []error{unix.EMFILE, unix.ENFILE, unix.ENOMEM} {
		fail <- &net.OpError{Op: "accept", Err: os.NewSyscallError("accept4", err)}
	}
	s := serveWith(t, func(s *Source) {
		accept := s.accept
		s.accept = func() (*net.UnixConn, error) {
			select {
			case err := <-fail:
				return nil, err
			default:
				return accept()
			}
		}
	})
	f := join(t, s, nil)
	<-f.registered
	if err := s.Check(false); err != nil || len(fail) > 0 {
		t.Errorf("Check() = %v after %d errors too few", err, len(fail))
	}
}

// Half a registration, half of a program, and half a notice are waited for, for a time.
func TestHalves(t *testing.T) {
	s := serve(t)
	tr := watch(t, s)
	short, half, notice := dial(t, s), dial(t, s), join(t, s, nil)
	r := registration(wire.CommandSocket)
	if _, err := short.Write(r.Append(nil)[:100]); err != nil {
		t.Fatal(err)
	}
	<-notice.registered
	if _, err := notice.notify.Write((&wire.EventNotice{Name: "a:b", FieldsLen: wire.FieldLen}).Append(nil)); err != nil {
		t.Fatal(err)
	}
	if _, err := half.Write(r.Append(nil)); err != nil {
		t.Fatal(err)
	}
	wantClosed(t, "half a registration", short)
	wantClosed(t, "half a program", half)
	wantClosed(t, "half a notice", notice.notify)
	<-notice.done
	wantWarning(t, tr, "3 applications dropped")
	next := join(t, s, nil)
	<-next.registered
}

// A program that does not answer a command is dropped, and told by name; another one
// is recorded meanwhile.
func TestSilent(t *testing.T) {
	s := serve(t)
	tr := watch(t, s)
	good := join(t, s, nil)
	<-good.registered
	command, notify := dial(t, s), dial(t, s)
	for kind, conn := range []*net.UnixConn{command, notify} {
		r := registration(uint32(kind))
		r.Name = "silent"
		if _, err := conn.Write(r.Append(nil)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := io.ReadFull(command, make([]byte, wire.CommandLen)); err != nil { // and nothing more
		t.Fatal(err)
	}
	c, err := tr.Channel(0, "c", agent.ChannelSettings{SubbufBytes: 4096, SubbufCount: 2})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	wantClosed(t, "a silent program", command)
	wantWarning(t, tr, `"silent" (process `)
	if err := tr.Close(); err != nil {
		t.Error(err)
	}
	good.command.Close()
	<-good.done
	if good.object == nil {
		t.Error("the other program has got no channel")
	}
}

// A program that answers each command in time, but is asked very many of them, holds up
// a session, or who lists events, for so long only.
func TestSlow(t *testing.T) {
	const short = 100 * time.Millisecond
	for name, ask := range map[string]func(*Source, *trace, *program){
		"session": func(s *Source, tr *trace, p *program) {
			<-p.do(func() { s.patience = short }) // the worker reads it
			<-p.do(func() {
				var err error
				for err == nil { // as for very many rings
					_, err = p.link.simple(wire.Root, wire.OpWaitQuiescent)
				}
				p.settle(tr, err)
			})
		},
		"list": func(s *Source, _ *trace, p *program) {
			<-p.do(func() { s.listPatience = short })
			s.Events(t.Context(), 0, "", false)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t)
			tr := watch(t, s)
			f := join(t, s, func(f *fake) { f.endless = true })
			<-f.registered
			ask(s, tr, s.all()[0])
			wantClosed(t, "a slow program", f.notify)
			<-f.done
			wantWarning(t, tr, `"fake" (process `, errSlow.Error())
		})
	}
}

// Each event that a program declares asks what is new, and the program waits for it: that
// takes no measurement of clocks, and nothing where there is nothing.
func TestNothingNew(t *testing.T) {
	tr := watch(t, New(Options{}))
	tr.part(owner{})
	if _, err := tr.Texts(false); err != nil {
		t.Fatal(err)
	}
	var text []source.Text
	var err error
	if n := testing.AllocsPerRun(100, func() { text, err = tr.Texts(false) }); n != 0 || len(text) > 0 || err != nil {
		t.Errorf("%v allocations for %d texts, %v; want none", n, len(text), err)
	}
}

// Fields of one name have others in the metadata, however many they are.
func TestSameNames(t *testing.T) {
	tr := watch(t, New(Options{}))
	fields := make([]wire.Field, wire.MaxFields)
	for i := range fields {
		fields[i] = wire.Field{Name: "n", Kind: wire.String}
	}
	fields[1].Name = "n_0"
	st, err := tr.part(owner{}).structure(schema.EventPayload, fields)
	if err != nil {
		t.Fatal(err)
	}
	seen := make(map[string]bool)
	for _, m := range st.Members {
		seen[m.Name] = true
	}
	if len(seen) != len(fields) || st.Members[0].Name != "n" || st.Members[1].Name != "n_0" || st.Members[2].Name != "n_1" {
		t.Errorf("%d names of %d members, which begin %q, %q, %q", len(seen), len(fields), st.Members[0].Name, st.Members[1].Name, st.Members[2].Name)
	}
}

// Fields of one enumeration share its labels; what they are in the metadata is bounded
// and counted, in contexts too, and an event that is refused leaves no trace.
func TestLargeEnums(t *testing.T) {
	tr := watch(t, New(Options{}))
	entries := make([]wire.EnumEntry, wire.MaxEnumEntries)
	for i := range entries {
		entries[i] = wire.EnumEntry{Label: fmt.Sprintf("%0200d", i), Auto: true}
	}
	if _, ok := tr.declareEnum(new(program), "large", []byte("raw"), entries); !ok {
		t.Fatal("the enumeration is refused")
	}
	p := tr.part(owner{})
	class, err := p.newClass()
	if err != nil {
		t.Fatal(err)
	}
	b := &buffers{c: &channel{t: tr}, part: p, class: class}
	pair := []wire.Field{{Name: "e", Kind: wire.Enum}, {Kind: wire.Integer, Bits: 32, Align: 8}}
	two := slices.Repeat(pair, 2)
	many := slices.Repeat(pair, wire.MaxFields/2)
	if err := b.declareContexts([]byte("many"), many); err == nil {
		t.Error("contexts of many large enumerations are taken")
	}
	if err := b.declareContexts(nil, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := b.declare(&wire.EventNotice{Name: "many"}, []byte("many"), many, ""); err == nil {
		t.Error("an event of many large enumerations is taken")
	}
	st, err := p.structure(schema.EventPayload, two)
	if err != nil {
		t.Fatal(err)
	}
	if x, y := st.Members[0].Class.(*schema.Integer), st.Members[1].Class.(*schema.Integer); &x.Mappings[0] != &y.Mappings[0] {
		t.Error("the labels are there twice")
	}
	n, err := 0, error(nil)
	for ; err == nil && n < 100; n++ {
		name := fmt.Sprint("app:", n)
		_, err = b.declare(&wire.EventNotice{Name: name}, []byte(name), two, "")
	}
	if want := maxTold/(2*200*wire.MaxEnumEntries) + 1; err == nil || n < 3 || n > want {
		t.Errorf("%d events of two large enumerations each, %v; want at most %d", n, err, want)
	}
	text, err := p.metadata()
	if err != nil || len(text) > 2*maxTold {
		t.Errorf("%d bytes of metadata, %v", len(text), err)
	}
}

// Choices of variants find their labels, and sequences their lengths, without looking at
// all that there are: other programs wait for the one that declares them.
func TestManyChoices(t *testing.T) {
	tr := watch(t, New(Options{}))
	entries := make([]wire.EnumEntry, wire.MaxEnumEntries)
	for i := range entries {
		entries[i] = wire.EnumEntry{Label: fmt.Sprint("choice", i), Auto: true}
	}
	if _, ok := tr.declareEnum(&program{}, "tags", []byte("raw"), entries); !ok {
		t.Fatal("the enumeration is refused")
	}
	tag := []wire.Field{{Name: "tag", Kind: wire.Enum}, {Kind: wire.Integer, Bits: 32, Align: 8}}
	choices := append(tag, wire.Field{Name: "v", Kind: wire.Variant, Ref: "tag", Length: uint32(wire.MaxFields - 3)})
	for i := range wire.MaxFields - 3 {
		choices = append(choices, wire.Field{Name: fmt.Sprint("choice", len(entries)-1-i%len(entries)), Kind: wire.String})
	}
	variants, sequences := slices.Clone(tag), slices.Clone(tag)
	for i := range (wire.MaxFields - 2) / 2 {
		variants = append(variants, wire.Field{Name: "v", Kind: wire.Variant, Ref: "tag", Length: 1}, wire.Field{Name: fmt.Sprint("choice", len(entries)-1), Kind: wire.String})
		sequences = append([]wire.Field{{Name: fmt.Sprint("n", i), Kind: wire.Integer, Bits: 8, Align: 8}}, sequences...)
	}
	for i := range (wire.MaxFields - 2) / 4 {
		sequences = append(sequences, wire.Field{Name: "s", Kind: wire.Sequence, Ref: fmt.Sprint("n", i), Align: 8}, wire.Field{Kind: wire.Integer, Bits: 8, Align: 8})
	}
	runtime.LockOSThread() // whose time is measured: others use the processors, too
	defer runtime.UnlockOSThread()
	used := func() time.Duration {
		var ts unix.Timespec
		if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &ts); err != nil {
			t.Fatal(err)
		}
		return time.Duration(ts.Nano())
	}
	for name, fields := range map[string][]wire.Field{"choices": choices, "variants": variants, "sequences": sequences} {
		least := time.Hour
		for range 5 {
			begin := used()
			if _, err := tr.part(owner{}).structure(schema.EventPayload, fields); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			least = min(least, used()-begin)
		}
		if least > 100*time.Millisecond { // a tenth of that with the race detector
			t.Errorf("%s: %v for %d fields", name, least, len(fields))
		}
	}
}

// FuzzFields has a program declare anything: what is taken is metadata that can be read.
func FuzzFields(f *testing.F) {
	integer := wire.Field{Name: "n", Kind: wire.Integer, Bits: 32, Base: 10, Align: 8}
	for _, fields := range [][]wire.Field{
		{integer, {Name: "text \"quoted\"\n", Kind: wire.String, Encoding: wire.UTF8}},
		{integer, {Name: "s", Kind: wire.Sequence, Ref: "n", Align: 8}, integer},
		{{Name: "a", Kind: wire.Array, Length: 3, Align: 8}, {Name: "f", Kind: wire.Float, Exponent: 8, Mantissa: 24, Align: 8}},
		{{Name: "st", Kind: wire.Struct, Length: 2, Align: 8}, integer, integer},
		{{Name: "e", Kind: wire.Enum, Enum: "level"}, integer, {Name: "v", Kind: wire.Variant, Length: 1, Ref: "e"}, {Name: "one", Kind: wire.String}},
		{{Name: "deep", Kind: wire.Struct, Length: 1}, {Name: "deep", Kind: wire.Struct, Length: 1 << 31}, integer},
	} {
		f.Add("app:tick", "http://x", int32(6), wire.AppendFields(nil, fields))
	}
	f.Fuzz(func(t *testing.T, name, uri string, level int32, raw []byte) {
		fields, err := wire.ParseFields(raw)
		if err != nil {
			return
		}
		tr := watch(t, New(Options{}))
		tr.declareEnum(new(program), "level", []byte("raw"), []wire.EnumEntry{{Label: "one", Start: wire.EnumValue{Value: 1}, End: wire.EnumValue{Value: 2}}, {Label: "a \"b\"", Auto: true}})
		class, err := tr.part(owner{}).newClass()
		if err != nil {
			t.Fatal(err)
		}
		b := &buffers{c: &channel{t: tr}, part: tr.part(owner{}), class: class}
		_ = b.declareContexts(raw, fields) // may be refused
		if b.class.contexts == nil {
			if err := b.declareContexts(nil, nil); err != nil {
				t.Fatal(err)
			}
		}
		_, err = b.declare(&wire.EventNotice{Name: name, Level: level}, raw, fields, uri)
		text, merr := tr.part(owner{}).metadata()
		if merr != nil {
			t.Fatalf("event taken (%v), no metadata: %v", err, merr)
		}
		if _, err := tsdl.Parse(text); err != nil {
			t.Fatalf("metadata that nobody can read: %v\n%s", err, text)
		}
	})
}
