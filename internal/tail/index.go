// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tail

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"

	"golang.org/x/sys/unix"
)

// Layout of packet index files, all big-endian: a header, then records that
// begin with the packet's offset in bytes and its size in bits, both u64.
const (
	indexMagic     = 0xC1F1DCC1
	indexMajor     = 1
	indexHeaderLen = 16
	indexLenAt     = 12
	indexMinRecord = 56
	indexMaxRecord = 4096
	indexBlock     = 64 << 10 // bytes read at a time
)

// indexEnd says how an index file relates to its data file.
type indexEnd struct {
	size int64 // of the index file
	keep int64 // up to the last whole record whose packet the data file holds
	data int64 // end of that packet in the data file; 0 without a record
}

// indexPath returns the path of the index file of a data file.
func indexPath(data string) string {
	dir, name := path.Split(data)
	return dir + "index/" + name + ".idx"
}

// readIndexEnd searches the index file r of size bytes from its end for the
// last record whose packet ends within the first dataEnd bytes of the data
// file. The packets of a file stand in the order of their offsets, so what is
// before that record fits too.
func readIndexEnd(r io.ReaderAt, size, dataEnd int64, name string) (indexEnd, error) {
	n, err := indexRecordLen(r, size, name)
	if err != nil {
		return indexEnd{}, err
	}
	perBlock := max(indexBlock/n, 1)
	buf := make([]byte, min(perBlock*n, size-indexHeaderLen))
	for last := (size - indexHeaderLen) / n; last > 0; {
		first := max(last-perBlock, 0)
		b := buf[:(last-first)*n]
		if _, err := r.ReadAt(b, indexHeaderLen+first*n); err != nil {
			return indexEnd{}, fmt.Errorf("read %s at offset %d: %w", name, indexHeaderLen+first*n, err)
		}
		for ; last > first; last-- {
			if end, ok := packetEnd(b[(last-first-1)*n:], dataEnd); ok {
				return indexEnd{size: size, keep: indexHeaderLen + last*n, data: end}, nil
			}
		}
	}
	return indexEnd{size: size, keep: indexHeaderLen}, nil
}

// indexRecordLen checks the header and returns the length of a record.
func indexRecordLen(r io.ReaderAt, size int64, name string) (int64, error) {
	if size < indexHeaderLen {
		return 0, &CorruptError{Path: name, Field: "index header length", Got: uint64(size), Want: indexHeaderLen}
	}
	var b [indexHeaderLen]byte
	if _, err := r.ReadAt(b[:], 0); err != nil {
		return 0, fmt.Errorf("read %s: %w", name, err)
	}
	be := binary.BigEndian
	if got := be.Uint32(b[:]); got != indexMagic {
		return 0, &CorruptError{Path: name, Field: "index magic", Got: uint64(got), Want: indexMagic}
	}
	if got := be.Uint32(b[4:]); got != indexMajor {
		return 0, &CorruptError{Path: name, Field: "index major", Offset: 4, Got: uint64(got), Want: indexMajor}
	}
	n := be.Uint32(b[indexLenAt:])
	if n < indexMinRecord || n > indexMaxRecord {
		return 0, &CorruptError{Path: name, Field: "index record length", Offset: indexLenAt, Got: uint64(n), Want: indexMinRecord}
	}
	return int64(n), nil
}

// packetEnd returns where the packet of a record ends in the data file, and
// whether that is within its first dataEnd bytes. No packet is empty: a record
// of zeros is what a power failure leaves.
func packetEnd(record []byte, dataEnd int64) (int64, bool) {
	off, bits := binary.BigEndian.Uint64(record), binary.BigEndian.Uint64(record[8:])
	limit := uint64(dataEnd)
	if bits == 0 || bits%8 != 0 || off > limit || bits/8 > limit-off {
		return 0, false
	}
	return int64(off + bits/8), true
}

// openRegular opens a regular file below root, if it is one and match agrees to
// its status. Nothing else is ever opened: that could block or have effects. It
// returns nil without a file that matches.
func openRegular(root *os.Root, rel string, flag int, match func(*unix.Stat_t) bool) (*os.File, *unix.Stat_t, error) {
	info, err := root.Lstat(rel)
	if notThere(err) || err == nil && !info.Mode().IsRegular() {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	f, err := root.OpenFile(rel, flag|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if notThere(err) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		_ = f.Close()
		return nil, nil, fmt.Errorf("fstat %s: %w", rel, err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG || !match(&st) {
		return nil, nil, f.Close()
	}
	return f, &st, nil
}

// notThere says that a path does not exist, or not with directories on its way.
func notThere(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP)
}
