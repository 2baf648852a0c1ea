// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package kernelsource

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/client/agent"
	"github.com/weir-io/weir/ctf/schema"
	"github.com/weir-io/weir/internal/handover"
	"github.com/weir-io/weir/internal/kernel/proc"
	"github.com/weir-io/weir/internal/kernel/tracefs"
	"github.com/weir-io/weir/internal/kerneltrace"
	"github.com/weir-io/weir/internal/source"
)

// removeTimeout is how long an instance may stay busy after its rings were closed.
const removeTimeout = 5 * time.Second

// trace is what a session records of the kernel. The session calls it under its
// lock.
type trace struct {
	s      *Source
	fs     *tracefs.FS
	info   source.SessionInfo
	naming kerneltrace.Naming
	clock  string
	key    *[16]byte // of hashes of pointers; nil: they stay

	channels []*channel
	feeds    *feeds              // nil: no context is from them
	pids     []int32             // tracked; nil: all
	watch    *tracefs.EventWatch // nil: no rule is for events to come
	offset   int64               // of the clock of the day, as last told; 0: not yet
}

// Channel implements source.Trace.
func (t *trace) Channel(id uint32, name string, set agent.ChannelSettings) (source.Channel, error) {
	c := &channel{t: t, id: id, name: name, settings: set, users: make(map[tracefs.EventName]int), ledgers: make(map[int]*handover.Ledger), kept: make(map[tracefs.EventName]string), filtered: make(map[tracefs.EventName]bool)}
	o := tracefs.InstanceOptions{
		Clock: t.clock, SubbufferBytes: t.pageBytes(set), RingBytes: int(set.SubbufBytes * set.SubbufCount),
		WakePercent: wakePercent, Overwrite: set.Overwrite,
	}
	var err error
	if c.instance, err = t.s.create(t.fs, t.info, name, o); err != nil {
		return nil, instanceProblem(err)
	}
	err = t.trackIn(c)
	if !t.info.TraceSelf {
		err = errors.Join(err, t.s.own.add(c))
	}
	if err != nil {
		return nil, errors.Join(err, c.remove())
	}
	t.channels = append(t.channels, c)
	return c, nil
}

// pageBytes is how much of a ring is read at once: some pages of memory, where the
// kernel can do that. One page costs a system call for 50 events; more than this is
// no longer in the caches when it is converted.
func (t *trace) pageBytes(set agent.ChannelSettings) int {
	c, err := t.fs.Capabilities()
	if err != nil || !c.Subbuffers {
		return 0
	}
	return readBytes(set.SubbufBytes*set.SubbufCount, os.Getpagesize())
}

// readBytes is that for a ring of a size, which is to be large enough to be filled
// and read at the same time; 0: a page of memory.
func readBytes(ring uint64, page int) int {
	const (
		most  = 32 << 10
		least = 32 // of them in a ring
	)
	for n := most; n > page; n /= 2 {
		if ring >= uint64(n*least) {
			return n
		}
	}
	return 0
}

// instanceProblem says why an instance could not be made.
func instanceProblem(err error) error {
	var memory *tracefs.MemoryError
	if errors.As(err, &memory) {
		return agent.NewProblem(agent.CodeUnknown, err.Error())
	}
	return agent.NewProblem(agent.CodeKernelUnavailable, err.Error())
}

// Track implements source.Trace. What tracked processes have started stays
// tracked while others are added.
func (t *trace) Track(pids []int32) error {
	if len(pids) > 0 && !proc.Numbered() {
		return agent.NewProblem(agent.CodeNotSupported, "processes cannot be tracked by their numbers in a name space of process ids")
	}
	more := len(t.pids) > 0 && !slices.ContainsFunc(t.pids, func(p int32) bool { return !slices.Contains(pids, p) })
	t.pids = pids
	var errs []error
	for _, c := range t.channels {
		if more {
			errs = append(errs, cover(pids, nil, c.instance.AddPIDs))
			continue
		}
		errs = append(errs, t.trackIn(c))
	}
	return errors.Join(errs...)
}

// trackIn restricts a channel to the threads of processes, and to what they start
// later.
func (t *trace) trackIn(c *channel) error {
	if t.pids == nil {
		return c.instance.SetPIDs(nil)
	}
	if err := c.instance.SetOption("event-fork", true); err != nil {
		return err
	}
	if len(t.pids) == 0 {
		return c.instance.SetPIDs([]int{noProcess})
	}
	return cover(t.pids, c.instance.SetPIDs, c.instance.AddPIDs)
}

// noProcess stands for none, which the kernel has no way to say. It is the last
// number that a process can get, and only where pid_max is at its highest.
const noProcess = 1<<22 - 1

// Exclude implements source.Trace.
func (t *trace) Exclude(pids []int32) error {
	if proc.Numbered() {
		return t.s.own.exclude(t, pids)
	}
	if !t.info.TraceSelf {
		t.s.log.Warn("the daemon's own threads are recorded: it runs in a name space of process ids", "session", t.info.Name)
	}
	return nil
}

// Metadata implements source.Trace.
func (t *trace) Metadata() ([]byte, error) {
	var text []byte
	for _, c := range t.channels {
		if c.table != nil {
			text = append(text, c.table.Metadata()...)
		}
	}
	return text, nil
}

// Regenerate implements source.Trace.
func (t *trace) Regenerate() ([]byte, error) {
	clock := t.traceClock()
	var text []byte
	for _, c := range t.channels {
		if c.table != nil {
			c.table.Metadata() // what it had not told is in the text
			text = append(text, c.table.FullMetadata(clock)...)
		}
	}
	return text, nil
}

// env is what readers are told of the host.
func (t *trace) env() []schema.EnvEntry {
	var u unix.Utsname
	_ = unix.Uname(&u) // fails for a bad address only
	text := func(name, value string) schema.EnvEntry { return schema.EnvEntry{Name: name, String: value} }
	all := []schema.EnvEntry{
		text("hostname", t.info.Hostname),
		text("sysname", unix.ByteSliceToString(u.Sysname[:])),
		text("kernel_release", unix.ByteSliceToString(u.Release[:])),
		text("kernel_version", unix.ByteSliceToString(u.Version[:])),
		text("trace_buffering_scheme", "global"),
		text("trace_name", t.info.Name),
		text("trace_creation_datetime", t.info.Created),
	}
	if id, err := os.ReadFile("/sys/class/dmi/id/product_uuid"); err == nil {
		all = append(all, text("product_uuid", strings.TrimSpace(string(id))))
	}
	return all
}

// Close implements source.Trace.
func (t *trace) Close() error {
	t.s.own.leave(t)
	errs := []error{t.removeFeeds()}
	for _, c := range t.channels {
		errs = append(errs, c.remove())
	}
	return errors.Join(errs...)
}

// remove takes the channel's instance away.
func (c *channel) remove() error {
	c.t.s.own.forget(c)
	ctx, cancel := context.WithTimeout(context.Background(), removeTimeout)
	defer cancel()
	err := c.t.s.remove(ctx, c.instance)
	err = errors.Join(err, c.removeProbes(ctx))
	for _, l := range c.ledgers {
		err = errors.Join(err, l.Close())
	}
	return err
}
