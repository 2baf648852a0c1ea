// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package session

import (
	"errors"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weir-io/weir/client/agent"
	"github.com/weir-io/weir/internal/selfsource"
	"github.com/weir-io/weir/internal/source"
)

// periodicDomain is weir's own with periods, which follows when it is woken.
const periodicDomain = "periodic"

type periodic struct {
	*selfsource.Source

	wake     func() // of the last trace; set before it is used
	followed atomic.Int32
}

type periodicTrace struct {
	source.Trace

	p *periodic
}

type periodicChannel struct{ source.Channel }

func (*periodic) Domain() string { return periodicDomain }

func (p *periodic) Open(info source.SessionInfo) (source.Trace, error) {
	p.wake = info.Wake
	t, err := p.Source.Open(info)
	return &periodicTrace{t, p}, err
}

func (t *periodicTrace) Follow() error {
	t.p.followed.Add(1)
	return nil
}

func (t *periodicTrace) Channel(id uint32, name string, s agent.ChannelSettings) (source.Channel, error) {
	c, err := t.Trace.Channel(id, name, s)
	return periodicChannel{c}, err
}

func (periodicChannel) Periods() (least, most time.Duration) { return time.Second, time.Minute }

// TestPeriods lets rules have a period where the domain has such, within its bounds;
// one pattern with two periods is two rules.
func TestPeriods(t *testing.T) {
	p := new(periodic)
	h := newHost(t, func(o *Options) {
		p.Source = selfsource.New(o.Log)
		o.Sources = append(o.Sources, p)
	})
	h.begin(h.place("trace"))
	h.stop()
	enable := func(domain string, period time.Duration) error {
		_, err := h.daemon.EnableEvents(t.Context(), h.by, sessionName, agent.EnableEvents{
			Domain: domain, Rules: []agent.EventRule{{Type: agent.Tracepoint, Pattern: "weir:state", Period: period}},
		})
		return err
	}
	for _, tt := range []struct {
		domain string
		period time.Duration
		code   agent.Code // 0: it is taken
	}{
		{selfsource.Domain, time.Second, agent.CodeNotSupported},
		{periodicDomain, time.Second - 1, agent.CodeInvalid},
		{periodicDomain, time.Minute + 1, agent.CodeInvalid},
		{periodicDomain, -1, agent.CodeInvalid},
		{periodicDomain, time.Minute, 0},
		{periodicDomain, time.Second, 0},
		{periodicDomain, 0, 0},
		{periodicDomain, time.Second, agent.CodeKernelEventExists},
	} {
		err := enable(tt.domain, tt.period)
		problem, _ := errors.AsType[*agent.Problem](err)
		if (err == nil) != (tt.code == 0) || problem != nil && problem.Code != tt.code {
			t.Errorf("domain %s, period %v: got %v, want code %d", tt.domain, tt.period, err, tt.code)
		}
	}
	var periods []time.Duration
	for _, d := range h.session().Domains {
		if d.Name == periodicDomain {
			for _, r := range d.Channels[0].Events {
				periods = append(periods, r.Period)
			}
		}
	}
	if want := []time.Duration{time.Minute, time.Second, 0}; !slices.Equal(periods, want) {
		t.Errorf("periods %v, want %v", periods, want)
	}
}

// TestWake has a trace followed that asks for it, long before its time.
func TestWake(t *testing.T) {
	p := new(periodic)
	h := newHost(t, func(o *Options) {
		p.Source = selfsource.New(o.Log)
		o.Sources = append(o.Sources, p)
		o.Upkeep = time.Hour
	})
	h.begin(h.place("trace"))
	_, err := h.daemon.EnableChannel(t.Context(), h.by, sessionName, agent.EnableChannel{Domain: periodicDomain, Name: "c"})
	h.must(err)
	for n := range int32(3) {
		p.wake()
		h.until("the trace follows", func() bool { return p.followed.Load() > n })
	}
}

// TestSnapshotOfPackets records what a source has handed over that makes packets
// itself: the newest of it, each time all that is kept, nothing after a clear.
func TestSnapshotOfPackets(t *testing.T) {
	h := newHost(t)
	h.beginAs(agent.Snapshot)
	record := func(name string) (numbers []uint64) {
		t.Helper()
		done, err := h.daemon.SnapshotRecord(t.Context(), h.by, sessionName, agent.SnapshotOutput{Name: name, URIs: []agent.URI{h.place(name)}})
		h.must(err)
		return h.packets(localURI(done.Names[0]))
	}
	for n := range uint64(3) { // a packet each time
		h.emit()
		h.stop()
		h.start()
		if got := record("some"); len(got) != int(n)+1 || got[n] != n {
			t.Errorf("snapshot %d has the packets %d", n, got)
		}
	}
	_, err := h.daemon.Clear(t.Context(), h.by, sessionName)
	h.must(err)
	if got := record("cleared"); len(got) != 0 {
		t.Errorf("snapshot of a cleared session has the packets %d", got)
	}
	if n := h.recorded(); n != 3 {
		t.Errorf("%d events are accounted for, want 3", n)
	}
	h.emit()
	h.stop()
	if got := record("stopped"); !slices.Equal(got, []uint64{3}) {
		t.Errorf("snapshot of a stopped session has the packets %d, want 3", got)
	}
	if found, err := filepath.Glob(filepath.Join(h.dir, "*", "*", selfsource.Domain, "metadata")); err != nil || len(found) != 5 {
		t.Errorf("metadata of snapshots: %v, %v", found, err)
	}
}
