// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package reread

import (
	"time"

	"golang.org/x/sys/unix"
)

// Files are the files "stat" of the numbered directories below another one: of each
// process. They are kept open as far as there is room: opening and closing one costs
// as much as reading it. The kernel keeps a page for each that is open.
//
//	f.Begin()
//	for … { f.Read(n, now) }
//	f.End() // what was not read in between is closed
type Files struct {
	dir   *Dir
	max   int // kept open at a time
	kept  map[int32]keptFile
	round uint32
	buf   []byte
}

// keptFile is a file that is open.
type keptFile struct {
	fd    int
	uid   uint32 // who owned it when it was opened
	since time.Time
	round uint32 // in which it was read last
}

// keepAge is for how long a file stays open at least, and what that is longer for
// some, so that not all are opened anew at once. Its owner may be another one since.
const (
	keepAge    = 30 * time.Second
	keepSpread = 32 // s
)

// NewFiles returns the files below a directory, of which some are kept open. A file
// of which the kernel has said that its process is gone is opened anew: the number
// may be another process's.
func NewFiles(d *Dir, max int) *Files {
	return &Files{dir: d, max: max, kept: make(map[int32]keptFile), buf: make([]byte, 4<<10)}
}

// Begin begins a round.
func (f *Files) Begin() { f.round++ }

// Read returns what the file of a number holds and who owns it, valid until the next
// call.
func (f *Files) Read(n int32, now time.Time) (b []byte, uid uint32, err error) {
	k, ok := f.kept[n]
	if ok && now.Sub(k.since) < keepAge+time.Duration(n%keepSpread)*time.Second {
		size, err := f.dir.how.pread(k.fd, f.buf, 0)
		if err == nil && size > 0 && size < len(f.buf) {
			k.round = f.round
			f.kept[n] = k
			return f.buf[:size], k.uid, nil
		}
	}
	if ok {
		f.drop(n, k)
	}
	if len(f.kept) >= f.max {
		return f.dir.ReadOf(n, "stat")
	}
	return f.open(n, now)
}

// open opens a file and reads it.
func (f *Files) open(n int32, now time.Time) ([]byte, uint32, error) {
	dir, err := f.dir.FD()
	if err != nil {
		return nil, 0, err
	}
	how := f.dir.how
	fd, err := how.openat(dir, f.dir.pathOf(n, "stat"), flags)
	if err == unix.EMFILE || err == unix.ENFILE {
		f.Close() // others need descriptors more
	}
	if err != nil {
		return nil, 0, err
	}
	k := keptFile{fd: fd, since: now, round: f.round}
	if err = how.regular(fd, &k.uid); err == nil {
		var size int
		if size, err = how.pread(fd, f.buf, 0); err == nil {
			f.kept[n] = k
			return f.buf[:size], k.uid, nil
		}
	}
	how.close(fd)
	return nil, 0, err
}

func (f *Files) drop(n int32, k keptFile) {
	f.dir.how.close(k.fd)
	delete(f.kept, n)
}

// End closes what was not read since Begin.
func (f *Files) End() {
	for n, k := range f.kept {
		if k.round != f.round {
			f.drop(n, k)
		}
	}
}

// Close closes all files; the next Read opens them anew.
func (f *Files) Close() {
	for n, k := range f.kept {
		f.drop(n, k)
	}
}
