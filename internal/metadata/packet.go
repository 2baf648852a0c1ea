// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package metadata

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"

	"github.com/weir-io/weir/ctf"
)

// Metadata of producers since LTTng 2.14 is plain text. Viewers of minors
// below 15 take that for a whole trace description each time, and refuse a
// second part that does not begin like one. Packets they join: so each answer
// is made one packet.

// Signature begins every text of a trace description.
const Signature = "/* CTF 1.8 */"

// AppendPacketHeader appends the header of a packet with n bytes of text of
// CTF 1.8.
func AppendPacketHeader(dst []byte, uuid [16]byte, n int64) []byte {
	bits := uint32((ctf.MetadataHeaderLen + n) * 8)
	dst = binary.LittleEndian.AppendUint32(dst, ctf.MetadataMagic)
	dst = append(dst, uuid[:]...)
	dst = binary.LittleEndian.AppendUint32(dst, 0) // no checksum
	dst = binary.LittleEndian.AppendUint32(dst, bits)
	dst = binary.LittleEndian.AppendUint32(dst, bits)
	return append(dst, 0, 0, 0, 1, 8) // no compression, encryption, checksum; version
}

// UUIDSearch is how much of a text is to be searched for the trace's UUID,
// which stands in its first block but for type aliases.
const UUIDSearch = 8 << 10

// TraceUUID returns the UUID in the trace block of a text, zeros without one.
func TraceUUID(text []byte) (id [16]byte) {
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
