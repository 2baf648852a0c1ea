// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"errors"
	"fmt"
)

// ErrGone is the error of requests whose agent, or the hub before it, ended before it had
// answered. Another one may have the feed's records from where they were cancelled.
var ErrGone = errors.New("the agent was stopped or killed")

// Code says what kind of error an agent answers. It is the same in all interfaces.
type Code string

// Codes of errors.
const (
	CodeNotFound    Code = "feed_not_found" // unknown feed or source
	CodeExists      Code = "feed_exists"    // the name is taken
	CodeBusy        Code = "feed_busy"      // another consumer has it
	CodeAborted     Code = "feed_aborted"   // the feed was given up
	CodeDenied      Code = "feed_denied"    // not the caller's to do
	CodeBadArgument Code = "bad_argument"
	CodeUnsupported Code = "unsupported_fs"
	CodeLimit       Code = "limit"
	CodeProtocol    Code = "protocol"
	CodeStore       Code = "store" // the journal cannot be read or written
)

// Error is what an agent answers to a request that it does not carry out.
type Error struct {
	Code    Code   `json:"code"`
	Message string `json:"message"`
	Holder  *Lease `json:"holder,omitempty"`  // of CodeBusy
	Aborted *Abort `json:"aborted,omitempty"` // of CodeAborted
}

// Error returns the message of the agent.
func (e *Error) Error() string { return e.Message }

// Errorf makes an error.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// Is reports whether target is an error of the same code: errors.Is(err,
// &Error{Code: CodeBusy}).
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code
}
