// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package hoststat

import (
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/xmlsysd"
)

// Limits of asking file systems.
const (
	statfsWait  = 250 * time.Millisecond // for the answers of a round
	remoteWait  = 2 * time.Millisecond   // of those that are servers', which the first message waits for
	statfsLimit = time.Second            // after which a file system is stale
	maxRemote   = 12                     // calls at a time to servers, those that hang included
	maxLocal    = 4                      // and to others, which servers that are gone must not starve
)

// filesystemsReader reads the mounts and asks each file system for its room. One
// whose server is gone may not answer for ever: each is asked by a goroutine of its
// own, one call at a time, and what does not answer is stale.
type filesystemsReader struct {
	engine *Engine
	mounts mountReader
	errs   sourceErrors
	remote chan struct{} // slots: taken by a call, also by one that hangs
	local  chan struct{}

	filesystems, fs xmlsysd.NodeID
	leaves          []xmlsysd.NodeID // device … device_error

	mu     sync.Mutex
	states map[string]*fsState // guarded by mu; by mount point
	far    bool                // guarded by mu: some are servers', which may be gone any time
	hasty  time.Time           // guarded by mu: since when a call is out that is not stale yet; zero: none is
}

// fsState is what is known of a mount point. It is guarded by filesystemsReader.mu.
type fsState struct {
	pending bool // a call is out
	began   time.Time
	known   bool // a call came back
	stat    unix.Statfs_t
	err     error
	seen    bool // in this round
	skipped bool // there was no room to ask in this round
}

func newFilesystemsReader(e *Engine) reader {
	const at = "system/filesystems"
	return &filesystemsReader{
		engine: e, mounts: newMountReader(e), states: make(map[string]*fsState),
		remote: make(chan struct{}, maxRemote), local: make(chan struct{}, maxLocal),
		filesystems: e.model.Must(at), fs: e.model.Must(at + "/fs"),
		leaves: nodesOf(e.model, at+"/fs", "device", "type", "readonly", "size", "free", "avail", "files", "files_free", "stale", "device_error"),
	}
}

func (f *filesystemsReader) close() { f.mounts.close() }

func (f *filesystemsReader) read(r *request) error {
	mounts, err := f.mounts.list(r)
	if err != nil {
		return f.errs.of(f.mounts.path(), err)
	}
	f.ask(mounts)
	f.mu.Lock()
	defer f.mu.Unlock()
	t := r.tape
	t.Open(f.filesystems, r.at)
	defer t.Close()
	f.hasty, f.far = time.Time{}, slices.ContainsFunc(mounts, func(m mount) bool { return m.isRemote() })
	for i := range mounts {
		f.add(t, &mounts[i])
	}
	return nil
}

// soon asks for the next round earlier, so that a file system is known to be stale
// when it is.
func (f *filesystemsReader) soon() (time.Duration, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	const more = 10 * time.Millisecond // or it is not stale then, by a hair
	return max(statfsLimit-time.Since(f.hasty)+more, more), !f.hasty.IsZero()
}

// isWary reports whether a server may go between two questions: its file systems are
// said to be stale by who asks next.
func (f *filesystemsReader) isWary() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.far
}

// ask asks all file systems that owe no answer, and waits a moment: a short one for
// servers, whose answers the next round has at the latest. Those that need no server
// come first.
func (f *filesystemsReader) ask(mounts []mount) {
	round := fsRound{reader: f, deadline: time.NewTimer(statfsWait), done: make(chan chan struct{}, len(mounts))}
	defer round.deadline.Stop()
	for i := range mounts {
		if !mounts[i].isRemote() {
			round.ask(mounts[i].point, f.local)
		}
	}
	for i := range mounts {
		if mounts[i].isRemote() {
			round.ask(mounts[i].point, f.remote)
		}
	}
	round.wait()
	f.forget()
}

// fsRound is one time that all file systems are asked.
type fsRound struct {
	reader   *filesystemsReader
	deadline *time.Timer
	late     bool               // the deadline is over
	done     chan chan struct{} // the slots of a call; has room for all calls: nobody may be listening
	local    int                // calls
	remote   int
}

// wait waits for answers.
func (r *fsRound) wait() {
	brief := time.NewTimer(remoteWait)
	defer brief.Stop()
	for patient := true; !r.late && (r.local > 0 || r.remote > 0 && patient); {
		select {
		case slots := <-r.done:
			r.count(slots, -1)
		case <-brief.C:
			patient = false
		case <-r.deadline.C:
			r.late = true
		}
	}
}

// count counts the calls of one kind.
func (r *fsRound) count(slots chan struct{}, by int) {
	if slots == r.reader.remote {
		r.remote += by
	} else {
		r.local += by
	}
}

// ask asks a file system that owes no answer, as soon as there is a slot.
func (r *fsRound) ask(point string, slots chan struct{}) {
	s := r.reader.state(point)
	if s == nil {
		return
	}
	if !r.late {
		select {
		case slots <- struct{}{}:
			r.reader.call(point, s, slots, r.done)
			r.count(slots, 1)
			return
		case <-r.deadline.C:
			r.late = true
		}
	}
	r.reader.mu.Lock()
	s.skipped = true
	r.reader.mu.Unlock()
}

// state returns what is known of a mount point, nil if a call is out.
func (f *filesystemsReader) state(point string) *fsState {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.states[point]
	if s == nil {
		s = new(fsState)
		f.states[point] = s
	}
	s.seen, s.skipped = true, false
	if s.pending {
		return nil
	}
	return s
}

// call asks a file system. Nobody waits for the goroutine to end: one whose call
// hangs cannot be ended. There are as many as slots.
func (f *filesystemsReader) call(point string, s *fsState, slots chan struct{}, done chan<- chan struct{}) {
	f.mu.Lock()
	s.pending, s.began = true, time.Now()
	f.mu.Unlock()
	path := f.engine.root(point)
	go func() {
		var st unix.Statfs_t
		err := statfs(path, &st)
		f.mu.Lock()
		s.pending, s.known, s.stat, s.err = false, true, st, err
		f.mu.Unlock()
		<-slots
		done <- slots
	}()
}

func statfs(path string, st *unix.Statfs_t) error {
	for {
		if err := unix.Statfs(path, st); err != unix.EINTR {
			return err
		}
	}
}

// forget drops mount points that are gone.
func (f *filesystemsReader) forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for point, s := range f.states {
		if !s.seen && !s.pending {
			delete(f.states, point)
		}
		s.seen = false
	}
}

// add adds a file system, f.mu held.
func (f *filesystemsReader) add(t *xmlsysd.Tape, m *mount) {
	s := f.states[m.point]
	stale := s == nil || s.skipped || s.pending && time.Since(s.began) >= statfsLimit
	if s != nil && s.pending && !stale && (f.hasty.IsZero() || s.began.Before(f.hasty)) {
		f.hasty = s.began
	}
	t.Open(f.fs, xmlsysd.Stamp{}, []byte(m.point))
	t.Leaf(f.leaves[0], []byte(m.device))
	t.Leaf(f.leaves[1], []byte(m.kind))
	t.Uint(f.leaves[2], bit(m.readonly))
	known := !stale && s.known
	if known && s.err == nil {
		block := uint64(s.stat.Frsize)
		if block == 0 { // before Linux 2.6
			block = uint64(s.stat.Bsize)
		}
		for i, n := range [...]uint64{s.stat.Blocks * block, s.stat.Bfree * block, s.stat.Bavail * block, s.stat.Files, s.stat.Ffree} {
			t.Uint(f.leaves[3+i], n)
		}
	}
	t.Uint(f.leaves[8], bit(stale))
	t.Uint(f.leaves[9], bit(known && s.err != nil))
	t.Close()
}

func bit(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}
