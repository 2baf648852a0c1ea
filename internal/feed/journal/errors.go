// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package journal

import (
	"errors"
	"fmt"
	"syscall"

	"github.com/cockroachdb/pebble/v2"
)

// Errors that callers tell apart. What the disk refuses is told by errors that wrap
// the number of the system's error, such as syscall.ENOSPC.
var (
	// ErrClosed is that of whatever is asked of a store, or of its journals, after Close.
	ErrClosed = errors.New("feed store: closed")
	// ErrRemoved is that of a journal after Remove.
	ErrRemoved = errors.New("feed journal: removed")
	// ErrLocked says that another process, or another store of this one, has the
	// directory open.
	ErrLocked = errors.New("feed store: in use")
	// ErrAbandoned goes with the error of a disk that had a database left behind as it was:
	// memory of it stays until the process ends.
	ErrAbandoned = errors.New("feed store: the database is left behind")
)

// RepairCommand is what an operator is told to do about a CorruptError.
const RepairCommand = "weir feed repair"

// CorruptError tells that what is stored cannot be right, and where. Nothing is
// written to such a store any more.
type CorruptError struct {
	Path string // of the file, or of the directory if it is not one file's fault
	Key  string // of the database; "" if none is known
	Err  error
}

func (e *CorruptError) Error() string {
	key := ""
	if e.Key != "" {
		key = " at " + e.Key
	}
	return fmt.Sprintf("feed store %s: corrupt%s: %v (%q keeps what is good)", e.Path, key, e.Err, RepairCommand)
}

func (e *CorruptError) Unwrap() error { return e.Err }

// RoomError tells that the file system of a store has less room than is kept for something; it
// is an ENOSPC.
type RoomError struct {
	Dir         string
	Free, Least uint64 // bytes
	What        string // that they are kept for
}

func (e *RoomError) Error() string {
	return fmt.Sprintf("feed store %s: %d bytes are free and %d are kept for %s: %v", e.Dir, e.Free, e.Least, e.What, syscall.ENOSPC)
}

func (e *RoomError) Unwrap() error { return syscall.ENOSPC }

// abandonedError is the disk's error, and ErrAbandoned.
type abandonedError struct{ error }

func (e *abandonedError) Unwrap() []error { return []error{e.error, ErrAbandoned} }

// VersionError refuses a store that a newer weir has written.
type VersionError struct {
	Path      string
	Got, Want uint32
}

func (e *VersionError) Error() string {
	return fmt.Sprintf("feed store %s: version %d, and this program knows versions through %d", e.Path, e.Got, e.Want)
}

// SequenceError refuses a batch that does not go on where the journal ends.
type SequenceError struct {
	Source    UUID
	Got, Want uint64 // index of the batch's first record
}

func (e *SequenceError) Error() string {
	return fmt.Sprintf("feed journal %s: a batch begins with record %d, want %d", e.Source, e.Got, e.Want)
}

// String is the UUID as people write it.
func (u UUID) String() string {
	return fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:])
}

// keyText shows a key in errors.
func keyText(k []byte) string {
	if len(k) == 0 {
		return ""
	}
	return fmt.Sprintf("%q", k)
}

// readFault makes of an error of the database one that tells where: a CorruptError
// with the file's path and the key if the stored bytes are at fault.
func readFault(dir string, key []byte, err error) error {
	var corrupt *CorruptError
	if err == nil || errors.As(err, &corrupt) {
		return err
	}
	if !pebble.IsCorruptionError(err) {
		return fmt.Errorf("feed store %s: read %s: %w", dir, keyText(key), err)
	}
	path := dir
	if info := pebble.ExtractDataCorruptionInfo(err); info != nil {
		path = info.Path
	}
	return &CorruptError{Path: path, Key: keyText(key), Err: err}
}
