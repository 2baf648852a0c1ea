// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package live

import (
	"encoding/binary"

	"github.com/weir-io/weir/lttng"
)

// streamBatch is how many streams of a reply are encoded at once.
const streamBatch = 16

// replyStreams answers with status and announced streams. The list is encoded
// as the socket takes it: an entry has 4371 bytes, a session thousands of them.
func (c *conn) replyStreams(status uint32, streams []*viewerStream) {
	b := binary.BigEndian.AppendUint32(c.srv.scratch[:0], status)
	b = binary.BigEndian.AppendUint32(b, uint32(len(streams)))
	more := func(b []byte) []byte {
		n := min(streamBatch, len(streams))
		for _, vs := range streams[:n] {
			b = vs.entry().Append(b)
		}
		streams = streams[n:]
		return b
	}
	b = more(b)
	if len(streams) > 0 {
		c.out.more = more
	}
	c.reply(b)
	if c.phase != phaseClosed && c.out.more != nil {
		c.flush()
	}
}

// entry describes the stream to the viewer.
func (vs *viewerStream) entry() lttng.ViewerStream {
	return lttng.ViewerStream{
		ID: vs.stream.ID(), TraceID: vs.trace.id, Metadata: vs.stream.IsMetadata(),
		Path: vs.trace.trace.Path(), Channel: vs.stream.Channel(),
	}
}
