// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ustsource

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/weir-io/weir/client/agent"
	"github.com/weir-io/weir/internal/source"
	"github.com/weir-io/weir/internal/ust/wire"
	"github.com/weir-io/weir/internal/wait"
)

// own makes a channel of a trace in which programs have rings of their own.
func own(t *testing.T, tr source.Trace) *channel {
	t.Helper()
	c, err := tr.Channel(0, "c", agent.ChannelSettings{SubbufBytes: 4096, SubbufCount: 2, Buffers: agent.BuffersPID})
	if err != nil {
		t.Fatal(err)
	}
	return c.(*channel)
}

// A program's own trace is there once it has declared something, and until the consumer has
// got all of it.
func TestPartEnds(t *testing.T) {
	s := serve(t)
	tr := watch(t, s)
	tr.info.Owner = uint32(os.Getuid())
	c := own(t, tr)
	if p := tr.Place(); p != "ust/pid" {
		t.Errorf("place %s, want ust/pid", p)
	}
	silent := join(t, s, nil)
	<-silent.registered // of one process, one after the other
	talks := join(t, s, func(f *fake) { f.declare = true })
	<-talks.registered
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	if n := len(c.rings); n != 2 {
		t.Errorf("rings of %d programs, want 2", n)
	}
	streams, err := c.MoreStreams()
	if err != nil || len(streams) != int(s.cpus) {
		t.Fatalf("%d streams, %v; want those of the program that has declared something", len(streams), err)
	}
	for _, st := range streams {
		err = errors.Join(err, closeAll(st.Files))
	}
	for _, f := range []*fake{silent, talks} {
		if err := errors.Join(f.command.Close(), f.notify.Close()); err != nil {
			t.Error(err)
		}
		<-f.done
	}
	wait.Until(t, "the programs are gone", func() bool { return len(s.all()) == 0 })
	wait.Until(t, "the rings of the silent one are gone", func() bool {
		tr.mu.Lock()
		defer tr.mu.Unlock()
		return len(c.rings) == 1 && len(tr.parts) == 1 && len(tr.order) == 1 && tr.order[0].ended
	})
	if all := tr.Ended(); len(all) > 0 {
		t.Errorf("%v have ended, whose metadata nobody has", all)
	}
	texts, err := tr.Texts(false)
	if err != nil || len(texts) != 1 {
		t.Fatalf("%d texts, %v; want one", len(texts), err)
	}
	for _, want := range []string{`tracer_buffering_scheme = "pid"`, `procname = "fake"`, "tracer_patchlevel = 5;", `name = "app:tick"`} {
		if !strings.Contains(string(texts[0].Text), want) {
			t.Errorf("the metadata have no %s:\n%s", want, texts[0].Text)
		}
	}
	all := tr.Ended()
	if len(all) != 1 || all[0] != texts[0].Part || !strings.HasPrefix(all[0].Place, "fake-") {
		t.Fatalf("%v have ended, want %v", all, texts[0].Part)
	}
	if again, err := c.Streams(); err != nil || len(again) != int(s.cpus) { // another consumer gets them first
		t.Errorf("%d streams, %v; want %d", len(again), err, s.cpus)
	} else {
		for _, st := range again {
			err = errors.Join(err, closeAll(st.Files))
		}
	}
	if err := tr.Forget(all[0]); err != nil {
		t.Error(err)
	}
	if len(c.rings)+len(tr.parts)+len(tr.order)+len(tr.told) > 0 {
		t.Errorf("left: %d rings, %d traces, bytes declared %v", len(c.rings), len(tr.parts), tr.told)
	}
	if err := tr.Forget(all[0]); err == nil {
		t.Error("forgotten twice")
	}
}

// Each program has a place of its own, whatever it is called and however fast it begins
// anew.
func TestPlaces(t *testing.T) {
	tr := watch(t, New(Options{}))
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.Local)
	for _, c := range []struct {
		p    *program
		want string
	}{
		{&program{name: "app", pid: 7, came: at}, "app-7-20260102-030405"},
		{&program{name: "app", pid: 7, came: at.Add(time.Millisecond)}, "app-7-20260102-030405-1"},
		{&program{name: "../a\n", pid: 7, came: at}, ".._a_-7-20260102-030405"},
		{&program{name: "app", pid: 7, came: at.Add(2 * placesKept)}, "app-7-20260102-030605"},
	} {
		if got := tr.placeOf(c.p); got != c.want {
			t.Errorf("place of %q is %s, want %s", c.p.name, got, c.want)
		}
	}
	if len(tr.places) != 1 {
		t.Errorf("%d places are known to be taken, want those of late", len(tr.places))
	}
}

// One user's programs leave rings, and room for what is declared, to those of others.
func TestProgramsOfUserBounded(t *testing.T) {
	tr := watch(t, New(Options{}))
	c := own(t, tr)
	for range mostProgramsOfUser {
		c.rings[owner{1, new(program)}] = nil
	}
	if err := c.checkRoom(owner{1, new(program)}); err == nil {
		t.Error("a user has rings of any number of programs")
	}
	if err := c.checkRoom(owner{2, new(program)}); err != nil {
		t.Errorf("another user: %v", err)
	}
	for range mostPrograms - mostProgramsOfUser {
		c.rings[owner{2, new(program)}] = nil
	}
	if err := c.checkRoom(owner{3, new(program)}); err == nil {
		t.Error("a channel has rings of any number of programs")
	}
	first, second := tr.part(owner{1, &program{uid: 1}}), tr.part(owner{1, &program{uid: 1, pid: 2}})
	if !first.afford(maxTold) || second.afford(1) {
		t.Error("each of a user's programs may declare as much as all")
	}
	if err := tr.drop(first); err != nil || !second.afford(1) {
		t.Errorf("what a program has declared that is gone counts: %v", err)
	}
}

// The kind of rings is the same in all channels.
func TestBuffersMixed(t *testing.T) {
	tr := watch(t, New(Options{}))
	own(t, tr)
	var problem *agent.Problem
	if _, err := tr.Channel(1, "d", agent.ChannelSettings{SubbufBytes: 4096, SubbufCount: 2}); !errors.As(err, &problem) || problem.Code != agent.CodeBufferType {
		t.Errorf("got %v, want code %d", err, agent.CodeBufferType)
	}
	if len(tr.order) > 0 {
		t.Error("there is a trace of the owner's")
	}
	if e := env(tr.info, owner{1, &program{name: "n", vpid: 3, pid: 9, version: wire.Version{Major: 2, Minor: 14, Patch: 1}}}); e[3].Int != 14 || e[5].Int != 9 {
		t.Errorf("environment %+v, want the program's", e)
	}
}
