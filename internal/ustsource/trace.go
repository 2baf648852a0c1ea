// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ustsource

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/client/agent"
	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/ctf/tsdl"
	"github.com/weir-io/weir/internal/source"
	"github.com/weir-io/weir/internal/traceclock"
	"github.com/weir-io/weir/internal/ust/wire"
)

// publishTimeout is how long a program waits at most until its event is published. The
// consumer gets the metadata later then.
const publishTimeout = time.Second

// Limits of what programs may declare in a session.
const (
	maxEnums  = 1 << 16
	maxEvents = 1<<16 - 2 // of a stream class
	maxTold   = 64 << 20  // bytes that the programs of a user declare in a session
)

// trace is what one session records of applications. The session calls it under its
// lock.
type trace struct {
	// Immutable.
	s      *Source
	info   source.SessionInfo
	wanted chan struct{} // has one when something is to be published; never closed

	mu        sync.Mutex // guards what follows
	builder   *ctf.Builder
	channels  []*channel
	classes   []*class
	enums     []*enum
	declared  []declaration  // in the order of the metadata
	text      int            // of them, whose text was returned
	began     bool           // the text of the trace was
	published int            // of them, that the consumer knows
	changed   chan struct{}  // closed when that does
	tracked   []int32        // sorted
	tracks    bool           // programs that are tracked only
	uids      []int64        // nil: all
	gids      []int64        // nil: all
	told      map[uint32]int // bytes that programs of a user have declared
	dropped   int            // programs
	lastDrop  string
	closed    bool
}

// declaration is something that the metadata tells.
type declaration func(text []byte) ([]byte, error)

// Channel implements source.Trace.
func (t *trace) Channel(id uint32, name string, set agent.ChannelSettings) (source.Channel, error) {
	c := &channel{t: t, id: id, name: name, settings: set, users: make(map[uint32]*buffers)}
	c.geometry.SubbufBytes, c.geometry.Subbufs, c.geometry.Overwrite = set.SubbufBytes, set.SubbufCount, set.Overwrite
	if set.Overwrite && t.info.Mode != agent.Snapshot {
		return nil, agent.NewProblem(agent.CodeNotSupported, "domain ust: channel "+name+": rings are overwritten in snapshot sessions only")
	}
	if err := c.geometry.Check(); err != nil {
		return nil, agent.NewProblem(agent.CodeInvalid, "domain ust: channel "+name+": "+err.Error())
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.channels = append(t.channels, c)
	return c, nil
}

// Place implements source.Placed: where LTTng has the events of the owner's programs.
func (t *trace) Place() string { return fmt.Sprintf("%s/uid/%d/64-bit", Domain, t.info.Owner) }

// wants is what is wanted of a program now; false if nothing is.
func (t *trace) wants(p *program) (w wants, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed || !permits(t.info.Owner, p.uid) {
		return w, false
	}
	for _, c := range t.channels {
		cw := channelWants{c: c, on: c.on, contexts: c.contexts}
		for i, r := range c.rules {
			cw.rules = append(cw.rules, ruleWants{r, !c.off[i]})
		}
		w.active = w.active || c.on
		w.channels = append(w.channels, cw)
	}
	w.active = w.active && t.isTracked(p)
	return w, true
}

// isTracked reports whether a program is one that is to be recorded. The caller holds
// trace.mu.
func (t *trace) isTracked(p *program) bool {
	has := func(pid int32) bool {
		_, found := slices.BinarySearch(t.tracked, pid)
		return found
	}
	return (!t.tracks || has(p.pid) || has(p.vpid)) &&
		(t.uids == nil || slices.Contains(t.uids, int64(p.uid))) &&
		(t.gids == nil || slices.Contains(t.gids, int64(p.gid)))
}

// bring has all programs follow, and waits for them: no longer than one may take for
// what it is told. What they declare meanwhile is published.
func (t *trace) bring() error {
	var waits []<-chan struct{}
	for _, p := range t.s.all() {
		waits = append(waits, p.do(func() { p.follow(t) }))
	}
	return t.attend(waits)
}

// attend publishes until all is done.
func (t *trace) attend(waits []<-chan struct{}) (err error) {
	for _, w := range waits {
		for done := false; !done; {
			select {
			case <-w:
				done = true
			case <-t.wanted:
				err = errors.Join(err, t.publish())
			}
		}
	}
	return err
}

// publish has the consumer told what is declared.
func (t *trace) publish() (err error) {
	t.mu.Lock()
	n := len(t.declared)
	t.mu.Unlock()
	if t.info.Publish != nil {
		err = t.info.Publish()
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.published = n // also when that has failed: a program cannot do anything about it
	close(t.changed)
	t.changed = make(chan struct{})
	return err
}

// Follow implements source.Follower.
func (t *trace) Follow() error {
	t.mu.Lock()
	fresh := t.published < len(t.declared)
	t.mu.Unlock()
	if !fresh {
		return nil
	}
	return t.publish()
}

// awaitPublished waits until what is declared is published, for a time.
func (t *trace) awaitPublished(gone <-chan struct{}) {
	timer := time.NewTimer(publishTimeout)
	defer timer.Stop()
	t.mu.Lock()
	n := len(t.declared)
	for t.published < n && !t.closed {
		changed := t.changed
		t.mu.Unlock()
		t.ask()
		select {
		case <-changed:
		case <-gone:
			return
		case <-timer.C:
			return
		}
		t.mu.Lock()
	}
	t.mu.Unlock()
}

// ask has what is declared published soon, by who waits for programs or by the session.
func (t *trace) ask() {
	select {
	case t.wanted <- struct{}{}:
	default:
	}
	if t.info.Wake != nil {
		t.info.Wake()
	}
}

// Metadata implements source.Trace.
func (t *trace) Metadata() (b []byte, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.began {
		if b, err = tsdl.AppendTrace(b, t.builder.Trace()); err != nil {
			return nil, err
		}
		t.began = true
	}
	for ; t.text < len(t.declared); t.text++ {
		if b, err = t.declared[t.text](b); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// Regenerate implements source.Trace.
func (t *trace) Regenerate() ([]byte, error) {
	now := traceclock.Declare(traceclock.Mono, traceclock.Measure(unix.CLOCK_MONOTONIC))
	t.mu.Lock()
	c := t.builder.Trace().Clocks[0]
	c.OffsetSeconds, c.OffsetCycles = now.OffsetSeconds, now.OffsetCycles
	t.text, t.began = 0, false
	t.mu.Unlock()
	return t.Metadata()
}

// Track implements source.Trace.
func (t *trace) Track(pids []int32) error {
	t.mu.Lock()
	t.tracks, t.tracked = pids != nil, slices.Sorted(slices.Values(pids))
	t.mu.Unlock()
	return t.bringActive()
}

// TrackUsers implements source.UserRestricted.
func (t *trace) TrackUsers(uids, gids []int64) error {
	t.mu.Lock()
	t.uids, t.gids = uids, gids
	t.mu.Unlock()
	return t.bringActive()
}

// bringActive has programs follow, if they record.
func (t *trace) bringActive() error {
	t.mu.Lock()
	active := slices.ContainsFunc(t.channels, func(c *channel) bool { return c.on })
	t.mu.Unlock()
	if !active {
		return nil
	}
	return t.bring()
}

// StateDump implements source.Trace: programs record their own when they begin.
func (t *trace) StateDump() (uint32, []byte, error) { return 0, nil, nil }

// DumpState implements source.Dumping.
func (t *trace) DumpState() error {
	var waits []<-chan struct{}
	for _, p := range t.s.all() {
		waits = append(waits, p.do(func() { p.dumpState(t) }))
	}
	return t.attend(waits)
}

// Warnings implements source.Warner.
func (t *trace) Warnings() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch t.dropped {
	case 0:
		return nil
	case 1:
		return []string{"domain ust: dropped " + t.lastDrop}
	}
	return []string{fmt.Sprintf("domain ust: %d applications dropped, the last %s", t.dropped, t.lastDrop)}
}

// Exclude implements source.Trace. The daemon's own processes are no applications.
func (t *trace) Exclude([]int32) error { return nil }

// Close implements source.Trace.
func (t *trace) Close() error {
	t.s.forget(t)
	t.mu.Lock()
	t.closed = true
	close(t.changed)
	t.changed = make(chan struct{})
	for _, c := range t.channels {
		c.on = false
	}
	t.mu.Unlock()
	var waits []<-chan struct{}
	for _, p := range t.s.all() {
		waits = append(waits, p.do(func() { p.detach(t) }))
	}
	err := t.attend(waits)
	for _, c := range t.channels {
		err = errors.Join(err, c.close())
	}
	return err
}

// class is a stream class: the events of a user in a channel.
type class struct {
	stream   *streamClass
	contexts *string // as the first program has declared them; nil: none has
	events   map[string]uint32
}

// enum is an enumeration that a program has declared.
type enum struct {
	uid     uint32
	key     string
	name    string
	entries []wire.EnumEntry
}

// afford counts bytes that a user's programs declare, and reports whether they may. The
// caller holds trace.mu.
func (t *trace) afford(uid uint32, n int) bool {
	if t.told[uid]+n > maxTold {
		return false
	}
	if t.told == nil {
		t.told = make(map[uint32]int)
	}
	t.told[uid] += n
	return true
}

// declareEnum gives an enumeration a number.
func (t *trace) declareEnum(uid uint32, name string, raw []byte, entries []wire.EnumEntry) (uint64, bool) {
	key := name + "\x00" + string(raw)
	t.mu.Lock()
	defer t.mu.Unlock()
	for i, e := range t.enums {
		if e.uid == uid && e.key == key {
			return uint64(i), true
		}
	}
	if len(t.enums) >= maxEnums || !t.afford(uid, len(raw)) {
		return 0, false
	}
	t.enums = append(t.enums, &enum{uid, key, name, entries})
	return uint64(len(t.enums) - 1), true
}

// closeAll closes files.
func closeAll(files []*os.File) error {
	var errs []error
	for _, f := range files {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}
