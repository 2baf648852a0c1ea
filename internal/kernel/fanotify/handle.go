// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package fanotify

import (
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Root is an open directory of a file system, by which its handles are opened. While
// it is open, the file system cannot be unmounted.
type Root struct{ file *os.File }

// OpenRoot opens the directory that a file system is mounted on.
func OpenRoot(dir string) (*Root, error) {
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: dir, Err: err}
	}
	return &Root{os.NewFile(uintptr(fd), dir)}, nil
}

// FD is the directory's descriptor, good until Close.
func (r *Root) FD() int { return int(r.file.Fd()) }

// Dir is the path that the root was opened by.
func (r *Root) Dir() string { return r.file.Name() }

// Close lets go of the file system.
func (r *Root) Close() error { return r.file.Close() }

// Open opens the object that a handle names; flags as in open(2). The error is ESTALE
// where there is no such object any more, and ENOMEM where the kernel could not find that
// out within openPatience.
func (r *Root) Open(h Handle, flags int) (fd int, err error) {
	var since time.Time
	for wait := openWait; ; wait = min(2*wait, openPatience/100) {
		fd, err = unix.OpenByHandleAt(r.FD(), unix.NewFileHandle(h.Type, h.Bytes), flags|unix.O_CLOEXEC)
		switch {
		case err == unix.EINTR:
			continue
		case err != unix.ENOMEM:
			return fd, err
		case since.IsZero():
			since = time.Now()
		case time.Since(since) > openPatience:
			return -1, fmt.Errorf("open handle %x at %s, for %v: %w", h.Bytes, r.Dir(), openPatience, err)
		}
		<-time.After(wait) // there is no event to wait for
	}
}

// ENOMEM is what ext4, and all others that keep numbers of objects in the kernel's table,
// answer while the number is being given to a new object, with memory to spare (iget_locked
// in fs/inode.c meets I_CREATING). That is over when the new object's name is written,
// which takes a turn of the processor by the thread that makes it, or a read of the disk.
const (
	openWait     = 20 * time.Microsecond
	openPatience = 5 * time.Second
)

// HandleAt returns the handle of a name in a directory, or of the directory itself if
// the name is empty. A symbolic link is not followed. FSID is not set.
func HandleAt(dirfd int, name string) (Handle, error) {
	h, _, err := HandleAndMount(dirfd, name)
	return h, err
}

// HandleAndMount is HandleAt that tells the mount, too. Where something is mounted on the
// name, it is of that: another mount than the directory's.
func HandleAndMount(dirfd int, name string) (h Handle, mount int, err error) {
	flags := 0
	if name == "" {
		flags = unix.AT_EMPTY_PATH
	}
	fh, mount, err := unix.NameToHandleAt(dirfd, name, flags)
	if err != nil {
		return Handle{}, 0, err
	}
	return Handle{Type: fh.Type(), Bytes: fh.Bytes()}, mount, nil
}

// String is the handle as type and hexadecimal bytes.
func (h Handle) String() string { return fmt.Sprintf("%#x:%x", h.Type, h.Bytes) }
