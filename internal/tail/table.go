// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tail

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Names in the directory of the tables.
const (
	tablePrefix  = "tails-"
	repairPrefix = "repaired-" // reports of guards
)

// maxNames bounds the search for a name that is free: a process finds more
// than one table of its own number only when process numbers were used again.
const maxNames = 100

// Table holds the committed lengths of the files that a process writes. All
// methods may be called on a nil Table and then protect nothing.
type Table struct {
	// Immutable after Create.
	path   string
	layout layout
	file   *os.File // holds the lock

	// Stored by the users of the slots; mapped until Close and the last Release.
	mem []byte

	mu sync.Mutex
	// Guarded by mu.
	closed    bool
	handles   int // slots and directories not released
	slotSpace extent
	dirSpace  extent
	freeSlots []uint32
	freeDirs  []uint32
	slotTop   uint32
	dirTop    uint32
	stats     Stats
}

// Stats counts what a table holds.
type Stats struct {
	Slots       int    // taken now
	Dirs        int    // taken now
	Unprotected uint64 // slots, directories and files refused since Create
}

// Create makes the table DIR/tails-PID with room for capacity files (0: 65536)
// and locks it. A table of an earlier process with the same number is left for
// [RecoverAll]; the new one then has a number added to its name. The table must
// be made by the process that uses it, after it went to the background.
func Create(dir string, capacity int) (*Table, error) {
	if capacity <= 0 {
		capacity = defaultCap
	}
	if capacity > maxSlots {
		return nil, fmt.Errorf("table of file tails: capacity %d: want at most %d", capacity, maxSlots)
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("table of file tails: %w", err)
	}
	boot, err := bootID()
	if err != nil {
		return nil, fmt.Errorf("table of file tails: %w", err)
	}
	f, err := newFile(dir, os.Getpid())
	if err != nil {
		return nil, fmt.Errorf("create table of file tails: %w", err)
	}
	t := &Table{path: f.Name(), layout: newLayout(capacity), file: f}
	if err := t.fill(boot); err != nil {
		_ = os.Remove(t.path) // the first error says more
		_ = f.Close()
		return nil, fmt.Errorf("create table of file tails %s: %w", t.path, err)
	}
	return t, nil
}

// newFile creates and locks an empty table file.
func newFile(dir string, pid int) (*os.File, error) {
	name := fmt.Sprintf("%s%d", tablePrefix, pid)
	for n := 1; ; {
		f, err := os.OpenFile(filepath.Join(dir, name), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
		switch {
		case errors.Is(err, fs.ErrExist) && n < maxNames:
			name = fmt.Sprintf("%s%d.%d", tablePrefix, pid, n)
			n++
			continue
		case err != nil:
			return nil, err
		}
		// Between creation and lock another start may have taken the file for
		// a leftover and removed it.
		if err := lock(f, unix.LOCK_EX); err != nil {
			_ = os.Remove(f.Name())
			_ = f.Close()
			return nil, err
		}
		if gone, err := removed(f); gone || err != nil {
			_ = f.Close()
			if err != nil {
				return nil, err
			}
			continue
		}
		return f, nil
	}
}

// fill gives the empty file its size, header and mapping.
func (t *Table) fill(boot [bootLen]byte) error {
	size := t.layout.size()
	if err := t.file.Truncate(size); err != nil {
		return err
	}
	header := extent{limit: headerLen}
	if err := header.reserve(t.file, headerLen); err != nil {
		return err
	}
	start := t.layout.dir(0)
	t.slotSpace = extent{start: headerLen, end: headerLen, limit: start}
	t.dirSpace = extent{start: start, end: start, limit: size}
	mem, err := unix.Mmap(int(t.file.Fd()), 0, int(size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return fmt.Errorf("mmap %d bytes: %w", size, err)
	}
	t.mem = mem
	putHeader(mem, t.layout, boot, os.Getpid())
	t.u32(headerState).Store(tableOpen)
	return nil
}

// Path returns the table's absolute path.
func (t *Table) Path() string {
	if t == nil {
		return ""
	}
	return t.path
}

// Stats returns what the table holds now.
func (t *Table) Stats() Stats {
	if t == nil {
		return Stats{}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.stats
}

// Close ends the protection in order: all files are whole, or are to be left as
// they are. It marks the table clean, removes and unlocks it. Slots and
// directories may still be used and released after it, to no effect.
func (t *Table) Close() error {
	if t == nil {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil
	}
	t.closed = true
	t.u32(headerState).Store(tableClean)
	err := os.Remove(t.path)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	// The mapping keeps the open file, and so its lock, until the last Release.
	err = errors.Join(err, lock(t.file, unix.LOCK_UN), t.file.Close(), t.unmapLocked())
	if err != nil {
		return fmt.Errorf("close table of file tails: %w", err)
	}
	return nil
}

// open says whether the table protects anything still.
func (t *Table) open() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return !t.closed
}

// releaseLocked counts a slot or directory that was given back.
func (t *Table) releaseLocked() {
	t.handles--
	_ = t.unmapLocked() // fails only for a mapping that is not one
}

// unmapLocked ends the mapping when nobody can store to it any more.
func (t *Table) unmapLocked() error {
	if !t.closed || t.handles > 0 || t.mem == nil {
		return nil
	}
	mem := t.mem
	t.mem = nil
	return unix.Munmap(mem)
}

// takeLocked takes a record: one given back, or the next never used, for which
// it reserves space first. top is the counter in the header.
func (t *Table) takeLocked(free *[]uint32, next *uint32, count uint32, space *extent, recordLen int64, top int64) (uint32, error) {
	if t.closed {
		return 0, ErrClosed
	}
	if n := len(*free); n > 0 {
		i := (*free)[n-1]
		*free = (*free)[:n-1]
		t.handles++
		return i, nil
	}
	i := *next
	if i == count {
		return 0, ErrFull
	}
	if err := space.reserve(t.file, recordLen*int64(i+1)); err != nil {
		return 0, fmt.Errorf("reserve space in %s: %w", t.path, err)
	}
	*next = i + 1
	t.u32(top).Store(i + 1)
	t.handles++
	return i, nil
}

// u32 returns the integer at an offset that is a multiple of 4.
func (t *Table) u32(at int64) *atomic.Uint32 {
	return (*atomic.Uint32)(unsafe.Pointer(&t.mem[at]))
}

// u64 returns the integer at an offset that is a multiple of 8.
func (t *Table) u64(at int64) *atomic.Uint64 {
	return (*atomic.Uint64)(unsafe.Pointer(&t.mem[at]))
}

// bootID returns the identity of the running kernel.
func bootID() (id [bootLen]byte, err error) {
	const path = "/proc/sys/kernel/random/boot_id"
	text, err := os.ReadFile(path)
	if err != nil {
		return id, err
	}
	digits := strings.ReplaceAll(strings.TrimSpace(string(text)), "-", "")
	if len(digits) != 2*bootLen {
		return id, fmt.Errorf("%s: got %q, want a UUID", path, text)
	}
	if _, err := hex.Decode(id[:], []byte(digits)); err != nil {
		return id, fmt.Errorf("%s: got %q, want a UUID: %w", path, text, err)
	}
	return id, nil
}
