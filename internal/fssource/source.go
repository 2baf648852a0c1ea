// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package fssource

import (
	"log/slog"
	"os"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/client/agent"
	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/ctf/schema"
	"github.com/weir-io/weir/ctf/tsdl"
	"github.com/weir-io/weir/internal/handover"
	"github.com/weir-io/weir/internal/source"
	"github.com/weir-io/weir/internal/traceclock"
)

// Domain is the name of the domain.
const Domain = "fs"

const (
	// Defaults of channels: what waits for a consumer, or is kept for snapshots.
	defaultSubbufCount   = 16
	defaultSnapshotCount = 128
	defaultReadTimer     = 100 * time.Millisecond
)

// Source is what changes in file systems. It is safe for concurrent use.
type Source struct {
	log   *slog.Logger
	feeds Feeds // nil: this daemon has none
}

// New makes the source.
func New(feeds Feeds, log *slog.Logger) *Source { return &Source{log: log, feeds: feeds} }

// Domain implements source.Source.
func (s *Source) Domain() string { return Domain }

// Check implements source.Source. What a user may see is the feeds' to say.
func (s *Source) Check(bool) error {
	if s.feeds == nil {
		return agent.NewProblem(agent.CodeNotSupported, "domain fs: this daemon serves no feeds of file-system changes; its log says why")
	}
	return nil
}

// Defaults implements source.Source.
func (s *Source) Defaults(mode agent.Mode) agent.ChannelSettings {
	set := agent.ChannelSettings{SubbufBytes: handover.MaxPacket, SubbufCount: defaultSubbufCount, ReadTimer: defaultReadTimer}
	if mode == agent.Snapshot {
		set.Overwrite, set.SubbufCount = true, defaultSnapshotCount
	}
	return set
}

// Open implements source.Source.
func (s *Source) Open(info source.SessionInfo) (source.Trace, error) {
	name := info.Clock
	switch name {
	case "":
		name = traceclock.Mono
	case traceclock.Mono, traceclock.Boot:
	default:
		return nil, agent.NewProblem(agent.CodeInvalid, "domain fs: clock "+name+": want mono or boot")
	}
	t := &trace{s: s, info: info, clock: traceclock.ID(name)}
	t.builder = ctf.NewBuilder(ctf.BuilderOptions{
		UUID: info.UUID, Clock: traceclock.Declare(name, traceclock.Measure(t.clock)), Env: env(info),
	})
	t.excluded.Store(new([]int32))
	return t, nil
}

// env is what readers are told of the host.
func env(info source.SessionInfo) []schema.EnvEntry {
	var u unix.Utsname
	_ = unix.Uname(&u) // fails for a bad address only
	var all []schema.EnvEntry
	for _, e := range [...][2]string{
		{"domain", Domain},
		{"hostname", info.Hostname},
		{"sysname", unix.ByteSliceToString(u.Sysname[:])},
		{"kernel_release", unix.ByteSliceToString(u.Release[:])},
		{"tracer_name", "weir"},
		{"trace_name", info.Name},
		{"trace_creation_datetime", info.Created},
	} {
		all = append(all, schema.EnvEntry{Name: e[0], String: e[1]})
	}
	return all
}

// trace is what one session records of file systems. The session calls it under its
// lock.
type trace struct {
	// Immutable.
	s       *Source
	info    source.SessionInfo
	clock   int32
	builder *ctf.Builder

	// Owned by the session.
	channels []*channel
	told     int // stream classes whose text was returned

	tracked  atomic.Pointer[[]int32] // sorted; nil: all
	excluded atomic.Pointer[[]int32] // sorted
}

// now reads the trace's clock.
func (t *trace) now() uint64 { return traceclock.Now(t.clock) }

// Channel implements source.Trace.
func (t *trace) Channel(id uint32, name string, set agent.ChannelSettings) (source.Channel, error) {
	if set.Overwrite && t.info.Mode != agent.Snapshot {
		return nil, agent.NewProblem(agent.CodeNotSupported, "domain fs: channel "+name+": what is read of feeds is not overwritten")
	}
	stream, err := t.builder.Stream(ctf.LargeHeader)
	if err != nil {
		return nil, err
	}
	stream.Class().ID = uint64(id)
	c := newChannel(t, stream.Class(), name, set)
	for i := range layouts {
		l := &layouts[i]
		if c.classes[l.kind], err = stream.Event(eventPrefix+l.kind.String(), schema.NoLogLevel, l.fields()...); err != nil {
			return nil, err
		}
	}
	t.channels = append(t.channels, c)
	return c, nil
}

// Metadata implements source.Trace.
func (t *trace) Metadata() (b []byte, err error) {
	if t.told == 0 && len(t.channels) > 0 {
		if b, err = tsdl.AppendTrace(b, t.builder.Trace()); err != nil {
			return nil, err
		}
	}
	for _, c := range t.channels[t.told:] {
		if b, err = tsdl.AppendStream(b, c.class); err != nil {
			return nil, err
		}
		for _, e := range c.class.Events {
			if b, err = tsdl.AppendEvent(b, e); err != nil {
				return nil, err
			}
		}
	}
	t.told = len(t.channels)
	return b, nil
}

// Regenerate implements source.Trace.
func (t *trace) Regenerate() ([]byte, error) {
	now := traceclock.Declare("", traceclock.Measure(t.clock))
	c := t.builder.Trace().Clocks[0]
	c.OffsetSeconds, c.OffsetCycles = now.OffsetSeconds, now.OffsetCycles
	t.told = 0
	return t.Metadata()
}

// Track implements source.Trace: what nobody knows the process of is left out then.
func (t *trace) Track(pids []int32) error {
	if pids == nil {
		t.tracked.Store(nil)
		return nil
	}
	sorted := slices.Sorted(slices.Values(pids))
	t.tracked.Store(&sorted)
	return nil
}

// Exclude implements source.Trace: what the consumer writes would be recorded for ever.
func (t *trace) Exclude(pids []int32) error {
	if t.info.TraceSelf {
		return nil
	}
	sorted := slices.Sorted(slices.Values(slices.Concat(pids, []int32{int32(os.Getpid())})))
	t.excluded.Store(&sorted)
	return nil
}

// records tells whether what a process does is recorded; -1 is an unknown one.
func (t *trace) records(pid int64) bool {
	if tracked := t.tracked.Load(); tracked != nil {
		if _, ok := slices.BinarySearch(*tracked, int32(pid)); !ok {
			return false
		}
	}
	_, excluded := slices.BinarySearch(*t.excluded.Load(), int32(pid))
	return !excluded || pid < 0
}

// StateDump implements source.Trace.
func (t *trace) StateDump() (uint32, []byte, error) { return 0, nil, nil }

// Warnings implements source.Warner.
func (t *trace) Warnings() (all []string) {
	for _, c := range t.channels {
		all = append(all, c.warnings()...)
	}
	return all
}
