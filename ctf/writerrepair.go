// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ctf

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
)

// RepairTrace cuts off what a writer that was killed left behind the last whole
// packet of the data files of a directory, and of their indexes, so that readers
// that take whole packets only, as babeltrace2 does, read the trace again. It
// returns the number of bytes that it took from each data file, by path.
//
// It touches nothing but the begin of a packet that the file does not hold to
// its end. A file with something else behind its last packet stays as it is, and
// its error is among those returned. No writer may be at work.
func RepairTrace(dir string) (cut map[string]int64, err error) {
	t, err := OpenTrace(dir, Options{})
	if err != nil {
		return nil, err
	}
	cut = map[string]int64{}
	var errs []error
	for _, f := range t.files {
		n, err := f.repair()
		if n > 0 {
			cut[f.path] = n
		}
		errs = append(errs, err)
	}
	return cut, errors.Join(errs...)
}

// repair cuts a torn packet off and returns its bytes.
func (f *dataFile) repair() (int64, error) {
	if f.err != nil && !errors.Is(f.err, ErrTorn) {
		return 0, f.err
	}
	var end int64
	if n := len(f.packets); n > 0 {
		end = f.packets[n-1].Offset + int64(f.packets[n-1].Size/8)
	}
	info, err := os.Stat(f.path)
	if err != nil {
		return 0, err
	}
	torn := info.Size() - end
	if torn > 0 {
		if ok, err := sameBegin(f.path, end, torn); err != nil || !ok {
			return 0, errors.Join(err, f.err)
		}
		if err := os.Truncate(f.path, end); err != nil {
			return 0, err
		}
	}
	return torn, f.repairIndex()
}

// sameBegin reports whether n bytes at an offset begin as the file does: with
// what a packet's header begins with.
func sameBegin(path string, offset, n int64) (bool, error) {
	f, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer f.Close()
	const magicLen = 4
	first, there := make([]byte, min(n, magicLen)), make([]byte, min(n, magicLen))
	_, err1 := f.ReadAt(first, 0)
	_, err2 := f.ReadAt(there, offset)
	return bytes.Equal(first, there), errors.Join(err1, err2)
}

// repairIndex cuts a torn record off the index file, or removes the file when
// there is none before it.
func (f *dataFile) repairIndex() error {
	path := filepath.Join(filepath.Dir(f.path), "index", filepath.Base(f.path)+".idx")
	b, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	h, err := ParseIndexHeader(b)
	if err != nil {
		return os.Remove(path)
	}
	records := (int64(len(b)) - IndexHeaderLen) / int64(h.RecordLen)
	if records == 0 {
		return os.Remove(path)
	}
	if size := IndexHeaderLen + records*int64(h.RecordLen); size < int64(len(b)) {
		return os.Truncate(path, size)
	}
	return nil
}
