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

	"github.com/weir-io/weir/client/agent"
	"github.com/weir-io/weir/internal/source"
)

// publishTimeout is how long a program waits at most until its event is published. The
// consumer gets the metadata later then.
const publishTimeout = time.Second

// errSplit refuses the one text of all users.
var errSplit = errors.New("domain ust: each user has metadata of their own")

// errClosed reports a session that has ended.
var errClosed = errors.New("the session has ended")

// Limits of what programs of a user may declare in a session.
const (
	maxEnums  = 1 << 16
	maxEvents = 1<<16 - 2 // of a stream class
	maxTold   = 64 << 20  // bytes
	maxText   = 8 << 20   // bytes of metadata for one event, or one channel's contexts
)

// trace is what one session records of applications. The session calls it under its
// lock.
type trace struct {
	// Immutable.
	s      *Source
	info   source.SessionInfo
	wanted chan struct{} // has one when something is to be published; never closed

	mu        sync.Mutex // guards what follows
	channels  []*channel
	byProgram bool // programs have rings and traces of their own
	parts     map[owner]*part
	order     []*part              // in which they came
	places    map[string]time.Time // of late, and when their programs came
	told      map[uint32]int       // bytes that programs of users have declared
	declared  int                  // by all programs
	published int                  // of that, that the consumer knows
	changed   chan struct{}        // closed when that does
	tracked   []int32              // sorted
	tracks    bool                 // programs that are tracked only
	uids      []int64              // nil: all
	gids      []int64              // nil: all
	drops     troubles             // programs that were dropped
	limits    troubles             // what is not recorded of others
	closed    bool
}

// Channel implements source.Trace.
func (t *trace) Channel(id uint32, name string, set agent.ChannelSettings) (source.Channel, error) {
	c := &channel{t: t, id: id, name: name, settings: set, rings: make(map[owner]*buffers)}
	c.geometry.SubbufBytes, c.geometry.Subbufs, c.geometry.Overwrite = set.SubbufBytes, set.SubbufCount, set.Overwrite
	if err := c.geometry.Check(); err != nil {
		return nil, agent.NewProblem(agent.CodeInvalid, "domain ust: channel "+name+": "+err.Error())
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.choose(set.Buffers); err != nil {
		return nil, err
	}
	t.channels = append(t.channels, c)
	return c, nil
}

// choose takes note whose rings there are to be, which is the same in all channels. The
// caller holds trace.mu.
func (t *trace) choose(b agent.Buffers) error {
	byProgram := b == agent.BuffersPID
	switch {
	case byProgram == t.byProgram:
		return nil
	case len(t.channels) > 0:
		return agent.NewProblem(agent.CodeBufferType, "domain ust: session "+t.info.Name+" has rings of the other kind: they are by user or by process in all of its channels")
	}
	t.byProgram = byProgram
	if byProgram { // nobody has been told of the owner's
		clear(t.parts)
		t.order = nil
	} else {
		t.addPart(owner{uid: t.info.Owner}, t.info.UUID)
	}
	return nil
}

// Place implements source.Placed: where LTTng has the traces of users, or of programs.
func (t *trace) Place() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.byProgram {
		return Domain + "/pid"
	}
	return Domain + "/uid"
}

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
	n := t.declared
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
	fresh := t.published < t.declared
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
	n := t.declared
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
	var all []string
	switch t.drops.n {
	case 0:
	case 1:
		all = append(all, "domain ust: dropped "+t.drops.last)
	default:
		all = append(all, fmt.Sprintf("domain ust: %d applications dropped, the last %s", t.drops.n, t.drops.last))
	}
	switch t.limits.n {
	case 0:
	case 1:
		all = append(all, "domain ust: "+t.limits.last)
	default:
		all = append(all, fmt.Sprintf("domain ust: applications have refused %d things, the last: %s", t.limits.n, t.limits.last))
	}
	return all
}

// troubles counts what is told of, and keeps the last.
type troubles struct {
	n    int
	last string
}

// limit takes note of something that is not recorded.
func (t *trace) limit(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.limits.add(fmt.Sprintf(format, args...))
}

func (t *troubles) add(text string) { t.n, t.last = t.n+1, text }

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

// closeAll closes files.
func closeAll(files []*os.File) error {
	var errs []error
	for _, f := range files {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}
