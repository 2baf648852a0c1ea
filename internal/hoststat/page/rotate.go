// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package page

import (
	"fmt"
	"os"
)

// File is an output that begins anew when it is large: FILE becomes FILE.1, that
// FILE.2, and so on. What is written at once stays together.
type File struct {
	path  string
	limit int64 // bytes; 0: none
	keep  int
	file  *os.File
	size  int64
}

// OpenFile appends to a file, of which it keeps so many old ones.
func OpenFile(path string, limit int64, keep int) (*File, error) {
	f := &File{path: path, limit: limit, keep: keep}
	return f, f.open()
}

func (f *File) open() error {
	file, err := os.OpenFile(f.path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	info, err := file.Stat()
	if err != nil {
		file.Close()
		return err
	}
	f.file, f.size = file, info.Size()
	return nil
}

// Write appends, to a new file if this one would be too large.
func (f *File) Write(b []byte) (int, error) {
	if f.limit > 0 && f.size > 0 && f.size+int64(len(b)) > f.limit {
		if err := f.rotate(); err != nil {
			return 0, err
		}
	}
	n, err := f.file.Write(b)
	f.size += int64(n)
	return n, err
}

func (f *File) rotate() error {
	if err := f.file.Close(); err != nil {
		return err
	}
	for i := f.keep; i > 0; i-- {
		from := f.path
		if i > 1 {
			from = fmt.Sprintf("%s.%d", f.path, i-1)
		}
		if err := os.Rename(from, fmt.Sprintf("%s.%d", f.path, i)); err != nil && !os.IsNotExist(err) {
			return err
		}
	}
	if f.keep == 0 {
		if err := os.Remove(f.path); err != nil {
			return err
		}
	}
	return f.open()
}

// Close closes the file.
func (f *File) Close() error { return f.file.Close() }
