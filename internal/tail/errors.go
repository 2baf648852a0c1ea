// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tail

import (
	"errors"
	"fmt"
)

// Errors that callers tell apart.
var (
	// ErrFull says that the table has no room for another file or directory.
	ErrFull = errors.New("table of file tails is full")
	// ErrClosed says that the table was closed.
	ErrClosed = errors.New("table of file tails is closed")
	// ErrLocked says that the writer of a table is alive.
	ErrLocked = errors.New("table of file tails is in use")
	// ErrNested says that a guard was to start a guard.
	ErrNested = errors.New("a guard does not start guards")
	// ErrRenaming says that a directory is being renamed already.
	ErrRenaming = errors.New("directory is being renamed")
)

// CorruptError says where the bytes of a table or of an index file are not what
// their format wants.
type CorruptError struct {
	Path   string
	Field  string
	Offset int64 // bytes, in the file
	Got    uint64
	Want   uint64
}

// Error gives the message on one line.
func (e *CorruptError) Error() string {
	return fmt.Sprintf("%s: %s at offset %d: got %#x, want %#x", e.Path, e.Field, e.Offset, e.Got, e.Want)
}
