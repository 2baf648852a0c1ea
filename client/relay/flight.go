// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"context"
	"slices"
	"time"

	"github.com/weir-io/weir/lttng"
)

// flight is a packet under way.
type flight struct {
	stream    *Stream
	index     lttng.Index
	size      int64
	datagrams []byte          // all of them
	pieces    []time.Duration // when each was last sent, since the sender began
	step      int             // bytes of each datagram but the last one

	// Guarded by sender.mu.
	whole   bool          // each piece was sent
	sent    time.Duration // the last piece, for the first time
	resent  time.Duration // any piece; 0 = none
	missing bool          // as of the last answer
	tried   bool          // and it has had its chance
}

// board makes the datagrams of a packet and takes note of it.
func (u *sender) board(st *Stream, x *lttng.Index, content []byte, size int64) *flight {
	n := int((size + int64(u.payload) - 1) / int64(u.payload))
	u.mu.Lock()
	defer u.mu.Unlock()
	f := new(flight)
	if k := len(u.free); k > 0 {
		f, u.free = u.free[k-1], u.free[:k-1]
	}
	*f = flight{stream: st, index: *x, size: size, datagrams: f.datagrams[:0], pieces: slices.Grow(f.pieces[:0], n)[:n], step: u.payload + lttng.DatagramHeaderLen}
	d := lttng.Datagram{Type: lttng.DatagramData, Token: u.token, Stream: x.Stream, NetSeqNum: x.NetSeqNum, PacketSize: uint32(size)}
	for i := range n {
		at := i * u.payload
		end := int(min(size, int64(at+u.payload)))
		if d.Payload = nil; end <= len(content) {
			d.Payload = content[at:end]
		} else { // padding
			d.Payload = make([]byte, end-at)
			copy(d.Payload, content[min(at, len(content)):])
		}
		if d.Offset = uint32(at); i == n-1 {
			d.Flags = lttng.DatagramLast
		}
		d.Number = u.number
		u.number++
		f.datagrams = d.Append(f.datagrams)
	}
	if len(st.flights) == 0 {
		u.streams = append(u.streams, st)
	}
	st.flights = append(st.flights, f)
	u.held += size
	u.open++
	return f
}

// arrived posts the index of the first packet under way of its stream, and
// forgets it.
func (u *sender) arrived(f *flight) error {
	s := u.s
	if s.indexed() {
		ctx := context.Background()
		if err := s.openWindow(ctx); err != nil {
			return err
		}
		if err := f.stream.postIndex(ctx, f.index, true); err != nil {
			return s.fail(Control, "SEND_INDEX", f.stream, err)
		}
	}
	u.land(f)
	return nil
}

// land forgets the first packet under way of its stream.
func (u *sender) land(f *flight) {
	u.mu.Lock()
	defer u.mu.Unlock()
	st := f.stream
	st.flights[0] = nil
	if st.flights = st.flights[1:]; len(st.flights) == 0 {
		st.flights = nil
		u.streams = slices.DeleteFunc(u.streams, func(other *Stream) bool { return other == st })
	}
	u.held -= f.size
	u.open--
	if len(u.free) < maxFreeFlights {
		f.stream = nil
		u.free = append(u.free, f)
	}
}
