// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package live

import (
	"errors"
	"fmt"

	"github.com/weir-io/weir/lttng"
)

// Reasons for which a relay or this package refuses something.
var (
	// ErrSessionGone: the relay does not list the session, or not any more.
	ErrSessionGone = errors.New("no such live session")
	// ErrAttached: lttng-relayd allows one viewer a session, and there is one.
	ErrAttached = errors.New("session has a viewer")
	// ErrNotLive: the session was created without a live timer.
	ErrNotLive = errors.New("session is not live")
	// ErrUnknownStream: the stream has ended or was never announced.
	ErrUnknownStream = errors.New("no such stream")
	// ErrVersion: the relay speaks a version without the live protocol.
	ErrVersion = errors.New("version of the relay not supported")
	// ErrUnasked: bytes came that belong to no question. It is wrapped in a
	// [*lttng.ProtocolError].
	ErrUnasked = errors.New("bytes that nobody asked for")
)

// ConnError reports that there is no connection, or no more. Whoever asks
// again has to dial again. It is also what becomes of a context that ends while
// a reply is awaited: the rest of that reply would be taken for the next one.
type ConnError struct {
	Op      string // "dial", or the command whose reply did not come
	Address string
	Err     error
}

// Error gives the message on one line.
func (e *ConnError) Error() string {
	return fmt.Sprintf("live: relay %s: %s: %v", e.Address, e.Op, e.Err)
}

// Unwrap returns the cause.
func (e *ConnError) Unwrap() error { return e.Err }

// StatusError reports an answer other than the good ones. The connection goes
// on.
type StatusError struct {
	Op      lttng.ViewerCommand
	Session lttng.SessionID // 0 where the command names a stream
	Stream  lttng.StreamID  // 0 where the command names a session
	Status  fmt.Stringer    // of the type that belongs to Op
	Err     error           // what it means; nil if there is no more to say
}

// Error gives the message on one line.
func (e *StatusError) Error() string {
	s := "live: " + e.Op.String()
	switch {
	case e.Stream != 0:
		s += fmt.Sprintf(" of stream %d", e.Stream)
	case e.Session != 0:
		s += fmt.Sprintf(" of session %d", e.Session)
	}
	s += ": answered " + e.Status.String()
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns what the status means.
func (e *StatusError) Unwrap() error { return e.Err }

// tooLong reports a count or a size above a limit.
func tooLong(op, field string, offset int, got, limit uint64) error {
	return &lttng.ProtocolError{Op: op, Field: field, Offset: offset, Got: got, Want: limit, Err: lttng.ErrTooLong}
}

// attachError says what a status of ATTACH_SESSION means.
func attachError(id lttng.SessionID, status lttng.AttachStatus) error {
	e := &StatusError{Op: lttng.ViewerAttachSession, Session: id, Status: status}
	switch status {
	case lttng.AttachAlready:
		e.Err = ErrAttached
	case lttng.AttachUnknown:
		e.Err = ErrSessionGone
	case lttng.AttachNotLive:
		e.Err = ErrNotLive
	}
	return e
}
