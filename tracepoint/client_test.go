// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracepoint

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/ust/ring"
	"github.com/weir-io/weir/internal/ust/wire"
	"github.com/weir-io/weir/internal/wait"
)

// Goroutines write on while a session stops, starts, is destroyed, and while the daemon
// dies; memory that is unmapped meanwhile is not touched any more.
func TestSessionsEndWhileGoroutinesWrite(t *testing.T) {
	small := ring.Geometry{SubbufBytes: 4096, Subbufs: 4, Overwrite: true}
	r := newRecorder(t, small, 2, anything, contextPID, contextProcname)
	e := New2(newProvider(r.tracer, "app"), "tick", Info, Int64("n"), String("text"))
	var stop atomic.Bool
	var writers sync.WaitGroup
	for range 8 {
		writers.Go(func() {
			for n := int64(0); !stop.Load(); n++ {
				e.Write(n, "tock")
				runtime.Gosched() // the daemon's goroutines wait for processors too
			}
		})
	}
	defer writers.Wait()
	defer stop.Store(true)
	wait.Until(t, "the event is recorded", e.Enabled)
	for range 10 {
		r.want(wire.Command{Handle: r.session, Op: wire.OpDisable}, nil)
		r.want(wire.Command{Op: wire.OpWaitQuiescent}, nil)
		if e.Enabled() {
			t.Fatal("the event is enabled in a session that has stopped")
		}
		r.want(wire.Command{Handle: r.session, Op: wire.OpEnable}, nil)
		if !e.Enabled() {
			t.Fatal("the event is not enabled in a session that has started again")
		}
	}
	r.want(wire.Command{Handle: r.session, Op: wire.OpRelease}, nil)
	r.want(wire.Command{Handle: r.channel, Op: wire.OpRelease}, nil)
	if e.Enabled() {
		t.Error("the event is enabled in a session that is gone")
	}
	runtime.GC() // unmaps
	r.close()
	for _, reader := range r.readers {
		if reader.Usage() == 0 {
			continue
		}
		return
	}
	t.Error("nothing was written")
}

// What a program holds for a session goes with it, and with its daemon, though nothing
// else in the program allocates and so has the garbage collector run.
func TestMemoryGoesWithSessions(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	for what, end := range map[string]func(r *recorder){
		"session": func(r *recorder) { r.want(wire.Command{Handle: r.session, Op: wire.OpRelease}, nil) },
		"channel": func(r *recorder) { r.want(wire.Command{Handle: r.channel, Op: wire.OpRelease}, nil) },
		"daemon":  func(r *recorder) { r.command.Close() },
	} {
		r := newRecorder(t, ring.Geometry{SubbufBytes: 4096, Subbufs: 4}, 2, anything)
		e := New0(newProvider(r.tracer, "app"), "tick", Info)
		wait.Until(t, "the event is recorded", e.Enabled)
		w := e.targets.Load().list[0].rings[0] // as one who is writing
		end(r)
		wait.Until(t, "the memory goes with the "+what, w.Retired)
		e.Write()
		r.close()
	}
}

// An event that is declared when the daemon has long told what it records is recorded
// from its first one on by who waits for it, and nobody waits for a daemon that is gone.
func TestReadyAfterLateEvents(t *testing.T) {
	r := newRecorder(t, ring.Geometry{SubbufBytes: 4096, Subbufs: 2}, 1, anything)
	defer r.close()
	r.want(wire.Command{Op: wire.OpRegisterDone}, nil)
	p := newProvider(r.tracer, "app")
	for i := range 50 {
		e := New0(p, fmt.Sprintf("late%d", i), Info)
		if err := r.tracer.ready(t.Context()); err != nil {
			t.Fatal(err)
		}
		if !e.Enabled() {
			t.Fatalf("event %d is not recorded though the program is ready", i)
		}
	}
	r.command.Close()
	New0(p, "last", Info)
	if err := r.tracer.ready(t.Context()); err != nil {
		t.Error(err)
	}
}

// A daemon that has stopped in the middle holds a program up for as long as that wants.
func TestReadyIsBounded(t *testing.T) {
	d := newDouble(t) // it tells nothing
	defer d.close()
	New0(newProvider(d.tracer, "app"), "tick", Info)
	begin := time.Now()
	if err := d.tracer.readyWithin(t.Context(), 10*time.Millisecond); !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) > wait.Patience {
		t.Errorf("ready after %v: %v, want that it is late", time.Since(begin), err)
	}
	for value, want := range map[string]time.Duration{"": readyTimeout, "0": 0, "1500": 1500 * time.Millisecond, "-1": -time.Millisecond, "soon": readyTimeout} {
		if got := timeout(value); got != want {
			t.Errorf("%s=%s: %v, want %v", readyVariable, value, got, want)
		}
	}
}

// Waiting for a writer that never ends, as that of another program which has died, takes
// no processor.
func TestSettleWithoutSpinning(t *testing.T) {
	r := newRecorder(t, ring.Geometry{SubbufBytes: 4096, Subbufs: 4}, 1, anything)
	defer r.close()
	e := New0(newProvider(r.tracer, "app"), "tick", Info)
	wait.Until(t, "the event is recorded", e.Enabled)
	w := e.targets.Load().list[0].rings[0]
	if _, ok := w.Reserve(w.Position(), now(), 10, 20); !ok {
		t.Fatal("no room in an empty ring")
	}
	begin, spent := time.Now(), processorTime(t)
	r.want(wire.Command{Op: wire.OpWaitQuiescent}, nil)
	spent = processorTime(t) - spent
	if took := time.Since(begin); took < settleLate || spent > took/4 {
		t.Errorf("waited for %v, which took %v of processors; want %v and a quarter of it at most", took, spent, settleLate)
	}
}

// processorTime is that of this process so far.
func processorTime(t *testing.T) time.Duration {
	t.Helper()
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// A daemon that dies leaves nothing enabled; one that says nothing good is left.
func TestDaemonDies(t *testing.T) {
	r := newRecorder(t, ring.Geometry{SubbufBytes: 4096, Subbufs: 2}, 1, anything)
	e := New1(newProvider(r.tracer, "app"), "tick", Info, Int("n"))
	wait.Until(t, "the event is recorded", e.Enabled)
	r.command.Close()
	wait.Until(t, "nothing is recorded", func() bool { return !e.Enabled() })
	e.Write(1)
	r.close()
}

// A span ends once, however often it is said that it has, and by whichever copy.
func TestSpanEndsOnce(t *testing.T) {
	g := ring.Geometry{SubbufBytes: 4096, Subbufs: 2}
	r := newRecorder(t, g, 1, anything)
	defer r.close()
	spans := NewSpans(newProvider(r.tracer, "app"))
	wait.Until(t, "spans are recorded", func() bool { return spans.begin.Enabled() && spans.end.Enabled() })
	ctx, outer := spans.Start(context.Background(), "outer")
	_, inner := spans.Start(ctx, "inner")
	written := func() uint64 {
		_, at, err := r.readers[0].Positions()
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	inner.End()
	before := written()
	same := inner
	inner.End()
	same.End()
	Span{}.End()
	if at := written(); at != before {
		t.Errorf("a span that has ended writes %d bytes", at-before)
	}
	outer.End()
	if written() == before {
		t.Error("the outer span does not end")
	}
}

// Rules that are disabled, and channels that are, select nothing; the rest is recorded.
func TestRules(t *testing.T) {
	r := newRecorder(t, ring.Geometry{SubbufBytes: 4096, Subbufs: 2}, 1, wire.Event{Pattern: "app:none", Level: -1})
	defer r.close()
	p := newProvider(r.tracer, "app")
	info, debug := New0(p, "info", Info), New0(p, "debug", Debug)
	handle := r.addRule(wire.Event{Pattern: "app:*", LevelType: wire.LevelRange, Level: int32(Notice)})
	check := func(what string, wantInfo, wantDebug bool) {
		t.Helper()
		if info.Enabled() != wantInfo || debug.Enabled() != wantDebug {
			t.Errorf("%s: info %v, debug %v, want %v, %v", what, info.Enabled(), debug.Enabled(), wantInfo, wantDebug)
		}
	}
	check("a rule of more severe ones", false, false)
	r.addRule(wire.Event{Pattern: "app:*", LevelType: wire.LevelRange, Level: int32(Info)})
	check("a rule of a level", true, false)
	single := r.addRule(wire.Event{Pattern: "app:d*", LevelType: wire.LevelSingle, Level: int32(Debug)})
	check("a rule of one level", true, true)
	r.want(wire.Command{Handle: single, Op: wire.OpDisable}, nil)
	check("a rule that is disabled", true, false)
	r.want(wire.Command{Handle: single, Op: wire.OpEnable}, nil)
	r.want(wire.Command{Handle: single, Op: wire.OpExclusion, Body: (&wire.Exclusion{Count: 1}).Append(nil)}, wire.AppendNames(nil, []string{"app:debug"}))
	r.want(wire.Command{Handle: handle, Op: wire.OpEnable}, nil)
	check("an exclusion", true, false)
	r.want(wire.Command{Handle: r.channel, Op: wire.OpDisable}, nil)
	check("a channel that is disabled", false, false)
	r.want(wire.Command{Handle: r.channel, Op: wire.OpEnable}, nil)
	check("one that is enabled again", true, false)
	if reply := r.ask(wire.Command{Handle: r.session, Op: wire.OpEnable}, nil); reply.Code != wire.CodeExists {
		t.Errorf("a session that is active is enabled: code %d", reply.Code)
	}
}

// A channel that the daemon refuses records nothing, and the connection goes on.
func TestChannelRefused(t *testing.T) {
	r := newRefuser(t, wire.NoticeChannel, ring.Geometry{SubbufBytes: 4096, Subbufs: 2}, 1, anything)
	defer r.close()
	e := New1(newProvider(r.tracer, "app"), "tick", Info, Int("n"))
	r.want(wire.Command{Handle: r.channel, Op: wire.OpDisable}, nil)
	r.want(wire.Command{Handle: r.channel, Op: wire.OpEnable}, nil) // all is in line then
	if e.Enabled() {
		t.Error("an event is recorded in a channel that is refused")
	}
}

// An event is not recorded as one of another enumeration where the daemon refuses its own.
func TestEnumRefused(t *testing.T) {
	r := newRefuser(t, wire.NoticeEnum, ring.Geometry{SubbufBytes: 4096, Subbufs: 2}, 1, anything)
	defer r.close()
	p := newProvider(r.tracer, "app")
	colored := New1(p, "colored", Info, Enum("c", "color", map[int]string{1: "RED"}))
	plain := New1(p, "plain", Info, Int("n"))
	wait.Until(t, "the event without an enumeration is recorded", plain.Enabled)
	if colored.Enabled() || <-r.names != "app:plain" {
		t.Error("an event is recorded whose enumeration is refused")
	}
}

// A context that a program's own code tells has no value in Go programs, which is a byte of 0
// before the fields. Where the daemon refuses the enumeration of its kinds, nothing is recorded.
func TestAppContext(t *testing.T) {
	g := ring.Geometry{SubbufBytes: 4096, Subbufs: 2}
	r := newRecorder(t, g, 1, anything, contextPID, wire.ContextApp)
	defer r.close()
	e := New1(newProvider(r.tracer, "app"), "tick", Info, Uint8("n"))
	wait.Until(t, "the event is recorded", e.Enabled)
	e.Write(7)
	reader := r.readers[0]
	reader.Flush(now(), false)
	at, _, err := reader.Positions()
	if err != nil {
		t.Fatal(err)
	}
	packet := make([]byte, g.SubbufBytes)
	h, _, _ := reader.Read(at, packet)
	want := append(le.AppendUint32(nil, uint32(os.Getpid())), 0, 7)
	if got := packet[:h.ContentBits/8]; !bytes.HasSuffix(got, want) {
		t.Errorf("an event ends with %v, want %v", got[ring.HeaderLen:], want)
	}

	refused := newRefuser(t, wire.NoticeEnum, g, 1, anything, wire.ContextApp)
	defer refused.close()
	e = New1(newProvider(refused.tracer, "app"), "tick", Info, Uint8("n"))
	refused.want(wire.Command{Handle: refused.channel, Op: wire.OpDisable}, nil)
	refused.want(wire.Command{Handle: refused.channel, Op: wire.OpEnable}, nil) // all is in line then
	if e.Enabled() {
		t.Error("an event is recorded without a context of its channel")
	}
}

// Programs of C and of Go share channels: their contexts are declared alike.
func TestContextsAsInC(t *testing.T) {
	for _, kind := range []wire.ContextType{contextPthread, contextIP} {
		c, ok := newContext(kind)
		if !ok {
			t.Fatalf("there is no context %s", kind)
		}
		want := wire.Field{Name: kind.String(), Kind: wire.Integer, Bits: 64, Base: 10, Align: 8}
		if all := c.records(nil); len(all) != 1 || all[0] != want {
			t.Errorf("context %s is %+v, want %+v", kind, all, want)
		}
	}
}

// What a program has is listed with its fields, the last of each event first.
func TestLists(t *testing.T) {
	d := newDouble(t)
	defer d.close()
	p := newProvider(d.tracer, "app")
	New0(p, "empty", Debug)
	New4(p, "full", Info, String("s"), Float64("f"), Bytes("b"), Enum("e", "digit", map[uint8]string{1: "ONE"}))
	list := d.ask(wire.Command{Op: wire.OpTracepointList}, nil).Value
	for _, want := range []wire.Tracepoint{{Name: "app:empty", Level: int32(Debug)}, {Name: "app:full", Level: int32(Info)}} {
		r := d.ask(wire.Command{Handle: list, Op: wire.OpTracepointGet}, nil)
		if got, err := wire.ParseTracepoint(r.Body); err != nil || got != want {
			t.Errorf("listed %+v, %v, want %+v", got, err, want)
		}
	}
	if r := d.ask(wire.Command{Handle: list, Op: wire.OpTracepointGet}, nil); r.Code != wire.CodeNoEntry {
		t.Errorf("end of a list: code %d", r.Code)
	}
	fields := fieldInfos(d.tracer.list())
	for i, want := range []wire.FieldInfo{
		{Event: "app:empty", Kind: wire.ListOther},
		{Event: "app:full", Name: "e", Kind: wire.ListEnum},
		{Event: "app:full", Name: "b", Kind: wire.ListOther},
		{Event: "app:full", Name: "f", Kind: wire.ListFloat},
		{Event: "app:full", Name: "s", Kind: wire.ListString},
	} {
		if i >= len(fields) || fields[i].Event != want.Event || fields[i].Name != want.Name || fields[i].Kind != want.Kind {
			t.Fatalf("field %d of %+v: want %+v", i, fields, want)
		}
	}
}
