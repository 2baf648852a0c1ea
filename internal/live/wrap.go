// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package live

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
)

// Metadata of producers since LTTng 2.14 is plain text. Viewers of minors
// below 15 take that for a whole trace description each time, and refuse a
// second part that does not begin like one. Packets they join: so each answer
// is made one packet.

// Layout of a metadata packet header, CTF 1.8 section 7.1.
const (
	metadataMagic     = 0x75D11D57
	metadataHeaderLen = 37 // bytes
	contentSizeAt     = 24 // u32, bits
	packetSizeAt      = 28 // u32, bits
)

// signature begins every text of a trace description.
const signature = "/* CTF 1.8 */"

// uuidSearch is how much of a text is searched for the trace's UUID, which
// stands in its first block but for type aliases.
const uuidSearch = 8 << 10

// wrap returns what goes before the next n bytes of text to make them a packet.
func (v *metadataView) wrap(n int64) ([]byte, error) {
	var text []byte
	if v.cursor.Sent() == 0 {
		head := make([]byte, min(n, uuidSearch))
		k, err := v.cursor.ReadAt(head, 0)
		if err != nil {
			return nil, err
		}
		if head = head[:k]; !bytes.HasPrefix(head, []byte(signature)) {
			text = []byte(signature + "\n")
		}
		if !v.wrapped {
			v.uuid, v.wrapped = traceUUID(head), true
		}
	}
	bits := uint32((metadataHeaderLen + int64(len(text)) + n) * 8)
	h := binary.LittleEndian.AppendUint32(make([]byte, 0, metadataHeaderLen+len(text)), metadataMagic)
	h = append(h, v.uuid[:]...)
	h = binary.LittleEndian.AppendUint32(h, 0) // no checksum
	h = binary.LittleEndian.AppendUint32(h, bits)
	h = binary.LittleEndian.AppendUint32(h, bits)
	h = append(h, 0, 0, 0, 1, 8) // no compression, encryption, checksum; version
	return append(h, text...), nil
}

// traceUUID returns the UUID in the trace block of a text, zeros without one.
func traceUUID(text []byte) (id [16]byte) {
	_, block, ok := bytes.Cut(text, []byte("trace {"))
	if !ok {
		return id
	}
	block, _, _ = bytes.Cut(block, []byte("}"))
	_, rest, ok := bytes.Cut(block, []byte("uuid"))
	if !ok {
		return id
	}
	parts := bytes.SplitN(rest, []byte{'"'}, 3)
	if len(parts) < 3 {
		return id
	}
	b, err := hex.DecodeString(string(bytes.ReplaceAll(parts[1], []byte{'-'}, nil)))
	if err != nil || len(b) != len(id) {
		return id
	}
	return [16]byte(b)
}
