// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ring

import (
	"fmt"
	"math/bits"
)

// Offsets of a channel object.
const (
	commitMaskAt   = 8
	privateAt      = 64
	streamsAt      = 72
	blockingAt     = 88
	backendAt      = 120
	configAt       = 184
	nameAt         = 344
	nameLen        = 255
	streamRefsAt   = 664
	channelHeadLen = 768
	privateLen     = 120
	ChannelIDAt    = 92  // in the private data
	UUIDAt         = 100 // in the private data
)

// Channel is what all rings of a channel have.
type Channel struct {
	Geometry

	Name    string
	ID      uint32 // of the stream class
	UUID    [16]byte
	Streams uint32
	Created uint64 // by the trace's clock
	// BlockingTimeout is how many ms programs that allow it wait for room, -1 for ever.
	BlockingTimeout int32
}

// Append appends the channel object.
func (c *Channel) Append(b []byte) ([]byte, error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	if c.Streams == 0 || c.Streams > MaxStreams {
		return nil, fmt.Errorf("ring: channel %s of %d streams, want 1 to %d", c.Name, c.Streams, MaxStreams)
	}
	private := channelPrivate(c.Streams)
	at := len(b)
	b = append(b, make([]byte, private+privateLen)...)
	o := b[at:]
	le.PutUint64(o[commitMaskAt:], c.mask())
	le.PutUint64(o[privateAt:], private)
	le.PutUint32(o[streamsAt:], c.Streams)
	le.PutUint32(o[blockingAt:], uint32(c.BlockingTimeout))
	le.PutUint64(o[backendAt:], c.Bytes())
	le.PutUint64(o[backendAt+8:], c.SubbufBytes)
	le.PutUint32(o[backendAt+16:], uint32(bits.TrailingZeros64(c.SubbufBytes)))
	le.PutUint32(o[backendAt+20:], uint32(c.order()))
	le.PutUint32(o[backendAt+24:], uint32(bits.TrailingZeros64(c.Bytes())))
	mode := uint32(1)
	if c.Overwrite {
		mode, o[backendAt+28] = 0, 1
	}
	le.PutUint64(o[backendAt+32:], c.Subbufs)
	le.PutUint64(o[backendAt+40:], c.Created)
	// Rings by processor, synchronized for all, mapped by readers, with consistent
	// counters, woken by writers, times of 27 bits.
	for i, v := range [...]uint32{0, 1, mode, 1, 0, 1, 1, 1, 27} {
		le.PutUint32(o[configAt+4*i:], v)
	}
	copy(o[nameAt:nameAt+nameLen-1], c.Name)
	for i := range uint64(c.Streams) {
		le.PutUint64(o[streamRefsAt+16*i:], i+1)
	}
	le.PutUint32(o[private+ChannelIDAt:], c.ID)
	copy(o[private+UUIDAt:], c.UUID[:])
	return b, nil
}

// channelPrivate is where a channel object's private data begin.
func channelPrivate(streams uint32) uint64 { return (channelHeadLen + 16*uint64(streams) + 7) &^ 7 }

// ParseChannel reads a channel object.
func ParseChannel(b []byte) (c Channel, err error) {
	if len(b) < channelHeadLen+privateLen {
		return c, fmt.Errorf("ring: channel object of %d bytes, want at least %d", len(b), channelHeadLen+privateLen)
	}
	c.Streams = le.Uint32(b[streamsAt:])
	private := le.Uint64(b[privateAt:])
	if c.Streams == 0 || c.Streams > MaxStreams || private != channelPrivate(c.Streams) || uint64(len(b)) < private+privateLen {
		return c, fmt.Errorf("ring: channel object of %d bytes has %d streams and private data at %d", len(b), c.Streams, private)
	}
	c.SubbufBytes, c.Subbufs = le.Uint64(b[backendAt+8:]), le.Uint64(b[backendAt+32:])
	c.Overwrite = le.Uint32(b[configAt+8:]) == 0
	c.BlockingTimeout = int32(le.Uint32(b[blockingAt:]))
	c.Created = le.Uint64(b[backendAt+40:])
	name := b[nameAt : nameAt+nameLen]
	for i, v := range name {
		if v == 0 {
			c.Name = string(name[:i])
			break
		}
	}
	c.ID = le.Uint32(b[private+ChannelIDAt:])
	copy(c.UUID[:], b[private+UUIDAt:])
	return c, c.Check()
}
