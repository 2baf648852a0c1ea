// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ring

// Header is the packet header and context that a sub-buffer begins with.
type Header struct {
	UUID        [16]byte
	Class       uint32 // of the stream
	Instance    uint64
	Begin, End  uint64
	ContentBits uint64
	PacketBits  uint64
	Sequence    uint64
	Discarded   uint64
	CPU         uint32
}

const magic = 0xC1FC1FC1

// Offsets in a packet: of the time that it begins at, and of what is known at its end.
const (
	beginAt = 32
	endAt   = 40
)

// put writes it.
func (h *Header) put(b []byte) {
	le.PutUint32(b, magic)
	copy(b[4:20], h.UUID[:])
	le.PutUint32(b[20:], h.Class)
	for i, v := range [...]uint64{h.Instance, h.Begin, h.End, h.ContentBits, h.PacketBits, h.Sequence, h.Discarded} {
		le.PutUint64(b[24+8*i:], v)
	}
	le.PutUint32(b[80:], h.CPU)
}

// Put writes it to the beginning of a packet.
func (h *Header) Put(packet []byte) { h.put(packet[:HeaderLen]) }

// ParseHeader reads it from HeaderLen bytes.
func ParseHeader(b []byte) (h Header) {
	copy(h.UUID[:], b[4:20])
	h.Class = le.Uint32(b[20:])
	for i, p := range [...]*uint64{&h.Instance, &h.Begin, &h.End, &h.ContentBits, &h.PacketBits, &h.Sequence, &h.Discarded} {
		*p = le.Uint64(b[24+8*i:])
	}
	h.CPU = le.Uint32(b[80:])
	return h
}
