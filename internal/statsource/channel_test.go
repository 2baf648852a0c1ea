// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package statsource

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weir-io/weir/client/agent"
	"github.com/weir-io/weir/internal/source"
	"github.com/weir-io/weir/internal/traceclock"
	"github.com/weir-io/weir/internal/wait"
	"github.com/weir-io/weir/xmlsysd"
)

// often is the period of tests that wait for samples.
const often = leastPeriod

// Samples become events, with the time at which they were read.
func TestRecord(t *testing.T) {
	h := newFakeHost()
	h.load("0.21", "0.05", "0.02", "3", "97", "4711")
	h.set("proc/version", func(tape *xmlsysd.Tape) { tape.Leaf(h.model.Must("proc/version"), []byte("6.18")) })
	r := newRecording(t, h, source.SessionInfo{}, agent.ChannelSettings{}, agent.EventRule{Pattern: "loadavg", Period: often}, agent.EventRule{Pattern: "version", Period: mostPeriod})
	before := traceclock.Now(r.trace.clock)
	r.start()
	wait.Until(t, "a packet came", func() bool { return r.take() > 0 })
	r.stop()
	after := traceclock.Now(r.trace.clock)
	all := r.read()
	loads := of(all, "proc/loadavg")
	if len(loads) < 2 || loads[0] != "{load1=0.21 load5=0.05 load15=0.02 running=3 threads=97 last_pid=4711}" {
		t.Errorf("events of the load: %q", loads)
	}
	if got := of(all, "proc/version"); len(got) != 1 || got[0] != "{version=6.18}" {
		t.Errorf("events of the version, which are a day apart: %q", got)
	}
	last := before
	for _, e := range all {
		if e.at < last || e.at > after {
			t.Errorf("event %s at %d, want %d to %d", e.name, e.at, last, after)
		}
		last = e.at
	}
	if n := r.discarded(); n != 0 {
		t.Errorf("%d events discarded", n)
	}
	if r.stop(); len(r.trace.Warnings()) > 0 && r.missed.Load() == 0 { // twice is once
		t.Errorf("warnings %q", r.trace.Warnings())
	}
}

// What was not read since the last event gives none.
func TestNothingTwice(t *testing.T) {
	h := newFakeHost()
	h.at = time.Now()
	h.load("1.00")
	r := newRecording(t, h, source.SessionInfo{}, agent.ChannelSettings{}, agent.EventRule{Pattern: "loadavg", Period: often})
	r.start()
	readings := func() int {
		h.mu.Lock()
		defer h.mu.Unlock()
		return h.reads
	}
	first := readings()
	wait.Until(t, "there were some samples", func() bool { return readings() > first+5 })
	r.stop()
	if all := r.read(); len(all) != 1 {
		t.Errorf("events %v, want one", all)
	}
	if w := strings.Join(r.trace.Warnings(), "\n"); !strings.Contains(w, "not read again") {
		t.Errorf("warnings %q", w)
	}
}

// Events that come with other fields than before are of another class, which is
// published before they are written.
func TestFieldsComeAndGo(t *testing.T) {
	h := newFakeHost()
	h.load("0.01")
	r := newRecording(t, h, source.SessionInfo{}, agent.ChannelSettings{}, agent.EventRule{Pattern: "loadavg", Period: often})
	declared := strings.Count(string(r.text), `name = "proc/loadavg"`)
	r.start()
	wait.Until(t, "there is an event", r.holdsEvent)
	await := func(n int, want string) {
		t.Helper()
		wait.Until(t, "there is "+want, func() bool {
			r.lock.Lock()
			defer r.lock.Unlock()
			return strings.Count(string(r.text), `name = "proc/loadavg"`) == n
		})
	}
	h.load("0.02", "0.03")
	await(declared+1, "a class of two fields")
	r.lock.Lock()
	r.quiet = true
	r.lock.Unlock()
	h.load("0.04", "0.05", "0.06")
	wait.Until(t, "events are lost", func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.lost != ""
	})
	r.lock.Lock()
	r.quiet = false
	r.lock.Unlock()
	await(declared+2, "a class of three fields")
	h.load("0.07")
	r.stop()
	events := of(r.read(), "proc/loadavg")
	for _, want := range []string{"{load1=0.01}", "{load1=0.02 load5=0.03}"} {
		if !slices.Contains(events, want) {
			t.Errorf("no event %s in %q", want, events)
		}
	}
	if declared != 1 || r.discarded() == 0 {
		t.Errorf("%d classes before recording, %d events discarded; want 1, some", declared, r.discarded())
	}
}

// A host that makes up fields without end costs no more than a number of classes.
func TestClassesAreBounded(t *testing.T) {
	h := newFakeHost()
	r := newRecording(t, h, source.SessionInfo{}, agent.ChannelSettings{}, agent.EventRule{Pattern: "vmstat", Period: often})
	n := 0
	h.set("proc/vmstat", func(tape *xmlsysd.Tape) {
		tape.Open(h.model.Must("proc/vmstat"), xmlsysd.Stamp{})
		id, _ := h.model.Named(h.model.Must("proc/vmstat"), fmt.Sprint("x", n), "")
		tape.Uint(id, 1)
		tape.Close()
		n++
	})
	r.start()
	wait.Until(t, "nothing more is declared", func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return strings.Contains(r.lost, "no more are declared")
	})
	r.stop()
	events := of(r.read(), "proc/vmstat")
	if len(events) > maxShapes || r.discarded() == 0 {
		t.Errorf("%d events, %d discarded; want at most %d, some", len(events), r.discarded(), maxShapes)
	}
}

// Packets of live sessions and of snapshots end with the sample, others later.
func TestPacketsEnd(t *testing.T) {
	for name, tt := range map[string]struct {
		info source.SessionInfo
		set  agent.ChannelSettings
		each bool
	}{
		"normal":   {},
		"timer":    {set: agent.ChannelSettings{SwitchTimer: 1}, each: true},
		"live":     {info: source.SessionInfo{Mode: agent.Live, LiveTimer: time.Second}, each: true},
		"snapshot": {info: source.SessionInfo{Mode: agent.Snapshot}, each: true},
	} {
		t.Run(name, func(t *testing.T) {
			h := newFakeHost()
			h.load("1.00")
			r := newRecording(t, h, tt.info, tt.set, agent.EventRule{Pattern: "loadavg", Period: often})
			r.start()
			wait.Until(t, "there are two packets", func() bool {
				r.take()
				return len(r.infos) >= 2
			})
			r.stop()
			events := len(r.read())
			if each := events == len(r.infos); each != tt.each {
				t.Errorf("%d events in %d packets", events, len(r.infos))
			}
		})
	}
}

// Events of live sessions are never so late that viewers have gone on.
func TestLateEventsOfLiveSessions(t *testing.T) {
	h := newFakeHost()
	h.load("1.00")
	h.at = time.Now().Add(-time.Hour)
	const timer = time.Second
	r := newRecording(t, h, source.SessionInfo{Mode: agent.Live, LiveTimer: timer}, agent.ChannelSettings{}, agent.EventRule{Pattern: "loadavg", Period: often})
	before := traceclock.Now(r.trace.clock)
	r.start()
	wait.Until(t, "there is a packet", func() bool { return r.take() > 0 })
	r.stop()
	if all := r.read(); len(all) != 1 || all[0].at < before-uint64(timer/2) {
		t.Errorf("events %v, want one not before %d", all, before-uint64(timer/2))
	}
}

// Without a timer to heed, an event keeps the time at which it was read.
func TestLateEvents(t *testing.T) {
	h := newFakeHost()
	h.load("1.00")
	h.at = time.Now().Add(-time.Millisecond)
	r := newRecording(t, h, source.SessionInfo{}, agent.ChannelSettings{}, agent.EventRule{Pattern: "loadavg", Period: often})
	before := traceclock.Now(r.trace.clock)
	r.start()
	r.stop()
	if all := r.read(); len(all) == 1 && all[0].at >= before {
		t.Errorf("events %v, want one before %d", all, before)
	}
}

// Samples that nobody could take are told.
func TestMissedSamples(t *testing.T) {
	h := newFakeHost()
	h.load("1.00")
	r := newRecording(t, h, source.SessionInfo{}, agent.ChannelSettings{}, agent.EventRule{Pattern: "loadavg", Period: often})
	h.mu.Lock()
	h.delay = make(chan struct{})
	h.mu.Unlock()
	r.start()
	<-h.delay // the first sample begins
	began := r.trace.now()
	wait.Until(t, "it is late", func() bool { return r.trace.now() > began+5*uint64(often) })
	go func() { // ends with the sampler, whose readings it lets go
		for range h.delay {
		}
	}()
	wait.Until(t, "samples are missed", func() bool { return len(r.trace.Warnings()) > 0 })
	r.stop()
	close(h.delay)
	if w := r.trace.Warnings(); !strings.Contains(w[0], "samples were left out") || r.missed.Load() < 1 {
		t.Errorf("warnings %q, %d missed", w, r.missed.Load())
	}
}

// Rules come and go while a channel records.
func TestRulesWhileRecording(t *testing.T) {
	h := newFakeHost()
	h.load("1.00")
	h.set("proc/version", func(tape *xmlsysd.Tape) { tape.Leaf(h.model.Must("proc/version"), []byte("6.18")) })
	r := newRecording(t, h, source.SessionInfo{Mode: agent.Snapshot}, agent.ChannelSettings{}, agent.EventRule{Pattern: "loadavg", Period: often})
	has := func(name string) func() bool {
		return func() bool { return len(of(r.read(), name)) > 0 }
	}
	r.start()
	wait.Until(t, "there is a load", has("proc/loadavg"))
	rule := agent.EventRule{Pattern: "version", Period: often, Type: agent.Tracepoint}
	r.enable(&rule)
	wait.Until(t, "there is a version", has("proc/version"))
	set := func(on bool) {
		r.lock.Lock()
		defer r.lock.Unlock()
		r.must(r.SetRule(&rule, on))
	}
	set(false)
	count := func(name string) int { return len(of(r.read(), name)) }
	loads := count("proc/loadavg")
	wait.Until(t, "there are loads without the version", func() bool { return count("proc/loadavg") > loads+1 })
	versions := count("proc/version")
	loads = count("proc/loadavg")
	wait.Until(t, "there are more", func() bool { return count("proc/loadavg") > loads })
	if n := count("proc/version"); n != versions {
		t.Errorf("a disabled rule went on: %d events, before %d", n, versions)
	}
	set(true)
	wait.Until(t, "there is a version again", func() bool { return count("proc/version") > versions })
	r.stop()
	if err := r.SetRule(&agent.EventRule{Pattern: "none"}, true); err == nil {
		t.Error("a rule that is none was enabled")
	}
	r.SetRule(&rule, false) // so that the trace can be closed with a rule that is disabled
}

// Rules choose by selectors, and say what is wrong with them.
func TestRules(t *testing.T) {
	h := newFakeHost()
	h.hidden = []string{"system/cgroups"}
	for _, tt := range []struct {
		rule    agent.EventRule
		matches int
		code    agent.Code // of a refusal
		words   string
	}{
		{agent.EventRule{Type: agent.Tracepoint, Pattern: "stat"}, 2, 0, ""},
		{agent.EventRule{Type: agent.Tracepoint, Pattern: "proc/stat/cpu"}, 1, 0, ""},
		{agent.EventRule{Type: agent.Tracepoint, Pattern: "/proc/net/dev/interface[devtype=eth]/receive"}, 1, 0, ""},
		{agent.EventRule{Type: agent.Tracepoint, Pattern: "net/s*"}, 5, 0, ""},
		{agent.EventRule{Type: agent.Tracepoint, Pattern: "disk/reads"}, 1, 0, ""},
		{agent.EventRule{Type: agent.Tracepoint, Pattern: "~^proc/pressure/(cpu|io)"}, 2, 0, ""},
		{agent.EventRule{Type: agent.Tracepoint, Pattern: "net/s*", Exclusions: []string{"snmp", "net/sock*"}}, 2, 0, ""},
		{agent.EventRule{Type: agent.Tracepoint, Pattern: "raw:sys/vm/*"}, 1, 0, ""},
		{agent.EventRule{Type: agent.AllEvents, Pattern: "*"}, 44, 0, ""},
		{agent.EventRule{Type: agent.Tracepoint, Pattern: "tasks"}, 2, 0, ""},
		{agent.EventRule{Type: agent.Tracepoint, Pattern: "nothing"}, 0, agent.CodeInvalid, "nothing has this path or name"},
		{agent.EventRule{Type: agent.Tracepoint, Pattern: ""}, 0, agent.CodeInvalid, "empty"},
		{agent.EventRule{Type: agent.Tracepoint, Pattern: "net/[a"}, 0, agent.CodeInvalid, "class"},
		{agent.EventRule{Type: agent.Tracepoint, Pattern: "~("}, 0, agent.CodeInvalid, "missing"},
		{agent.EventRule{Type: agent.Tracepoint, Pattern: "cgroups"}, 0, agent.CodePermission, "not exposed"},
		{agent.EventRule{Type: agent.Tracepoint, Pattern: "stat", Exclusions: []string{"nothing"}}, 0, agent.CodeInvalid, "exclusion nothing"},
		{agent.EventRule{Type: agent.Tracepoint, Pattern: "stat", Exclusions: make([]string, maxExclusions+1)}, 0, agent.CodeInvalid, "exclusions"},
		{agent.EventRule{Type: agent.Tracepoint, Pattern: "stat", Filter: "id == 0"}, 0, agent.CodeNotSupported, "filtered"},
		{agent.EventRule{Type: agent.Syscall, Pattern: "stat"}, 0, agent.CodeNotSupported, "tracepoints"},
	} {
		r := newRecording(t, h, source.SessionInfo{}, agent.ChannelSettings{})
		_, err := r.AddRule(&tt.rule)
		problem, _ := errors.AsType[*agent.Problem](err)
		switch {
		case tt.code == 0 && (err != nil || tt.rule.Matches != tt.matches):
			t.Errorf("%s: %v, %d events; want %d", tt.rule.Pattern, err, tt.rule.Matches, tt.matches)
		case tt.code != 0 && (problem == nil || problem.Code != tt.code || !strings.Contains(problem.Message, tt.words)):
			t.Errorf("%s: %v, want code %d and %q", tt.rule.Pattern, err, tt.code, tt.words)
		}
	}
}

// Others share what is read with the fastest rule, and a rule of files by path has
// these read.
func TestReadings(t *testing.T) {
	h := newFakeHost()
	h.load("1.00")
	r := newRecording(t, h, source.SessionInfo{}, agent.ChannelSettings{},
		agent.EventRule{Pattern: "loadavg", Period: 2 * time.Second}, agent.EventRule{Pattern: "raw:sys/vm/*", Period: time.Second})
	h.mu.Lock()
	defer h.mu.Unlock()
	want := []xmlsysd.RawRule{{On: true, Pattern: "sys/vm/*"}}
	if len(h.ages) != 1 || h.ages[0] != time.Second/2 || !slices.Equal(h.raws[0], want) {
		t.Errorf("read for %v with files %v, want 500ms with %v", h.ages, h.raws, want)
	}
	least, most := r.Periods()
	if least != 10*time.Millisecond || most != 24*time.Hour {
		t.Errorf("periods of %v to %v", least, most)
	}
}

// What cannot be asked of the domain is refused.
func TestRefusals(t *testing.T) {
	h := newFakeHost()
	r := newRecording(t, h, source.SessionInfo{}, agent.ChannelSettings{})
	_, overwrite := r.trace.Channel(1, "d", agent.ChannelSettings{Overwrite: true})
	_, clock := New(h, r.log).Open(source.SessionInfo{Clock: "local"})
	for name, err := range map[string]error{
		"context": r.AddContext("pid"), "track": r.trace.Track([]int32{1}), "overwrite": overwrite, "clock": clock,
	} {
		if _, ok := errors.AsType[*agent.Problem](err); !ok {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := r.trace.Track(nil); err != nil {
		t.Error(err)
	}
}

// Metadata that is written anew has all, and the clock's offset of now.
func TestRegenerate(t *testing.T) {
	for _, name := range []string{"", traceclock.Boot} {
		h := newFakeHost()
		h.load("1.00")
		r := newRecording(t, h, source.SessionInfo{Clock: name}, agent.ChannelSettings{}, agent.EventRule{Pattern: "loadavg", Period: often})
		r.trace.s.measure = func(int32) traceclock.Offset { return traceclock.Offset{NS: 42e9 + 7} }
		text, err := r.trace.Regenerate()
		r.must(err)
		for _, want := range []string{"offset_s = 42;", "offset = 7;", `name = "proc/loadavg"`, `domain = "stat"`} {
			if strings.Count(string(text), want) != 1 {
				t.Errorf("clock %q: %d times %s in\n%s", name, strings.Count(string(text), want), want, text)
			}
		}
		if more, err := r.trace.Metadata(); len(more) > 0 || err != nil {
			t.Errorf("more is told: %q, %v", more, err)
		}
		r.lock.Lock()
		r.text = text
		r.lock.Unlock()
		r.start()
		wait.Until(t, "there is an event", r.holdsEvent)
		r.stop()
		if all := r.read(); len(all) == 0 {
			t.Error("no event")
		}
	}
}
