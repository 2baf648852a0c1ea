// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracestore

import "errors"

// Reasons an operation is refused; the relay turns them into reply codes.
var (
	ErrRefused       = errors.New("name not acceptable")
	ErrFileInUse     = errors.New("another open stream writes that file")
	ErrLimit         = errors.New("limit reached")
	ErrNoChunk       = errors.New("no current trace chunk")
	ErrUnknownChunk  = errors.New("unknown trace chunk")
	ErrChunkName     = errors.New("trace chunk name not acceptable")
	ErrChunkState    = errors.New("trace chunk not in the right state")
	ErrNotClosing    = errors.New("trace chunk is not the one to be closed")
	ErrCommand       = errors.New("unknown close command")
	ErrClearRefused  = errors.New("clear is not allowed")
	ErrUnknownStream = errors.New("unknown stream")
	ErrRotating      = errors.New("stream is already rotating")
	ErrDuplicate     = errors.New("packet number already in use")
	ErrWrongKind     = errors.New("stream is of the wrong kind")
	ErrLiveSession   = errors.New("not possible in a live session")
	ErrNothingStored = errors.New("no recording that could go on")
	ErrUnsettled     = errors.New("the session before has not settled")
	ErrBusy          = errors.New("another packet of the stream is being received")
)
