// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package consumer

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// store writes a packet to the file. The file has no name: it ends with the
// process, which is its only user.
func (q *spool) store(it *item, packet []byte) error {
	if q.file == nil {
		fd, err := unix.Openat(int(q.dir.Fd()), ".", unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
		if err != nil {
			return fmt.Errorf("spool: %w", err)
		}
		q.file = os.NewFile(uintptr(fd), "spool")
	}
	if q.disk == 0 && q.end > 0 {
		if err := q.file.Truncate(0); err != nil {
			return fmt.Errorf("spool: %w", err)
		}
		q.end = 0
	}
	if _, err := q.file.WriteAt(packet, q.end); err != nil {
		return fmt.Errorf("spool: %d bytes at %d: %w", len(packet), q.end, err)
	}
	it.offset = q.end
	q.end += it.size
	return nil
}

func (q *spool) load(it item, file *os.File) (item, error) {
	if it.size == 0 || it.data != nil {
		return it, nil
	}
	it.data = make([]byte, it.size)
	if _, err := file.ReadAt(it.data, it.offset); err != nil {
		return item{}, fmt.Errorf("spool: %d bytes at %d: %w", it.size, it.offset, err)
	}
	return it, nil
}

// drop gives a packet's room back.
func (q *spool) drop(it *item) {
	if it.size == 0 {
		return
	}
	q.full = false
	if it.data != nil {
		q.memory -= it.size
	} else {
		q.disk -= it.size
		// A hole where nobody reads any more; without support the file grows.
		_ = unix.Fallocate(int(q.file.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, it.offset, it.size)
	}
}

// free closes the file once nobody uses the spool.
func (q *spool) free() {
	if q.file != nil {
		q.file.Close()
	}
}
