// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package reread

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// maxFile bounds what is read of a file. The longest of /proc has a line for each
// interrupt with a column for each CPU.
const maxFile = 64 << 20

// flags open a file without waiting for anything or becoming anyone's terminal.
const flags = unix.O_RDONLY | unix.O_CLOEXEC | unix.O_NONBLOCK | unix.O_NOCTTY

// ErrNotRegular is what reading anything but a regular file gives.
var ErrNotRegular = errors.New("not a regular file")

// Kind is how the kernel makes a file's text.
type Kind uint8

// Kinds.
const (
	Whole    Kind = iota // comes in one piece
	Pieces               // comes line by line, in pieces of a page
	Lines                // the same, of lines so short that a short piece is the last
	Replaced             // an ordinary file that others replace: followed by its name
)

// shortPiece is less than the kernel gives of Lines while there are more: a piece
// ends where the next line has no room in a page, and no line has half of one.
const shortPiece = 2 << 10

// File is a file that is kept open.
type File struct {
	// Immutable after New.
	path string
	name []byte // path for the kernel, ends in zero
	kind Kind
	how  manner

	fd   int // -1 while closed
	buf  []byte
	gone time.Time // of a prompt file: when it was not there
}

// absence is for how long a prompt file that was not there is not looked for: what
// one kernel has and another has not is asked for again and again.
const absence = time.Second

// New returns a file that is opened when it is first read. The buffer begins with
// a size in bytes.
func New(path string, size int, kind Kind) *File {
	return &File{path: path, name: append([]byte(path), 0), kind: kind, fd: -1, buf: make([]byte, size)}
}

// NewPrompt returns a file that never waits for anything: most of those of /proc. It
// is read without telling the run-time, which saves the monitor of threads' work;
// for a file that does wait the whole program would. One that is not there is looked
// for again after a second only.
func NewPrompt(path string, size int, kind Kind) *File {
	f := New(path, size, kind)
	f.how = prompt
	return f
}

// Path returns the file's path.
func (f *File) Path() string { return f.path }

// Read returns what the file holds now.
func (f *File) Read() ([]byte, error) {
	wasOpen := f.fd >= 0
	b, err := f.read()
	if err == nil || !wasOpen || !errors.Is(err, unix.ENODEV) && !errors.Is(err, unix.ESRCH) && err != errReplaced {
		return b, err
	}
	f.Close() // its device or process is gone; another of the name may be there
	return f.read()
}

// errReplaced says that a file's name belongs to another one now.
var errReplaced = errors.New("file was replaced")

// ReadHead returns the first bytes of the file, up to n and to the size of the
// buffer: of files that come line by line the kernel makes no more than it is asked
// for. Where the file ends before, it has less.
func (f *File) ReadHead(n int) ([]byte, error) {
	if err := f.open(); err != nil {
		return nil, err
	}
	have, err := f.how.pread(f.fd, f.buf[:min(n, len(f.buf))], 0)
	return f.buf[:max(have, 0)], err
}

func (f *File) read() ([]byte, error) {
	if err := f.open(); err != nil {
		return nil, err
	}
	n, err := f.fill()
	if err != nil {
		return nil, err
	}
	return f.buf[:n], nil
}

// open opens the file if it is not open.
func (f *File) open() error {
	if f.fd < 0 {
		if !f.gone.IsZero() && time.Since(f.gone) < absence {
			return unix.ENOENT
		}
		fd, err := f.how.openRegular(unix.AT_FDCWD, f.name)
		if err == unix.ENOENT && f.how == prompt {
			f.gone = time.Now()
		}
		if err != nil {
			return err
		}
		f.fd = fd
	} else if f.kind == Replaced && f.how.links(f.fd) == 0 {
		return errReplaced
	}
	return nil
}

// fill reads the file into the buffer, which it makes larger where that is needed.
func (f *File) fill() (int, error) {
	for have := 0; ; {
		n, err := f.how.pread(f.fd, f.buf[have:], int64(have))
		if err != nil {
			return 0, err
		}
		have += n
		switch {
		case have == len(f.buf):
			if have >= maxFile {
				return 0, unix.EFBIG
			}
			// Below /proc/sys there is no second piece: from the beginning.
			f.buf, have = make([]byte, 2*len(f.buf)), 0
		case n == 0 || f.kind == Whole || f.kind == Lines && n < shortPiece:
			return have, nil
		}
	}
}

// Close gives the descriptor back; the next Read opens the file anew.
func (f *File) Close() {
	if f.fd >= 0 {
		f.how.close(f.fd)
		f.fd = -1
	}
}

// FD returns the descriptor, for poll: -1 while the file is not open.
func (f *File) FD() int { return f.fd }

// Read reads a file once, into the room of b, which it makes larger where that is
// needed. A file below a directory's descriptor has a relative path.
func Read(dir int, path string, b []byte) ([]byte, error) {
	fd, err := unix.Openat(dir, path, flags, 0)
	if err != nil {
		return b[:0], err
	}
	defer unix.Close(fd)
	if err := usual.regular(fd, nil); err != nil {
		return b[:0], fmt.Errorf("%s: %w", path, err)
	}
	return ReadFD(fd, b, maxFile)
}

// ReadFD reads at most limit bytes of an open file into the room of b.
func ReadFD(fd int, b []byte, limit int) ([]byte, error) {
	b = b[:cap(b)]
	if len(b) == 0 {
		b = make([]byte, 512)
	}
	for have := 0; ; {
		room := b[have:min(len(b), limit)]
		if len(room) == 0 && have == limit {
			return b[:have], nil
		}
		n, err := usual.pread(fd, room, int64(have))
		if err != nil {
			return b[:0], err
		}
		if have += n; n == 0 {
			return b[:have], nil
		}
		if have == len(b) {
			b = append(b, make([]byte, len(b))...)
		}
	}
}
