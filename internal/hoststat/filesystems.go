// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package hoststat

import (
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/kernel/reread"
	"github.com/weir-io/weir/xmlsysd"
)

// Limits of asking file systems.
const (
	statfsWait  = 250 * time.Millisecond // for the answers of a round
	statfsLimit = time.Second            // after which a file system is stale
	maxStatfs   = 16                     // calls at a time, those that hang included
)

// filesystemsReader reads the mounts and asks each file system for its room. One
// whose server is gone may not answer for ever: each is asked by a goroutine of its
// own, one call at a time, and what does not answer is stale.
type filesystemsReader struct {
	engine *Engine
	mounts mountReader
	errs   sourceErrors
	slots  chan struct{} // taken by a call, also by one that hangs

	filesystems, fs xmlsysd.NodeID
	leaves          []xmlsysd.NodeID // device … device_error

	mu     sync.Mutex
	states map[string]*fsState // guarded by mu; by mount point
	hasty  bool                // guarded by mu: calls are out, and not stale yet
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
		engine: e, mounts: newMountReader(e), slots: make(chan struct{}, maxStatfs), states: make(map[string]*fsState),
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
	f.hasty = false
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
	return statfsLimit - statfsWait/2, f.hasty
}

// ask asks all file systems that owe no answer, and waits a moment.
func (f *filesystemsReader) ask(mounts []mount) {
	deadline := time.NewTimer(statfsWait)
	defer deadline.Stop()
	done := make(chan struct{}, len(mounts)) // has room for all: nobody may be listening
	out, late := 0, false
	for i := range mounts {
		s := f.state(mounts[i].point)
		if s == nil {
			continue // owes an answer
		}
		if !late {
			select {
			case f.slots <- struct{}{}:
				f.call(mounts[i].point, s, done)
				out++
				continue
			case <-deadline.C:
				late = true
			}
		}
		f.mu.Lock()
		s.skipped = true
		f.mu.Unlock()
	}
	for ; out > 0 && !late; out-- {
		select {
		case <-done:
		case <-deadline.C:
			late = true
		}
	}
	f.forget()
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
// hangs cannot be ended. There are at most maxStatfs.
func (f *filesystemsReader) call(point string, s *fsState, done chan<- struct{}) {
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
		<-f.slots
		done <- struct{}{}
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
	f.hasty = f.hasty || s != nil && s.pending && !stale
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

// mount is a line of mountinfo.
type mount struct {
	point, device, kind string
	readonly            bool
}

// mountReader reads the mounts when they have changed.
type mountReader struct {
	file     *reread.File
	followed bool // the kernel tells of changes
	skip     []string
	mounts   []mount
	read     bool
}

// newMountReader reads the mounts of this process, or, where the files of a host
// are below a root of their own, those of its first process.
func newMountReader(e *Engine) mountReader {
	path := e.proc("self/mountinfo")
	if e.o.Root != "/" {
		path = e.proc("1/mountinfo")
	}
	return mountReader{file: reread.New(path, pageSize, reread.Pieces), followed: isProc(e.o.ProcRoot), skip: e.o.SkipFS}
}

func (m *mountReader) path() string { return m.file.Path() }

func (m *mountReader) close() { m.file.Close() }

// list returns the mounts that are shown.
func (m *mountReader) list(r *request) ([]mount, error) {
	if m.read && m.followed && !changed(m.file.FD()) {
		return m.mounts, nil
	}
	text, err := m.file.Read()
	if err != nil {
		return nil, err
	}
	r.bytes += len(text)
	m.read, m.mounts = true, parseMounts(text, m.skip)
	return m.mounts, nil
}

// changed reports whether the mounts changed since this was asked or read last.
func changed(fd int) bool {
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLPRI}}
	n, err := unix.Poll(fds, 0)
	return err != nil || n > 0 && fds[0].Revents&(unix.POLLERR|unix.POLLPRI) != 0
}

// parseMounts reads lines
//
//	36 35 98:0 /root /mnt\040point rw,noatime master:1 - ext4 /dev/sda1 ro,errors=continue
//
// with any number of words before the hyphen. Of several mounts on one point only
// the last can be seen.
func parseMounts(text []byte, skip []string) []mount {
	var list []mount
	for len(text) > 0 {
		var line []byte
		line, text = cutLine(text)
		m, ok := parseMount(line)
		if !ok {
			continue
		}
		list = slices.DeleteFunc(list, func(o mount) bool { return o.point == m.point })
		if shown := !slices.Contains(skip, m.kind) || m.kind == "overlay" && m.point == "/"; shown {
			list = append(list, m)
		}
	}
	return list
}

func parseMount(line []byte) (m mount, ok bool) {
	const pointAt, optionsAt, hyphenAt = 4, 5, 6
	for i := 0; ; i++ {
		var word []byte
		word, line = cutWord(line)
		switch {
		case len(word) == 0:
			return m, false
		case i == pointAt:
			m.point = string(unescape(nil, word))
		case i == optionsAt:
			m.readonly = hasOption(word, "ro")
		case i >= hyphenAt && string(word) == "-":
			kind, rest := cutWord(line)
			device, rest := cutWord(rest)
			options, _ := cutWord(rest)
			m.kind, m.device = string(unescape(nil, kind)), string(unescape(nil, device))
			m.readonly = m.readonly || hasOption(options, "ro")
			return m, len(kind) > 0
		}
	}
}

// hasOption looks for a word between commas.
func hasOption(list []byte, option string) bool {
	for len(list) > 0 {
		i := 0
		for i < len(list) && list[i] != ',' {
			i++
		}
		if string(list[:i]) == option {
			return true
		}
		list = list[min(i+1, len(list)):]
	}
	return false
}
