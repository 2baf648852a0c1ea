// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package inventory

import (
	"errors"
	"fmt"

	"github.com/weir-io/weir/internal/flow/topology"
)

// Kinds of errors, by what the caller can do.
var (
	ErrNotFound = errors.New("does not exist")
	ErrExists   = errors.New("exists already")
	ErrConflict = errors.New("is in a state that does not allow this")
	ErrBusy     = errors.New("others change it all the time")
	ErrInUse    = errors.New("is in use")
	ErrInvalid  = errors.New("is not valid")
)

// Error says what is wrong with which object.
type Error struct {
	Object   string // kind of object, as "bridge"
	ID       topology.ID
	Property string // JSON name of the field that is wrong, of ErrInvalid
	Reason   string // may be empty
	Err      error  // one of the kinds
}

func (e *Error) Error() string {
	text := e.Object
	if e.ID != (topology.ID{}) {
		text += " " + e.ID.String()
	}
	if e.Property != "" {
		text += ": " + e.Property
	}
	text += " " + e.Err.Error()
	if e.Reason != "" {
		text += ": " + e.Reason
	}
	return text
}

// Unwrap returns the kind.
func (e *Error) Unwrap() error { return e.Err }

func notFound(object string, id topology.ID) error {
	return &Error{Object: object, ID: id, Err: ErrNotFound}
}

func invalid(object string, id topology.ID, property, format string, args ...any) error {
	return &Error{Object: object, ID: id, Property: property, Reason: fmt.Sprintf(format, args...), Err: ErrInvalid}
}

func conflict(object string, id topology.ID, format string, args ...any) error {
	return &Error{Object: object, ID: id, Reason: fmt.Sprintf(format, args...), Err: ErrConflict}
}
