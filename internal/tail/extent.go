// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tail

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// reserveStep is how many bytes are reserved at a time.
const reserveStep = 64 << 10

// extent is a range of the table file whose space is reserved from the front.
type extent struct {
	start int64
	end   int64 // reserved up to here; not below start
	limit int64
}

// reserve makes sure that the first n bytes of the range have space on disk.
func (e *extent) reserve(f *os.File, n int64) error {
	want := e.start + n
	if want <= e.end {
		return nil
	}
	to := min(max(want, e.end+reserveStep), e.limit)
	if err := allocate(f, e.end, to-e.end); err != nil {
		return err
	}
	e.end = to
	return nil
}

// allocate gives a hole of the file space. The range holds zeros and is used by
// nobody yet.
func allocate(f *os.File, off, n int64) error {
	err := retry(func() error { return unix.Fallocate(int(f.Fd()), 0, off, n) })
	if !errors.Is(err, unix.EOPNOTSUPP) {
		return err
	}
	_, err = f.WriteAt(make([]byte, n), off)
	return err
}

// lock locks the open file. how is a mode of flock.
func lock(f *os.File, how int) error {
	return retry(func() error { return unix.Flock(int(f.Fd()), how) })
}

// retry repeats a system call that a signal interrupted.
func retry(call func() error) error {
	for {
		if err := call(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// removed says whether the open file has no name any more.
func removed(f *os.File) (bool, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return false, &os.PathError{Op: "fstat", Path: f.Name(), Err: err}
	}
	return st.Nlink == 0, nil
}
