// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package store

import (
	"errors"
	"fmt"
)

// Errors that callers tell apart.
var (
	ErrNoNode         = errors.New("no such node")
	ErrNodeExists     = errors.New("the node exists")
	ErrBadVersion     = errors.New("the node is of another version")
	ErrNotEmpty       = errors.New("the node has children")
	ErrEphemeral      = errors.New("an ephemeral node has no children")
	ErrBadPath        = errors.New("no path of a node")
	ErrTooLarge       = errors.New("larger than a transaction may be")
	ErrSessionExpired = errors.New("the session has ended")
	ErrUnavailable    = errors.New("the store does not answer")
)

// Error says which operation failed.
type Error struct {
	Op    string // of an operation: its kind; else the method
	Path  string
	Index int // of the operation in its transaction, from 0
	Of    int // operations of the transaction; 0 for reads
	Err   error
}

func (e *Error) Error() string {
	if e.Of > 1 {
		return fmt.Sprintf("operation %d of %d: %s %s: %v", e.Index+1, e.Of, e.Op, e.Path, e.Err)
	}
	return fmt.Sprintf("%s %s: %v", e.Op, e.Path, e.Err)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// CheckOps returns the error of operations that no store takes: paths that are none,
// and more than MaxRequest bytes.
func CheckOps(ops []Op) error {
	for i := range ops {
		if err := checkPath(ops[i].Path, ops[i].Mode&Sequential != 0 && ops[i].Kind == KindCreate); err != nil {
			return OpError(ops, i, err)
		}
	}
	if n := Size(ops...); n > MaxRequest {
		return &Error{Op: "transaction on", Path: ops[0].Path, Of: 1, Err: fmt.Errorf("%w: %d bytes in %d operations, want at most %d", ErrTooLarge, n, len(ops), MaxRequest)}
	}
	return nil
}

// OpError is the error of an operation of a transaction.
func OpError(ops []Op, i int, err error) error {
	e := &Error{Op: ops[i].Kind.String(), Path: ops[i].Path, Index: i, Of: len(ops), Err: err}
	if errors.Is(err, ErrBadVersion) {
		e.Err = fmt.Errorf("%w, not %d", err, ops[i].Version)
	}
	return e
}
