// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package session

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/ctf"
)

const (
	indexDir    = "index"
	indexSuffix = ".idx"
)

// cutTorn cuts off what a consumer process that was killed has written behind the last
// packet with an index record: readers that take whole packets only, as babeltrace2
// does, would refuse the trace. That packet is counted as lost, whole or not, and its
// number is that of its successor's first. It returns how many bytes went. The files are
// the creator's, with whose rights it is called: they may be anything.
func cutTorn(dir string) (cut int64, err error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return 0, err
	}
	defer root.Close()
	var errs []error
	err = fs.WalkDir(root.FS(), ".", func(at string, e fs.DirEntry, err error) error {
		if err != nil || !e.IsDir() || e.Name() != indexDir {
			return err
		}
		n, err := cutTrace(root, path.Dir(at))
		cut += n
		errs = append(errs, err)
		return fs.SkipDir
	})
	return cut, errors.Join(append(errs, err)...)
}

// cutTrace cuts the files of one trace: some domains have several.
func cutTrace(root *os.Root, dir string) (cut int64, err error) {
	entries, err := fs.ReadDir(root.FS(), path.Join(dir, indexDir))
	errs := []error{err}
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), indexSuffix); ok {
			n, err := cutFile(root, dir, name)
			cut += n
			errs = append(errs, err)
		}
	}
	return cut, errors.Join(errs...)
}

// cutFile cuts one data file.
func cutFile(root *os.Root, dir, name string) (cut int64, err error) {
	index, size, err := openRegular(root, path.Join(dir, indexDir, name+indexSuffix))
	if err != nil {
		return 0, err
	}
	defer index.Close()
	end, records, err := lastPacket(index, size)
	if err != nil {
		return 0, fmt.Errorf("index of %s: %w", name, err)
	}
	data, length, err := openRegular(root, path.Join(dir, name))
	if err != nil {
		return 0, err
	}
	defer data.Close()
	if length > end {
		cut, err = length-end, data.Truncate(end)
	}
	if records < size {
		err = errors.Join(err, index.Truncate(records))
	}
	return cut, err
}

// lastPacket returns where the last packet of an index ends, and its last whole record.
func lastPacket(index *os.File, size int64) (end, records int64, err error) {
	if size < ctf.IndexHeaderLen {
		return 0, 0, nil // cut in its making: there is no packet
	}
	b := make([]byte, ctf.IndexHeaderLen)
	if _, err := index.ReadAt(b, 0); err != nil {
		return 0, 0, err
	}
	h, err := ctf.ParseIndexHeader(b)
	if err != nil {
		return 0, 0, err
	}
	n := int64(h.RecordLen)
	records = size - (size-ctf.IndexHeaderLen)%n
	if records == ctf.IndexHeaderLen {
		return 0, records, nil
	}
	b = make([]byte, n)
	if _, err := index.ReadAt(b, records-n); err != nil {
		return 0, 0, err
	}
	e, err := ctf.ParseIndexEntry(b, h.RecordLen)
	if err != nil {
		return 0, 0, err
	}
	const most = 1 << 62
	if e.Offset > most || e.PacketSize > most {
		return 0, 0, fmt.Errorf("packet of %d bits at %d", e.PacketSize, e.Offset)
	}
	return int64(e.Offset + e.PacketSize/8), records, nil
}

// openRegular opens a file that is one, and tells its size.
func openRegular(root *os.Root, name string) (*os.File, int64, error) {
	f, err := root.OpenFile(name, os.O_RDWR|unix.O_NONBLOCK|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s: want a file, got %v", name, info.Mode())
	}
	if err != nil {
		f.Close()
		return nil, 0, err
	}
	return f, info.Size(), nil
}
