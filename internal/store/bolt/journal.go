// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package bolt

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"
)

// journalSuffix is what the name of a journal has more than that of its store.
const journalSuffix = ".journal"

// Sizes of a journal, in bytes. It is written whole when it is made, and never grows: a
// sync of what is written into it later has no metadata to write. Records begin at
// blocks, so that no block with an answered one is ever written again.
const (
	blockLen      = 4096
	journalLen    = 4 << 20
	recordHeader  = 4 + 4 + 8 + 8 // checksum, length, epoch, last transaction
	longestRecord = 256 << 10     // longer ones go to the store itself, for else they would be written twice
)

var (
	journalMagic = []byte("weirjrn1")
	castagnoli   = crc32.MakeTable(crc32.Castagnoli)
)

// errNoRoom is the error of a record that the journal has no room for.
var errNoRoom = errors.New("the journal is full")

// journalID ties a journal to a store: the store has the same.
type journalID [16]byte

// journal is a file of the transactions that the store does not have yet. Those of an
// epoch follow one another; what is of other epochs is old.
type journal struct {
	// Immutable after it was made or opened.
	file string
	f    *os.File
	id   journalID

	// Owned by who holds the token of lead.
	epoch uint64
	at    int64 // where the next record goes
	spent bool  // there is no next record in this epoch
	buf   []byte
}

// newEpoch returns an epoch that no record has, whatever a client has had written.
func newEpoch() uint64 {
	var b [8]byte
	rand.Read(b[:]) // never fails
	return binary.BigEndian.Uint64(b[:])
}

// createJournal makes a journal in place of any other. It gets its name when it is
// complete and synced. Nobody else makes one: the store is locked.
func createJournal(file string) (*journal, error) {
	j := &journal{file: file, at: blockLen}
	rand.Read(j.id[:]) // never fails
	dir := filepath.Dir(file)
	f, err := os.OpenFile(file+".new", os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	all := make([]byte, journalLen)
	copy(all[copy(all, journalMagic):], j.id[:])
	binary.BigEndian.PutUint32(all[24:], crc32.Checksum(all[:24], castagnoli))
	if _, err = f.Write(all); err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = os.Rename(f.Name(), file)
	}
	if err == nil {
		err = syncDir(dir)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close(), remove(f.Name()))
	}
	j.f = f
	return j, nil
}

// remove removes a file that may be gone.
func remove(file string) error {
	if err := os.Remove(file); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// openJournal opens the journal that a store has. One that is not there is an error: what
// was answered is in it.
func openJournal(file string, id journalID, epoch uint64) (*journal, error) {
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	if errors.Is(err, os.ErrNotExist) {
		return nil, &CorruptError{File: file, Err: errors.New("it is missing, and the store is not complete without it")}
	}
	if err != nil {
		return nil, err
	}
	head := make([]byte, 28)
	info, err := f.Stat()
	if err == nil {
		_, err = f.ReadAt(head, 0)
	}
	switch {
	case err != nil && !errors.Is(err, io.EOF):
	case info.Size() != journalLen: // a copy that was cut short
		err = &CorruptError{File: file, Err: fmt.Errorf("it has %d bytes, want %d", info.Size(), journalLen)}
	case !bytes.Equal(head[:8], journalMagic) || binary.BigEndian.Uint32(head[24:]) != crc32.Checksum(head[:24], castagnoli):
		err = &CorruptError{File: file, Err: errors.New("it is no journal")}
	case !bytes.Equal(head[8:24], id[:]):
		err = &CorruptError{File: file, Err: fmt.Errorf("it is journal %x, the store has %x", head[8:24], id)}
	default:
		return &journal{file: file, f: f, id: id, epoch: epoch, at: blockLen}, nil
	}
	return nil, errors.Join(err, f.Close())
}

// append writes what a layer changes in the file, and syncs it. After an error the epoch
// has to end, because nobody knows what of the record is on the disk.
func (j *journal) append(l *layer, last int64) error {
	b := append(j.buf[:0], make([]byte, recordHeader)...)
	for _, path := range slices.Sorted(maps.Keys(l.dirty)) {
		b = binary.AppendUvarint(b, uint64(len(path)))
		b = append(b, path...)
		n := l.nodes[path]
		if !n.persistent() {
			b = binary.AppendUvarint(b, 0)
			continue
		}
		b = binary.AppendUvarint(b, uint64(nodeHeaderLen+len(n.data)))
		b = n.append(b)
	}
	binary.BigEndian.PutUint32(b[4:], uint32(len(b)))
	binary.BigEndian.PutUint64(b[8:], j.epoch)
	binary.BigEndian.PutUint64(b[16:], uint64(last))
	binary.BigEndian.PutUint32(b, crc32.Checksum(b[4:], castagnoli))
	if rest := len(b) % blockLen; rest > 0 {
		b = append(b, make([]byte, blockLen-rest)...)
	}
	if len(b) <= longestRecord {
		j.buf = b
	}
	if len(b) > longestRecord || j.at+int64(len(b)) > journalLen {
		return errNoRoom
	}
	if _, err := j.f.WriteAt(b, j.at); err != nil {
		return err
	}
	if err := syncData(j.f); err != nil {
		return err
	}
	j.at += int64(len(b))
	return nil
}

// syncData has the data of a file on the disk.
func syncData(f *os.File) error {
	for {
		if err := unix.Fdatasync(int(f.Fd())); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// begin begins an epoch.
func (j *journal) begin(epoch uint64) { j.epoch, j.at, j.spent = epoch, blockLen, false }

// journalRecord is what a journal has of transactions that were written together.
type journalRecord struct {
	last    int64 // transaction
	changes []change
}

// change is a node of the file, nil for none.
type change struct {
	path string
	node *node
}

// replay reads the records of the epoch. One that is not whole is the last: it was not
// answered. If there is another behind it, it was, and the file is corrupt.
func (j *journal) replay(use func(journalRecord) error) error {
	all, err := io.ReadAll(io.NewSectionReader(j.f, 0, journalLen))
	if err != nil {
		return err
	}
	for int(j.at) < len(all) {
		body := j.record(all[j.at:])
		if body == nil {
			break
		}
		r, err := parseRecord(body)
		if err == nil {
			err = use(r)
		}
		if err != nil {
			return &CorruptError{File: j.file, Err: fmt.Errorf("record at byte %d: %w", j.at, err)}
		}
		j.at += int64(len(body)+blockLen-1) / blockLen * blockLen
	}
	for at := int(j.at) + blockLen; at < len(all); at += blockLen {
		if j.record(all[at:]) != nil {
			return &CorruptError{File: j.file, Err: fmt.Errorf("record at byte %d is damaged: there is another at %d", j.at, at)}
		}
	}
	return nil
}

// record returns the record of this epoch that b begins with, nil if there is no whole one.
func (j *journal) record(b []byte) []byte {
	if len(b) < recordHeader || binary.BigEndian.Uint64(b[8:]) != j.epoch {
		return nil
	}
	n := int64(binary.BigEndian.Uint32(b[4:]))
	if n < recordHeader || n > int64(len(b)) || binary.BigEndian.Uint32(b) != crc32.Checksum(b[4:n], castagnoli) {
		return nil
	}
	return b[:n]
}

func parseRecord(b []byte) (journalRecord, error) {
	r := journalRecord{last: int64(binary.BigEndian.Uint64(b[16:]))}
	rest := b[recordHeader:]
	field := func() ([]byte, error) {
		n, used := binary.Uvarint(rest)
		if used <= 0 || n > uint64(len(rest)-used) {
			return nil, fmt.Errorf("byte %d: a field is longer than the record", len(b)-len(rest))
		}
		value := rest[used : used+int(n)]
		rest = rest[used+int(n):]
		return value, nil
	}
	for len(rest) > 0 {
		path, err := field()
		if err != nil {
			return r, err
		}
		value, err := field()
		if err != nil {
			return r, err
		}
		c := change{path: string(path)}
		if len(value) > 0 {
			if c.node, err = parseNode(value); err != nil {
				return r, fmt.Errorf("node %q: %w", path, err)
			}
		}
		r.changes = append(r.changes, c)
	}
	return r, nil
}
