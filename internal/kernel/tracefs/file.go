// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracefs

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// system are the calls by which the door changes or opens something. Tests
// refuse some of them.
type system interface {
	openat(dir int, path string, flags int) (int, error)
	mkdirat(dir int, path string) error
	rmdirat(dir int, path string) error
	write(fd int, b []byte) (int, error)
}

// kernel is the system that is there.
type kernel struct{}

// openat opens a file below dir. tracefs has no symbolic links, so a name that
// was checked leads nowhere else.
func (kernel) openat(dir int, path string, flags int) (int, error) {
	return unix.Openat(dir, path, flags|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0)
}

func (kernel) mkdirat(dir int, path string) error { return unix.Mkdirat(dir, path, 0o750) }

func (kernel) rmdirat(dir int, path string) error {
	return unix.Unlinkat(dir, path, unix.AT_REMOVEDIR)
}

func (kernel) write(fd int, b []byte) (int, error) { return unix.Write(fd, b) }

// open opens a file of the mount. The path is made of checked names.
func (fs *FS) open(path string, flags int) (int, error) {
	if fs.closed.Load() {
		return -1, &FileError{Op: "open", Path: path, Err: os.ErrClosed}
	}
	for {
		fd, err := fs.system.openat(fs.dir, path, flags)
		if err == nil {
			return fd, nil
		}
		if err != unix.EINTR {
			return -1, &FileError{Op: "open", Path: path, Err: err}
		}
	}
}

// exists reports whether a file or directory is there. An error leaves it open.
func (fs *FS) exists(path string) (bool, error) {
	fd, err := fs.open(path, unix.O_PATH)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, unix.Close(fd)
}

// read appends what a file holds to b.
func (fs *FS) read(path string, b []byte) ([]byte, error) {
	fd, err := fs.open(path, unix.O_RDONLY)
	if err != nil {
		return b, err
	}
	defer unix.Close(fd)
	for {
		b = slices.Grow(b, 4096)
		n, err := unix.Read(fd, b[len(b):cap(b)])
		switch {
		case err == unix.EINTR:
		case err != nil:
			return b, &FileError{Op: "read", Path: path, Err: err}
		case n == 0:
			return b, nil
		default:
			b = b[:len(b)+n]
		}
	}
}

// line returns what a file holds without the blanks around it.
func (fs *FS) line(path string) (string, error) {
	b, err := fs.read(path, nil)
	return strings.TrimSpace(string(b)), err
}

// number returns the number in a file, which may be followed by a remark.
func (fs *FS) number(path string) (int, error) {
	s, err := fs.line(path)
	if err != nil {
		return 0, err
	}
	first, _, _ := strings.Cut(s, " ")
	n, err := strconv.Atoi(first)
	if err != nil {
		return 0, &FileError{Op: "read", Path: path, Err: err}
	}
	return n, nil
}

// names returns the names in a directory.
func (fs *FS) names(path string) ([]string, error) {
	fd, err := fs.open(path, unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return nil, err
	}
	d := os.NewFile(uintptr(fd), path)
	defer d.Close()
	names, err := d.Readdirnames(-1)
	if err != nil {
		return nil, &FileError{Op: "read directory", Path: path, Err: err}
	}
	return names, nil
}

// write writes a value to a file of an instance. More flags may say O_APPEND or
// O_TRUNC.
func (fs *FS) write(path, value string, flags int) error {
	if !strings.HasPrefix(path, instancesDir+"/") {
		panic("tracefs: write of " + path + ", which is not in an instance")
	}
	return fs.put(path, value, unix.O_WRONLY|flags)
}

// lists are the only files of the top level that are written, by addition.
var lists = []string{dynamicEvents, uprobeEvents, kprobeEvents}

// addTo appends a line to a list of the top level.
func (fs *FS) addTo(list, line string) error {
	if !slices.Contains(lists, list) {
		panic("tracefs: write of " + list + ", which belongs to everybody")
	}
	return fs.put(list, line, unix.O_WRONLY|unix.O_APPEND)
}

// put writes a value with one open file. The kernel may take it word by word.
func (fs *FS) put(path, value string, flags int) error {
	fd, err := fs.open(path, flags)
	if err != nil {
		return err
	}
	err = fs.writeAll(fd, value)
	// Closing after a successful write can still report what the write did.
	if cerr := unix.Close(fd); err == nil {
		err = cerr
	}
	if err != nil {
		return &FileError{Op: "write", Path: path, Value: value, Err: err}
	}
	return nil
}

func (fs *FS) writeAll(fd int, value string) error {
	for b := []byte(value); len(b) > 0; {
		n, err := fs.system.write(fd, b)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return err
		case n <= 0:
			return fmt.Errorf("%d of %d bytes taken", len(value)-len(b), len(value))
		default:
			b = b[n:]
		}
	}
	return nil
}

// missing reports whether a file could not be opened because it is not there. An
// ENOENT of a write is something else: the kernel says so of a filter in which a
// parenthesis is open.
func missing(err error) bool {
	var file *FileError
	return errors.As(err, &file) && file.Op == "open" && file.Err == unix.ENOENT
}

// flag returns what a file takes for yes and no.
func flag(on bool) string {
	if on {
		return "1"
	}
	return "0"
}
