// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ustsource

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weir-io/weir/client/agent"
	"github.com/weir-io/weir/internal/ust/wire"
)

// A program that cannot tell a context is recorded without it, as are those that write to
// the same rings later.
func TestContextRefused(t *testing.T) {
	s := serve(t)
	tr := watch(t, s)
	tr.info.Owner = uint32(os.Getuid())
	f := join(t, s, func(f *fake) { f.declare, f.refuses = true, wire.CodeFailed })
	<-f.registered
	c, err := tr.Channel(0, "ch", agent.ChannelSettings{SubbufBytes: 4096, SubbufCount: 2})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"vpid", "perf:thread:cycles", "perf:thread:raw:r1:mine", "vtid"} {
		if err := c.AddContext(name); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"perf:cpu:cycles", "perf:thread:raw:r1"} {
		if err := c.AddContext(name); err == nil {
			t.Errorf("context %s is taken", name)
		}
	}
	if _, err := c.AddRule(&agent.EventRule{Type: agent.Tracepoint, Pattern: "app:*", Enabled: true}); err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	wantWarning(t, tr, "refused 2 things", "context perf:thread:raw:r1:mine is not recorded", `"fake" (process`)
	later := join(t, s, nil)
	<-later.registered
	if err := tr.Close(); err != nil {
		t.Error(err)
	}
	for _, x := range []struct {
		f        *fake
		contexts int
	}{{f, 4}, {later, 2}} {
		if err := errors.Join(x.f.command.Close(), x.f.notify.Close()); err != nil {
			t.Error(err)
		}
		<-x.f.done
		contexts, enabled := 0, 0
		for _, c := range x.f.commands {
			switch c.Op {
			case wire.OpContext:
				contexts++
			case wire.OpEnable:
				enabled++
			}
		}
		if contexts != x.contexts || enabled != 2 { // the rule, and the session
			t.Errorf("%d contexts and %d things enabled in a program, want %d and 2", contexts, enabled, x.contexts)
		}
	}
	if all := Contexts(); !slices.Contains(all, "vpid") || !slices.Contains(all, "perf:thread:L1-dcache-loads") || strings.Contains(strings.Join(all, " "), "raw") {
		t.Errorf("contexts %q", all)
	}
}

// A program that knows of no such context takes none from others that it shares rings with:
// it is left out of the channel. Alone it is recorded without.
func TestContextUnknown(t *testing.T) {
	for buffers, want := range map[agent.Buffers]struct {
		code     int32
		contexts int // of the next program
		warning  string
	}{
		agent.BuffersUID: {codeInvalid, 1, "is not recorded: it knows no context perf:thread:cycles"},
		agent.BuffersPID: {0, 1, "context perf:thread:cycles is not recorded"},
	} {
		s := serve(t)
		tr := watch(t, s)
		tr.info.Owner = uint32(os.Getuid())
		f := join(t, s, func(f *fake) { f.declare, f.refuses = true, wire.CodeNoSys })
		<-f.registered
		c, err := tr.Channel(0, "ch", agent.ChannelSettings{SubbufBytes: 4096, SubbufCount: 2, Buffers: buffers})
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(c.AddContext("perf:thread:cycles"), c.Start()); err != nil {
			t.Fatal(err)
		}
		wantWarning(t, tr, want.warning)
		later := join(t, s, nil)
		<-later.registered
		if err := tr.Close(); err != nil {
			t.Error(err)
		}
		for _, x := range []*fake{f, later} {
			if err := errors.Join(x.command.Close(), x.notify.Close()); err != nil {
				t.Error(err)
			}
			<-x.done
			contexts, released := 0, 0
			for _, c := range x.commands {
				switch c.Op {
				case wire.OpContext:
					contexts++
				case wire.OpRelease:
					released++
				}
			}
			if contexts != want.contexts || released != 2 { // the channel, and the session
				t.Errorf("%s: %d contexts and %d releases, want %d and 2", buffers, contexts, released, want.contexts)
			}
		}
		if f.refused != want.code {
			t.Errorf("%s: the channel is answered with %d, want %d", buffers, f.refused, want.code)
		}
	}
}

// A program that cannot tell a context that those before it have declared, as it has no
// descriptors left, is left out itself: those that come later are told of the context.
func TestContextRefusedLate(t *testing.T) {
	s := serve(t)
	tr := watch(t, s)
	tr.info.Owner = uint32(os.Getuid())
	c, err := tr.Channel(0, "ch", agent.ChannelSettings{SubbufBytes: 4096, SubbufCount: 2})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(c.AddContext("perf:thread:cycles"), c.Start()); err != nil {
		t.Fatal(err)
	}
	cycles := []wire.Field{{Name: "perf_thread_cycles", Kind: wire.Integer, Bits: 64, Base: 10, Align: 8}}
	var all []*fake
	for _, x := range []struct {
		refuses  wire.Code
		contexts []wire.Field
	}{{wire.OK, cycles}, {wire.CodeFailed, nil}, {wire.OK, cycles}} {
		f := join(t, s, func(f *fake) { f.declare, f.refuses, f.contexts = true, x.refuses, x.contexts })
		<-f.registered
		all = append(all, f)
	}
	wantWarning(t, tr, "is not recorded: it cannot tell context perf:thread:cycles, which those before it do")
	for i, want := range []int32{0, codeInvalid, 0} {
		f := all[i]
		if err := errors.Join(f.command.Close(), f.notify.Close()); err != nil {
			t.Error(err)
		}
		<-f.done
		if told := slices.ContainsFunc(f.commands, func(c wire.Command) bool { return c.Op == wire.OpContext }); f.refused != want || !told {
			t.Errorf("program %d is told of the context: %v, its channel is answered with %d, want %d", i, told, f.refused, want)
		}
	}
}

// A program that refuses one thing is told the rest, and refuses it once; when the session
// ends it is to let go of all that it has, whatever it cannot let go of.
func TestRefusalStandsAlone(t *testing.T) {
	s := serve(t)
	tr := watch(t, s)
	tr.info.Owner = uint32(os.Getuid())
	f := join(t, s, func(f *fake) {
		f.codes = map[wire.Op]wire.Code{wire.OpFilter: wire.CodeInvalid, wire.OpRelease: wire.CodeNoEntry}
	})
	<-f.registered
	for id, name := range []string{"one", "two"} {
		c, err := tr.Channel(uint32(id), name, agent.ChannelSettings{SubbufBytes: 4096, SubbufCount: 2})
		if err != nil {
			t.Fatal(err)
		}
		for _, filter := range []string{"n > 1", ""} {
			if _, err := c.AddRule(&agent.EventRule{Type: agent.Tracepoint, Pattern: "app:*", Filter: filter, Enabled: true}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := tr.channels[0].Start(); err != nil {
		t.Fatal(err)
	}
	wantWarning(t, tr, `"fake" (process`, "channel one: event rule app:*: filter: ")
	for _, c := range tr.channels { // of which the program knows by now
		if err := errors.Join(c.Stop(), c.Start()); err != nil {
			t.Fatal(err)
		}
	}
	if err := tr.Close(); err != nil {
		t.Error(err)
	}
	if n := len(s.all()); n != 1 {
		t.Errorf("%d programs, want one that is not dropped", n)
	}
	if err := errors.Join(f.command.Close(), f.notify.Close()); err != nil {
		t.Error(err)
	}
	<-f.done
	enabled := func(c wire.Command) bool { return c.Op == wire.OpEnable && c.Handle == 1 }
	if first := slices.IndexFunc(f.commands, enabled); first < 0 || slices.ContainsFunc(f.commands[:first], func(c wire.Command) bool { return c.Op == wire.OpDisable && c.Handle == 1 }) {
		t.Error("the session is not enabled at once")
	}
	refused := slices.IndexFunc(f.commands, func(c wire.Command) bool { return c.Op == wire.OpFilter })
	if slices.ContainsFunc(f.commands, func(c wire.Command) bool {
		return c.Op == wire.OpEnable && c.Handle == f.commands[refused].Handle
	}) {
		t.Error("a rule is enabled whose filter is refused: it would choose everything")
	}
	counts := make(map[wire.Op]int)
	released := make(map[uint32]bool)
	for _, c := range f.commands {
		counts[c.Op]++
		if c.Op == wire.OpRelease {
			released[c.Handle] = true
		}
	}
	if counts[wire.OpEvent] != 4 || counts[wire.OpFilter] != 2 {
		t.Errorf("%d rules and %d filters, want 4 and 2", counts[wire.OpEvent], counts[wire.OpFilter])
	}
	if len(released) != 7 || counts[wire.OpRelease] != 7 { // 4 rules, 2 channels, the session
		t.Errorf("%d objects released by %d commands, want 7 each", len(released), counts[wire.OpRelease])
	}
}

// What a program declares and cannot be taken is answered with EINVAL: a channel with other
// contexts than those of programs before, and an event whose fields cannot be. Both are told,
// and the program goes on.
func TestInvalidDeclarations(t *testing.T) {
	s := serve(t)
	tr := watch(t, s)
	tr.info.Owner = uint32(os.Getuid())
	vpid := []wire.Field{{Name: "_vpid", Kind: wire.Integer, Bits: 32, Base: 10, Align: 8}}
	c, err := tr.Channel(0, "ch", agent.ChannelSettings{SubbufBytes: 4096, SubbufCount: 2})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	one := func(change func(*fake)) *fake {
		f := join(t, s, func(f *fake) {
			f.declare, f.contexts = true, vpid
			if change != nil {
				change(f)
			}
		})
		<-f.registered
		return f
	}
	first := one(nil)
	others := one(func(f *fake) { f.contexts = nil })
	odd := one(func(f *fake) {
		f.fields = []wire.Field{{Name: "s", Kind: wire.Sequence, Ref: "nowhere", Align: 8}, {Kind: wire.Integer, Bits: 32, Base: 10, Align: 8}}
	})
	wantWarning(t, tr, "channel ch of ", "contexts: they are others than those of programs before")
	if n := len(s.all()); n != 3 {
		t.Errorf("%d programs, want 3", n)
	}
	for _, f := range []*fake{first, others, odd} {
		if err := errors.Join(f.command.Close(), f.notify.Close()); err != nil {
			t.Error(err)
		}
		<-f.done
	}
	for _, x := range []struct {
		f              *fake
		channel, event int32
	}{{first, 0, 0}, {others, codeInvalid, 0}, {odd, 0, codeInvalid}} {
		if x.f.refused != x.channel || x.f.eventCode != x.event {
			t.Errorf("answers %d and %d, want %d and %d", x.f.refused, x.f.eventCode, x.channel, x.event)
		}
	}
}

// Rings that are overwritten are for all sessions, not only those of snapshots.
func TestOverwriteInAnyMode(t *testing.T) {
	s := serve(t)
	for _, mode := range []agent.Mode{agent.Normal, agent.Live, agent.NoOutput, agent.Snapshot} {
		tr := watch(t, s)
		tr.info.Mode = mode
		made, err := tr.Channel(0, "c", agent.ChannelSettings{SubbufBytes: 4096, SubbufCount: 2, Overwrite: true})
		if err != nil {
			t.Errorf("%s session: %v", mode, err)
			continue
		}
		if !made.(*channel).geometry.Overwrite {
			t.Errorf("%s session: rings of the channel are not overwritten", mode)
		}
	}
	if set := s.Defaults(agent.Normal); set.Overwrite || set.MonitorTimer != time.Second {
		t.Errorf("defaults of a normal session are %+v, want no overwriting, and a monitor timer of a second", set)
	}
}
