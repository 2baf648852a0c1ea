// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package statsource

import (
	"context"
	"errors"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/client/agent"
	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/ctf/schema"
	"github.com/weir-io/weir/ctf/tsdl"
	"github.com/weir-io/weir/internal/source"
	"github.com/weir-io/weir/internal/traceclock"
)

// trace is what one session records of the host. The session calls it under its
// lock.
type trace struct {
	// Immutable.
	s     *Source
	info  source.SessionInfo
	clock int32

	channels []*channel // owned by the session

	mu sync.Mutex
	// Guarded by mu.
	builder   *ctf.Builder
	begun     bool
	streams   []*declared
	count     int           // classes of events that are declared
	published int           // of them, those that consumers know
	changed   chan struct{} // closed and replaced when published grows
}

// declared is a stream class and how much of it was told.
type declared struct {
	*ctf.StreamBuilder

	begun bool
	told  int // classes of events
}

func newTrace(s *Source, info source.SessionInfo) (*trace, error) {
	name := info.Clock
	switch name {
	case "":
		name = traceclock.Mono
	case traceclock.Mono, traceclock.Boot:
	default:
		return nil, agent.NewProblem(agent.CodeInvalid, "domain stat: clock "+name+": want mono or boot")
	}
	id := traceclock.ID(name)
	t := &trace{s: s, info: info, clock: id, changed: make(chan struct{})}
	t.builder = ctf.NewBuilder(ctf.BuilderOptions{UUID: info.UUID, Clock: traceclock.Declare(name, s.measure(id)), Env: env(info)})
	return t, nil
}

// env is what readers are told of the host.
func env(info source.SessionInfo) []schema.EnvEntry {
	var u unix.Utsname
	_ = unix.Uname(&u) // fails for a bad address only
	text := func(name, value string) schema.EnvEntry { return schema.EnvEntry{Name: name, String: value} }
	return []schema.EnvEntry{
		text("domain", Domain),
		text("hostname", info.Hostname),
		text("sysname", unix.ByteSliceToString(u.Sysname[:])),
		text("kernel_release", unix.ByteSliceToString(u.Release[:])),
		text("tracer_name", "weir"),
		text("trace_name", info.Name),
		text("trace_creation_datetime", info.Created),
		{Name: "page_size", IsInt: true, Int: int64(os.Getpagesize())},
	}
}

// now reads the trace's clock.
func (t *trace) now() uint64 { return traceclock.Now(t.clock) }

// Channel implements source.Trace.
func (t *trace) Channel(id uint32, name string, set agent.ChannelSettings) (source.Channel, error) {
	if set.Overwrite && t.info.Mode != agent.Snapshot {
		return nil, agent.NewProblem(agent.CodeNotSupported, "domain stat: channel "+name+": what is sampled is not overwritten")
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	stream, err := t.builder.Stream(ctf.LargeHeader)
	if err != nil {
		return nil, err
	}
	stream.Class().ID = uint64(id)
	d := &declared{StreamBuilder: stream}
	t.streams = append(t.streams, d)
	c := newChannel(t, d, name, set)
	t.channels = append(t.channels, c)
	return c, nil
}

// declare declares a class of events, and returns the number of the declaration.
func (t *trace) declare(d *declared, name string, fields []ctf.Field) (*schema.Event, int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	class, err := d.Event(name, schema.NoLogLevel, fields...)
	if err != nil {
		return nil, 0, err
	}
	t.count++
	return class, t.count, nil
}

// Metadata implements source.Trace.
func (t *trace) Metadata() ([]byte, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text()
}

// text is what was not told before, t.mu held.
func (t *trace) text() (b []byte, err error) {
	if !t.begun {
		if b, err = tsdl.AppendTrace(b, t.builder.Trace()); err != nil {
			return nil, err
		}
	}
	for _, d := range t.streams {
		if !d.begun {
			if b, err = tsdl.AppendStream(b, d.Class()); err != nil {
				return nil, err
			}
		}
		for _, e := range d.Class().Events[d.told:] {
			if b, err = tsdl.AppendEvent(b, e); err != nil {
				return nil, err
			}
		}
	}
	t.begun = true
	for _, d := range t.streams {
		d.begun, d.told = true, len(d.Class().Events)
	}
	return b, nil
}

// Regenerate implements source.Trace.
func (t *trace) Regenerate() ([]byte, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := traceclock.Declare("", t.s.measure(t.clock))
	c := t.builder.Trace().Clocks[0]
	c.OffsetSeconds, c.OffsetCycles = now.OffsetSeconds, now.OffsetCycles
	t.begun = false
	for _, d := range t.streams {
		d.begun, d.told = false, 0
	}
	return t.text()
}

// Follow implements source.Follower: it publishes what was declared since it was
// called last.
func (t *trace) Follow() error {
	t.mu.Lock()
	count, done := t.count, t.published == t.count
	t.mu.Unlock()
	if done || t.info.Publish == nil {
		return nil
	}
	if err := t.info.Publish(); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if count > t.published {
		t.published = count
		close(t.changed)
		t.changed = make(chan struct{})
	}
	return nil
}

// awaitPublished has the session publish what is declared up to a number, and waits
// for that for a time. It returns up to which number that has been done.
func (t *trace) awaitPublished(ctx context.Context, number int, most time.Duration) int {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	for {
		t.mu.Lock()
		published, changed := t.published, t.changed
		t.mu.Unlock()
		if published >= number || ctx.Err() != nil {
			return published
		}
		t.info.Wake()
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
}

// Track implements source.Trace: there are no processes.
func (t *trace) Track(pids []int32) error {
	if pids != nil {
		return agent.NewProblem(agent.CodeNotSupported, "domain stat: processes are not tracked")
	}
	return nil
}

// StateDump implements source.Trace.
func (t *trace) StateDump() (uint32, []byte, error) { return 0, nil, nil }

// Exclude implements source.Trace.
func (t *trace) Exclude([]int32) error { return nil }

// Warnings implements source.Warner.
func (t *trace) Warnings() (all []string) {
	for _, c := range t.channels {
		all = append(all, c.warnings()...)
	}
	return all
}

// Close implements source.Trace.
func (t *trace) Close() error {
	var errs []error
	for _, c := range t.channels {
		errs = append(errs, c.Stop(), c.close())
	}
	return errors.Join(errs...)
}
