// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weir-io/weir/internal/hoststat"
	"github.com/weir-io/weir/internal/hoststat/collect"
	"github.com/weir-io/weir/xmlsysd"
)

// lane reads in the background what is in no section and may wait for hardware, or
// makes the kernel go through much, as long as someone asks. A scrape copies what was
// found last.
type lane struct {
	reader  func() []collect.Collector
	plan    *plan
	period  time.Duration
	started time.Time
	current atomic.Pointer[page]
	wanted  atomic.Int64 // when, in ns since started
	took    atomic.Int64 // ns, by the last reading

	mu      sync.Mutex
	running bool          // guarded by mu
	closed  bool          // guarded by mu
	turn    chan struct{} // guarded by mu: closed when the present reading ends; nil: a scrape has waited for it in vain
	quit    chan struct{}
	over    sync.WaitGroup
}

// page is what was found, ready to be written. It is not changed.
type page struct {
	at         time.Time
	collectors []collected
}

// collected is what a collector has found.
type collected struct {
	section xmlsysd.NodeID // whose selection it follows
	labels  string         // of its duration and success; empty: it is a part of another one
	took    []byte         // us
	ok      bool
	text    [2][]byte // families, by format
	joined  []joined
}

// joined are samples of a family that other hosts have, too, by their messages.
type joined struct {
	family familyID
	text   []byte
}

const (
	lanePeriod   = 5 * time.Second       // as of the engine's slow sections
	laneIdle     = 12                    // periods for which it is read without being asked for, if that takes long
	laneWait     = time.Second           // that a scrape waits for a page
	lanePatience = 10 * time.Millisecond // that it waits if there is one that can be shown
)

func newLane(e *hoststat.Engine, p *plan) *lane {
	r := collect.New(collect.Options{Proc: e.ProcPath(""), Sys: e.SysPath("")})
	return &lane{reader: r.Read, plan: p, period: lanePeriod, started: time.Now(), quit: make(chan struct{})}
}

// take returns the last page, nil if there is none. It waits only if there is none
// that is young enough, and that but once for a reading that hangs.
func (l *lane) take() *page {
	l.wanted.Store(int64(time.Since(l.started)))
	old := l.oldest()
	fresh := old
	if l.isQuick() {
		fresh = l.period
	}
	if p := l.young(fresh); p != nil {
		return p
	}
	l.mu.Lock()
	if !l.running && !l.closed {
		l.running, l.turn = true, make(chan struct{})
		l.over.Go(l.run) // ends when nobody asks, or by close, which waits
	}
	turn := l.turn
	l.mu.Unlock()
	if turn == nil {
		return l.young(old)
	}
	wait := laneWait
	if l.young(old) != nil {
		wait = lanePatience
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-turn:
	case <-t.C:
		l.mu.Lock()
		if l.turn == turn {
			l.turn = nil
		}
		l.mu.Unlock()
	}
	return l.young(old)
}

// oldest is up to which age a page is shown. One from before the lane rested or hung is
// older.
func (l *lane) oldest() time.Duration { return 2*l.period + laneWait }

// young returns the last page if it is younger than a limit.
func (l *lane) young(limit time.Duration) *page {
	if p := l.current.Load(); p != nil && time.Since(p.at) < limit {
		return p
	}
	return nil
}

// isQuick reports whether a page is made in so little time that scrapes wait for it. The
// lane reads for them then, and not ahead: once for who scrapes every quarter of a
// minute, not three times.
func (l *lane) isQuick() bool { return time.Duration(l.took.Load()) <= lanePatience }

func (l *lane) run() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-l.quit:
			return
		}
		begin := time.Now()
		l.current.Store(newPage(l.plan, l.reader()))
		l.took.Store(int64(time.Since(begin)))
		if l.next() {
			return
		}
		timer.Reset(l.period)
	}
}

// next tells who waits that a reading is over. It reports whether nobody has asked for
// long, or that the lane does not read ahead.
func (l *lane) next() (rest bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.turn != nil {
		close(l.turn)
	}
	l.turn = make(chan struct{})
	idle := time.Since(l.started) - time.Duration(l.wanted.Load())
	rest = l.isQuick() || idle > laneIdle*l.period
	l.running = !rest
	return rest
}

// close ends the goroutine. One that hangs in the kernel is left behind.
func (l *lane) close() {
	l.mu.Lock()
	if !l.closed {
		l.closed = true
		close(l.quit)
	}
	l.mu.Unlock()
	done := make(chan struct{})
	go func() { // ends with the lane
		l.over.Wait()
		close(done)
	}()
	t := time.NewTimer(laneWait)
	defer t.Stop()
	select {
	case <-done:
	case <-t.C:
	}
}

// kinds are the kinds of families by those of the reader.
var kinds = [...]kind{collect.Gauge: gauge, collect.Counter: counter, collect.Untyped: unknown}

func newPage(plan *plan, list []collect.Collector) *page {
	p := &page{at: time.Now()}
	known := plan.now.Load().families
	for _, c := range list {
		n := collected{section: plan.model.Must(c.Section), ok: c.OK, took: strconv.AppendInt(nil, c.Took.Microseconds(), 10)}
		if c.Name != "" {
			n.labels = fixedLabels("collector", c.Name)
		}
		for _, f := range c.Families {
			if id := slices.IndexFunc(known, func(k family) bool { return k.name == f.Name }); id >= 0 {
				n.joined = append(n.joined, joined{familyID(id), appendFamily(nil, f)})
				continue
			}
			heads := newFamily(f.Name, kinds[f.Kind], "").heads
			for i := range n.text {
				n.text[i] = appendFamily(append(n.text[i], heads[i]...), f)
			}
		}
		p.collectors = append(p.collectors, n)
	}
	return p
}

func appendFamily(b []byte, f collect.Family) []byte {
	for _, s := range f.Samples {
		b = append(b, f.Name...)
		if len(s.Labels) > 0 {
			b = append(append(append(b, '{'), fixedLabels(s.Labels...)...), '}')
		}
		b = append(strconv.AppendFloat(append(b, ' '), s.Value, 'g', -1, 64), '\n')
	}
	return b
}
