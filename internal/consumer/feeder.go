// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package consumer

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/handover"
	"github.com/weir-io/weir/internal/kernel/ftrace"
	"github.com/weir-io/weir/internal/kernel/proc"
	"github.com/weir-io/weir/internal/kernel/tracefs"
	"github.com/weir-io/weir/internal/kerneltrace"
)

const (
	// feedPeriod is how often the feeds' rings are read where nothing asks.
	feedPeriod = time.Second
	// feedRest is, for each ring, how long they are left alone after they were read:
	// who asks meanwhile is answered by what is known.
	feedRest = 20 * time.Microsecond
)

// feeder reads what is recorded for contexts alone: which threads begin and end, and
// what becomes of them. Whoever converts an event, and asks for what was so then, has
// these rings read first if they were not since.
type feeder struct {
	// Immutable.
	log     *slog.Logger
	tasks   *kerneltrace.Tasks
	clock   int32 // of the kernel's time stamps, CLOCK_*
	stopped chan struct{}
	ended   chan struct{} // closed by the goroutine

	// mu is held while the rings are read, and taken before that of the table.
	mu      sync.Mutex // guards what follows
	feed    *kerneltrace.Feeder
	rings   []*feedRing
	read    uint64 // when they were, by the clock
	closed  bool
	failure atomic.Pointer[string] // last one; not guarded
}

// feedRing is the ring of a processor.
type feedRing struct {
	cpu   uint32
	ring  *tracefs.Ring
	page  []byte
	stats []byte
	lost  uint64 // events, as was told
}

// newFeeder begins to keep a table of tasks up to date.
func newFeeder(c handover.Channel, formats []*ftrace.Format, tasks *kerneltrace.Tasks, log *slog.Logger) *feeder {
	f := &feeder{
		log: log, tasks: tasks, clock: clockOf(c.Clock), stopped: make(chan struct{}), ended: make(chan struct{}),
		feed: kerneltrace.NewFeeder(tasks, formats),
	}
	tasks.SetSource(f.catchUp)
	go f.run() // until close
	return f
}

// run reads the rings from time to time, so that they do not fill.
func (f *feeder) run() {
	defer close(f.ended)
	ticker := time.NewTicker(feedPeriod)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			f.catchUp()
			f.lookForLosses()
		case <-f.stopped:
			return
		}
	}
}

// extend has it know more events.
func (f *feeder) extend(formats []*ftrace.Format) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.feed.Extend(formats)
}

// add takes over the ring of a processor.
func (f *feeder) add(o handover.Stream, files []*os.File) error {
	if err := want(handover.OpStream, files, 2); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if slices.ContainsFunc(f.rings, func(r *feedRing) bool { return r.cpu == o.CPU }) { // the daemon has not got the answer
		handover.CloseAll(files)
		return nil
	}
	ring, err := tracefs.NewRing(files[0], files[1], o.SubbufBytes)
	if err != nil {
		return err
	}
	f.rings = append(f.rings, &feedRing{cpu: o.CPU, ring: ring, page: make([]byte, o.SubbufBytes), stats: make([]byte, 0, 1024)})
	return nil
}

// catchUp learns what has happened until now, unless that was done a moment ago.
func (f *feeder) catchUp() { f.tell(f.learn()) }

func (f *feeder) learn() (err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := clockTime(f.clock)
	if f.closed || now < f.read+uint64(len(f.rings))*uint64(feedRest) {
		return nil
	}
	for _, r := range f.rings {
		if _, rerr := r.ring.DrainEmpty(r.page, f.feed.Page); rerr != nil {
			err = fmt.Errorf("events of threads: %w", rerr)
		}
	}
	f.feed.Learn(now)
	f.read = clockTime(f.clock)
	return err
}

// lookForLosses tells if events were lost, after which contexts may be wrong.
func (f *feeder) lookForLosses() {
	lost, err := f.losses()
	if lost > 0 {
		f.log.Warn("what contexts say of threads may be old: events of theirs are lost", "events", lost)
	}
	f.tell(err)
}

// losses is how many events were lost since it was last asked.
func (f *feeder) losses() (lost uint64, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range f.rings {
		text, rerr := r.ring.Stats(r.stats)
		if rerr != nil {
			err = rerr
			continue
		}
		st, perr := ftrace.ParseStats(text)
		if perr != nil {
			err = fmt.Errorf("counters of a ring: %w", perr)
			continue
		}
		lost += st.Dropped - r.lost
		r.lost = st.Dropped
	}
	return lost, err
}

// tell logs an error unless it was the last one.
func (f *feeder) tell(err error) {
	if err == nil {
		return
	}
	text := err.Error()
	if last := f.failure.Swap(&text); last == nil || *last != text {
		f.log.Error("events of threads are not read in full", "err", err)
	}
}

// close ends it.
func (f *feeder) close() error {
	close(f.stopped)
	<-f.ended
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	var errs []error
	for _, r := range f.rings {
		errs = append(errs, r.ring.Close())
	}
	f.rings = nil
	return errors.Join(errs...)
}

// clockTime reads a clock that exists: the kernel stamps with it.
func clockTime(clock int32) uint64 {
	var t unix.Timespec
	quietCall(unix.SYS_CLOCK_GETTIME, uintptr(clock), unsafe.Pointer(&t), 0)
	return uint64(t.Nano())
}

// addFeed begins to be told of threads, or is told of more.
func (e *engine) addFeed(op handover.Op, c handover.Channel, files []*os.File) error {
	b, err := blob(op, files)
	if err != nil {
		return err
	}
	var formats []*ftrace.Format
	if err := json.Unmarshal(b, &formats); err != nil {
		return fmt.Errorf("events of threads: %w", err)
	}
	if err := e.askTasks(c); err != nil {
		return err
	}
	if e.feeder != nil {
		e.feeder.extend(formats)
		return nil
	}
	e.feeder = newFeeder(c, formats, &e.tasks, e.log)
	return nil
}

// askTasks has threads looked up, if that is wanted.
func (e *engine) askTasks(c handover.Channel) error {
	if !c.AskTasks {
		return nil
	}
	if e.asker == nil {
		p, err := proc.Open("/proc")
		if err != nil {
			return err
		}
		e.asker = kerneltrace.Asker(p) // until the process ends
	}
	e.tasks.SetAsk(e.asker, c.AskOwners)
	return nil
}
