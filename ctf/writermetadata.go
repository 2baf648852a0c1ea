// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ctf

import (
	"encoding/binary"

	"github.com/weir-io/weir/ctf/ctf2"
	"github.com/weir-io/weir/ctf/schema"
	"github.com/weir-io/weir/ctf/tsdl"
)

// Sizes of the metadata packets that are written, in bytes.
const (
	metadataPad       = 4 << 10 // packets are multiples of it
	metadataPacketMax = 1 << 20
)

// AppendMetadataPacket appends a piece of metadata text in packets, as LTTng
// writes it to files and sends it to viewers. A piece that readers get by itself
// has to hold whole declarations. The header is shown at
// [MetadataMagic].
func AppendMetadataPacket(dst []byte, t *schema.Trace, text []byte) []byte {
	for {
		n := min(len(text), metadataPacketMax-MetadataHeaderLen)
		dst = appendMetadataPacket(dst, t, text[:n])
		if text = text[n:]; len(text) == 0 {
			return dst
		}
	}
}

func appendMetadataPacket(dst []byte, t *schema.Trace, text []byte) []byte {
	var order binary.AppendByteOrder = binary.LittleEndian
	if t.ByteOrder == schema.BigEndian {
		order = binary.BigEndian
	}
	var id schema.UUID
	if t.UUID != nil {
		id = *t.UUID
	}
	content := MetadataHeaderLen + len(text)
	size := (content + metadataPad - 1) / metadataPad * metadataPad
	dst = order.AppendUint32(dst, MetadataMagic)
	dst = append(dst, id[:]...)
	dst = order.AppendUint32(dst, 0)
	dst = order.AppendUint32(dst, uint32(8*content))
	dst = order.AppendUint32(dst, uint32(8*size))
	dst = append(dst, 0, 0, 0)
	if t.Version == schema.CTF2 {
		dst = append(dst, 2, 0)
	} else {
		dst = append(dst, 1, 8)
	}
	dst = append(dst, text...)
	return append(dst, make([]byte, size-content)...)
}

// appendMetadata renders the declarations of a trace by its version.
func appendMetadata(dst []byte, t *schema.Trace) ([]byte, error) {
	if t.Version == schema.CTF2 {
		return ctf2.Append(dst, t)
	}
	return tsdl.Append(dst, t)
}

// declared is the classes of streams and events that the metadata declare.
type declared map[any]bool

// all notes all classes of a trace.
func (d declared) all(t *schema.Trace) {
	for _, s := range t.Streams {
		d[s] = true
		for _, e := range s.Events {
			d[e] = true
		}
	}
}

// appendNew renders the classes that have not been declared.
func (d declared) appendNew(dst []byte, t *schema.Trace) ([]byte, error) {
	stream, event := tsdl.AppendStream, tsdl.AppendEvent
	if t.Version == schema.CTF2 {
		stream, event = ctf2.AppendStream, ctf2.AppendEvent
	}
	var err error
	for _, s := range t.Streams {
		if !d[s] {
			if dst, err = stream(dst, s); err != nil {
				return nil, err
			}
		}
		for _, e := range s.Events {
			if d[e] {
				continue
			}
			if dst, err = event(dst, e); err != nil {
				return nil, err
			}
		}
	}
	return dst, nil
}
