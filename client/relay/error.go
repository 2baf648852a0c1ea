// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"errors"
	"fmt"

	"github.com/weir-io/weir/lttng"
)

// Reasons for which a session ends, or refuses something.
var (
	// ErrClosed: the session was closed or detached, or the stream closed.
	ErrClosed = errors.New("closed")
	// ErrNoReply: an answer has not come within Options.ReplyTimeout.
	ErrNoReply = errors.New("no reply")
	// ErrStalled: the relay has taken no byte for Options.StallTimeout.
	ErrStalled = errors.New("relay takes nothing")
	// ErrHangup: the relay has ended a connection in order.
	ErrHangup = errors.New("closed by the relay")
	// ErrUnasked: bytes came that belong to no request.
	ErrUnasked = errors.New("bytes that nobody asked for")
	// ErrSplit: a check found control and data at different relays.
	ErrSplit = errors.New("control and data end at different relays")
	// ErrNothingStored: the relay has no recording that could go on.
	ErrNothingStored = errors.New("nothing to resume")
	// ErrNoUDP: the relay takes no packets in datagrams.
	ErrNoUDP = errors.New("relay has no UDP data support")
	// ErrNoDatagram: the relay takes datagrams, and none has arrived there.
	ErrNoDatagram = errors.New("no datagram has arrived at the relay")
	// ErrBusy: a session cannot be detached while it is in use.
	ErrBusy = errors.New("session is in use")
)

// End is one of the two connections of a session.
type End string

// The connections of a session.
const (
	Control End = "control"
	Data    End = "data"
)

// Step is a part of [Dial].
type Step string

// Steps of [Dial], in their order; the first two happen for either end.
const (
	StepResolve       Step = "resolve"
	StepConnect       Step = "connect" // hops included
	StepVersion       Step = "version"
	StepConfiguration Step = "configuration"
	StepSession       Step = "session"
	StepSameRelay     Step = "same relay"
)

// DialError says where Dial has failed. Nothing of the attempt is left.
type DialError struct {
	Step Step
	End  End
	Addr string // HOST:PORT of that end
	Err  error
}

// Error gives the message on one line.
func (e *DialError) Error() string {
	s := "relay: "
	if e.End == Data && (e.Step == StepResolve || e.Step == StepConnect) {
		s += "control connected, "
	}
	return fmt.Sprintf("%s%s %s: %s: %v", s, e.End, e.Addr, e.Step, e.Err)
}

// Unwrap returns the cause.
func (e *DialError) Unwrap() error { return e.Err }

// VersionError reports a relay whose version does not do.
type VersionError struct {
	Got  lttng.Version
	Want lttng.Version // the least that does
}

// Error gives the message on one line.
func (e *VersionError) Error() string {
	return fmt.Sprintf("version of the relay: got %d.%d, want %d.%d", e.Got.Major, e.Got.Minor, e.Want.Major, e.Want.Minor)
}

// RefusedError reports an answer that is not the good one.
type RefusedError struct {
	Op   lttng.Command
	Code lttng.ReplyCode
}

// Error gives the message on one line.
func (e *RefusedError) Error() string {
	return fmt.Sprintf("%v: got %v (%d), want %v", e.Op, e.Code, uint32(e.Code), lttng.ReplyOK)
}

// Error says how a session has lost its relay.
type Error struct {
	End    End
	Addr   string // HOST:PORT of that end
	Op     string // what was being done
	Stream string // channel name of the stream that it was for; ""
	Err    error
}

// Error gives the message on one line.
func (e *Error) Error() string {
	s := fmt.Sprintf("relay: %s %s: %s", e.End, e.Addr, e.Op)
	if e.Stream != "" {
		s += " of stream " + e.Stream
	}
	return s + ": " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// unsupported is what a relay of an older version does not know.
func unsupported(what string, minor, since lttng.Minor) error {
	return fmt.Errorf("relay: %s needs version %d.%d, the relay has %d.%d: %w",
		what, lttng.MajorVersion, since, lttng.MajorVersion, minor, errors.ErrUnsupported)
}
