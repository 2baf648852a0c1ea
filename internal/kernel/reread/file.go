// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package reread

import (
	"errors"
	"fmt"
	"unsafe"

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

	fd  int // -1 while closed
	buf []byte
}

// New returns a file that is opened when it is first read. The buffer begins with
// a size in bytes.
func New(path string, size int, kind Kind) *File {
	return &File{path: path, name: append([]byte(path), 0), kind: kind, fd: -1, buf: make([]byte, size)}
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

func (f *File) read() ([]byte, error) {
	if f.fd < 0 {
		fd, err := openRegular(unix.AT_FDCWD, f.name)
		if err != nil {
			return nil, err
		}
		f.fd = fd
	} else if f.kind == Replaced && links(f.fd) == 0 {
		return nil, errReplaced
	}
	n, err := f.fill()
	if err != nil {
		return nil, err
	}
	return f.buf[:n], nil
}

// fill reads the file into the buffer, which it makes larger where that is needed.
func (f *File) fill() (int, error) {
	for have := 0; ; {
		n, err := pread(f.fd, f.buf[have:], int64(have))
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
		unix.Close(f.fd)
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
	if err := regular(fd, nil); err != nil {
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
		n, err := pread(fd, room, int64(have))
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

// pread reads, again if a signal came between.
func pread(fd int, b []byte, at int64) (int, error) {
	for {
		n, err := unix.Pread(fd, b, at)
		if err != unix.EINTR {
			return n, err
		}
	}
}

// openRegular opens a regular file whose name ends in zero. It takes no string, so
// that it allocates nothing.
func openRegular(dir int, name []byte) (int, error) {
	fd, err := openat(dir, name, flags)
	if err != nil {
		return -1, err
	}
	if err := regular(fd, nil); err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

func openat(dir int, name []byte, flags int) (int, error) {
	for {
		fd, _, errno := unix.Syscall6(unix.SYS_OPENAT, uintptr(dir), uintptr(unsafe.Pointer(&name[0])), uintptr(flags), 0, 0, 0)
		switch errno {
		case 0:
			return int(fd), nil
		case unix.EINTR:
		default:
			return -1, errno
		}
	}
}

// regular refuses what is no regular file, and returns the owner of one.
func regular(fd int, uid *uint32) error {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return ErrNotRegular
	}
	if uid != nil {
		*uid = st.Uid
	}
	return nil
}

func links(fd int) uint64 {
	var st unix.Stat_t
	if unix.Fstat(fd, &st) != nil {
		return 0
	}
	return uint64(st.Nlink)
}
