// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"errors"
	"fmt"

	"github.com/weir-io/weir/internal/tracestore"
	"github.com/weir-io/weir/lttng"
)

func (c *controlConn) rotateStreams(ss *tracestore.Session, b []byte) error {
	m, err := lttng.ParseRotateStreams(b)
	if err != nil {
		return err
	}
	if c.minor < lttng.MinorChunks {
		return fmt.Errorf("%w: minor %d", tracestore.ErrChunkState, c.minor)
	}
	err = ss.Rotate(m)
	switch {
	case errors.Is(err, tracestore.ErrUnknownChunk):
		c.code(lttng.ReplyInvalidProtocol)
	case errors.Is(err, tracestore.ErrUnknownStream):
		c.code(lttng.ReplyInvalid)
	default:
		c.code(codeOf(err))
	}
	return err
}

func (c *controlConn) createChunk(ss *tracestore.Session, b []byte) error {
	if c.minor < lttng.MinorChunks {
		return fmt.Errorf("%w: minor %d", tracestore.ErrChunkState, c.minor)
	}
	m, err := lttng.ParseCreateTraceChunk(b)
	if err != nil {
		if len(b) >= lttng.CreateChunkLen { // the name is wrong, not the layout
			c.code(lttng.ReplyInvalid)
		}
		return err
	}
	return c.answer(ss.CreateChunk(m))
}

func (c *controlConn) closeChunk(ss *tracestore.Session, b []byte) error {
	if c.minor < lttng.MinorChunks {
		return fmt.Errorf("%w: minor %d", tracestore.ErrChunkState, c.minor)
	}
	m, err := lttng.ParseCloseTraceChunk(b)
	if err != nil {
		return err
	}
	path, err := ss.CloseChunk(m)
	r := lttng.CloseChunkReply{Code: lttng.ReplyOK, Path: path}
	if err != nil {
		r = lttng.CloseChunkReply{Code: codeOf(err)}
		if errors.Is(err, tracestore.ErrUnknownChunk) {
			r.Code = lttng.ReplyNoMemory
		}
	}
	c.worker.replies = r.Append(c.worker.replies)
	return err
}

func (c *controlConn) chunkExists(ss *tracestore.Session, b []byte) error {
	if c.minor < lttng.MinorChunks {
		return fmt.Errorf("%w: minor %d", tracestore.ErrChunkState, c.minor)
	}
	m, err := lttng.ParseTraceChunkExists(b)
	if err != nil {
		return err
	}
	r := lttng.ChunkExistsReply{Code: lttng.ReplyOK, Exists: ss.ChunkExists(m.Chunk)}
	c.worker.replies = r.Append(c.worker.replies)
	return nil
}
