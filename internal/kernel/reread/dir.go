// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package reread

import (
	"bytes"
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// Dir is a directory that is kept open, and files below it that are opened, read
// and closed again: /proc with its processes.
type Dir struct {
	name []byte // path for the kernel, ends in zero
	how  manner
	fd   int    // -1 while closed
	list []byte // room for names
	path []byte // room for a path below
	buf  []byte // room for a file
}

// NewDir returns a directory that is opened when it is first used.
func NewDir(path string) *Dir {
	return &Dir{name: append([]byte(path), 0), fd: -1, list: make([]byte, 32<<10), buf: make([]byte, 4<<10)}
}

// NewPromptDir returns a directory whose own state the kernel tells at once, and
// whose files that are called "stat", too: see [NewPrompt]. Others of its files may
// wait.
func NewPromptDir(path string) *Dir {
	d := NewDir(path)
	d.how = prompt
	return d
}

// FD returns the descriptor of the directory, opened where it is not.
func (d *Dir) FD() (int, error) {
	if d.fd < 0 {
		fd, err := d.how.openat(unix.AT_FDCWD, d.name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC)
		if err != nil {
			return -1, err
		}
		d.fd = fd
	}
	return d.fd, nil
}

// Stat tells of the directory that has the name now.
func (d *Dir) Stat(st *unix.Stat_t) error {
	for again := false; ; again = true {
		fd, err := d.FD()
		if err != nil {
			return err
		}
		if err := d.how.fstat(fd, st); err != nil || st.Nlink > 0 || again {
			return err
		}
		d.Close() // removed
	}
}

// Close gives the descriptor back.
func (d *Dir) Close() {
	if d.fd >= 0 {
		unix.Close(d.fd)
		d.fd = -1
	}
}

// Numbers appends the names that are numbers, as the ids of processes, to a list.
func (d *Dir) Numbers(list []int32) ([]int32, error) {
	fd, err := d.FD()
	if err != nil {
		return list, err
	}
	if _, err := unix.Seek(fd, 0, 0); err != nil {
		return list, err
	}
	for {
		n, err := unix.Getdents(fd, d.list)
		if err == unix.EINTR {
			continue
		}
		if n <= 0 || err != nil {
			return list, err
		}
		list = numbers(list, d.list[:n])
	}
}

// numbers reads records of getdents64: inode and offset of 8 bytes, length of the
// record of 2, type of 1, name up to a zero.
func numbers(list []int32, b []byte) []int32 {
	const lengthAt, nameAt = 16, 19
	for len(b) > nameAt {
		length := int(binary.NativeEndian.Uint16(b[lengthAt:]))
		if length <= nameAt || length > len(b) {
			return list
		}
		name := b[nameAt:length]
		if end := bytes.IndexByte(name, 0); end >= 0 {
			name = name[:end]
		}
		if n, ok := number(name); ok {
			list = append(list, n)
		}
		b = b[length:]
	}
	return list
}

func number(b []byte) (int32, bool) {
	if len(b) == 0 || len(b) > 9 {
		return 0, false
	}
	n := int32(0)
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int32(c-'0')
	}
	return n, true
}

// maxOf bounds what ReadOf returns: a command line may be megabytes.
const maxOf = 64 << 10

// ReadOf reads the file of a number: "stat" of 1 is 1/stat. It returns also who
// owns it. The bytes are valid until the next call.
func (d *Dir) ReadOf(n int32, file string) (b []byte, uid uint32, err error) {
	dir, err := d.FD()
	if err != nil {
		return nil, 0, err
	}
	how := usual
	if file == "stat" { // a command line waits while the process's memory changes
		how = d.how
	}
	b, err = d.readOnce(how, dir, d.pathOf(n, file), &uid)
	return b, uid, err
}

// ReadBelow reads a file below the one that has a name: "/mtu" of eth0 is eth0/mtu.
// The bytes are valid until the next call.
func (d *Dir) ReadBelow(name []byte, file string) ([]byte, error) {
	dir, err := d.FD()
	if err != nil {
		return nil, err
	}
	d.path = append(append(append(d.path[:0], name...), file...), 0)
	return d.readOnce(usual, dir, d.path, nil)
}

// readOnce opens, reads and closes a file that comes in one piece, as those of
// processes do and all small ones of /sys.
func (d *Dir) readOnce(how manner, dir int, path []byte, uid *uint32) ([]byte, error) {
	fd, err := how.openat(dir, path, flags)
	if err != nil {
		return nil, err
	}
	defer how.close(fd)
	if err := how.regular(fd, uid); err != nil {
		return nil, err
	}
	for {
		n, err := how.pread(fd, d.buf, 0)
		if err != nil || n < len(d.buf) || n >= maxOf {
			return d.buf[:max(n, 0)], err
		}
		d.buf = make([]byte, 2*len(d.buf))
	}
}

// pathOf returns the path of a file of a number, which ends in zero.
func (d *Dir) pathOf(n int32, file string) []byte {
	d.path = append(appendNumber(d.path[:0], n), '/')
	d.path = append(append(d.path, file...), 0)
	return d.path
}

func appendNumber(b []byte, n int32) []byte {
	var digits [10]byte
	at := len(digits)
	for at--; ; at-- {
		digits[at] = byte('0' + n%10)
		if n /= 10; n == 0 {
			return append(b, digits[at:]...)
		}
	}
}
