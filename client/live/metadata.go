// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package live

import (
	"context"
	"io"
	"math"
	"slices"

	"github.com/weir-io/weir/lttng"
)

// readMetadata asks for all metadata that may be new.
func (s *Session) readMetadata(ctx context.Context) error {
	for i, st := range s.stale {
		more, err := s.readBatch(ctx, st)
		if err != nil {
			s.stale = slices.Delete(s.stale, 0, i)
			return err
		}
		if len(st.batch) > 0 {
			st.trace.received = true
			s.emit(Metadata{TraceID(st.info.TraceID), st.info.ID, st.batch})
			st.batch = nil
		}
		st.stale = false
		if !more {
			s.remove(st, nil)
		}
	}
	s.stale = s.stale[:0]
	return nil
}

// readBatch reads until nothing is new. A relay refuses to read on behind the
// end of the stream: there will not be more.
func (s *Session) readBatch(ctx context.Context, st *stream) (more bool, err error) {
	for {
		before := len(st.batch)
		status, err := s.askMetadata(ctx, st)
		switch {
		case err != nil:
			return false, err
		case status == lttng.MetadataOK && len(st.batch) > before:
		case status == lttng.MetadataOK, status == lttng.MetadataNone:
			return true, nil
		default:
			return false, nil
		}
	}
}

// askMetadata appends what is new to the batch.
func (s *Session) askMetadata(ctx context.Context, st *stream) (lttng.MetadataStatus, error) {
	c := s.client.conn
	s.pace.asked++
	var r lttng.MetadataReply
	m := lttng.ViewerStreamRequest{Stream: st.info.ID}
	err := c.ask(ctx, lttng.ViewerGetMetadata, m.Append, func() (err error) {
		r, err = read(c, lttng.ParseMetadataReply)
		if err != nil || r.Status != lttng.MetadataOK {
			return err
		}
		if room := uint64(c.cfg.MaxMetadata) - uint64(len(st.batch)); r.Len > room {
			return tooLong("GET_METADATA reply", "length", 0, r.Len, room)
		}
		st.batch, err = c.grow(ctx, st.batch, r.Len)
		return err
	})
	return r.Status, err
}

// growSize is the memory that is set aside at most for bytes that were
// announced and have not come.
const growSize = 1 << 20

// grow appends n bytes from the connection to b.
func (c *conn) grow(ctx context.Context, b []byte, n uint64) ([]byte, error) {
	if n > math.MaxInt32 && math.MaxInt == math.MaxInt32 {
		return nil, tooLong("reply", "length", 0, n, math.MaxInt32)
	}
	for n > 0 {
		part := int(min(n, growSize))
		at := len(b)
		b = append(b, make([]byte, part)...)
		c.quickAck()
		if _, err := io.ReadFull(c.in, b[at:]); err != nil {
			return nil, unexpected(err)
		}
		c.progress(ctx)
		n -= uint64(part)
	}
	return b, nil
}
