// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"context"
	"encoding/binary"
	"errors"

	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/lttng"
)

// MetadataForm is how metadata travel.
type MetadataForm int

// Forms of metadata. Producers send packets up to LTTng 2.13 and the plain text
// from then on.
const (
	FormAuto    MetadataForm = iota // by the relay's version
	FormPackets                     // of CTF 1.8, with a header
	FormPlain                       // as it is; also the fragments of CTF 2
)

// minorPlain is the first minor whose producers send plain text.
const minorPlain lttng.Minor = 14

// Sizes of metadata packets, in bytes.
const (
	metadataPad   = 4 << 10 // packets are multiples of it
	metadataPiece = 1 << 20 // of one request
)

// SendMetadata appends text to the trace description. Viewers may read the
// text of each call, up to 1 MiB, by itself: it holds whole declarations. The
// first text of a trace begins with the signature of its format. That the relay
// has it is known after the next answer, such as that of [Session.Sync].
func (st *Stream) SendMetadata(ctx context.Context, text []byte) error {
	if err := st.checkMetadata(); err != nil {
		return err
	}
	for len(text) > 0 {
		piece := text[:min(len(text), metadataPiece-ctf.MetadataHeaderLen)]
		text = text[len(piece):]
		err := st.s.post(ctx, lttng.CmdSendMetadata, st, func(b []byte) []byte { return st.appendMetadata(b, piece) })
		if err != nil {
			return err
		}
	}
	return nil
}

func (st *Stream) checkMetadata() error {
	if !st.IsMetadata() {
		return errors.New("relay: metadata for stream " + st.o.Channel)
	}
	st.s.mu.Lock()
	defer st.s.mu.Unlock()
	if st.closed {
		return errStreamClosed
	}
	return nil
}

// plain reports whether the text goes without packets around it.
func (st *Stream) plain() bool {
	return st.o.Form == FormPlain || st.o.Form == FormAuto && st.s.minor >= minorPlain
}

func (st *Stream) appendMetadata(b, text []byte) []byte {
	m := lttng.Metadata{Stream: st.id}
	size := len(text)
	if !st.plain() {
		size += ctf.MetadataHeaderLen
		m.Padding = uint32((metadataPad - size%metadataPad) % metadataPad)
	}
	return lttng.AppendRequest(b, lttng.CmdSendMetadata, func(b []byte) []byte {
		b = m.Append(b)
		if !st.plain() {
			b = st.appendMetadataHeader(b, size, size+int(m.Padding))
		}
		return append(b, text...)
	})
}

// appendMetadataHeader appends the header of a metadata packet: see
// [ctf.MetadataMagic]. Sizes are in bytes.
func (st *Stream) appendMetadataHeader(b []byte, content, size int) []byte {
	var order binary.AppendByteOrder = binary.LittleEndian
	if st.o.BigEndian {
		order = binary.BigEndian
	}
	b = order.AppendUint32(b, ctf.MetadataMagic)
	b = append(b, st.o.TraceUUID[:]...)
	b = order.AppendUint32(b, 0) // no checksum
	b = order.AppendUint32(b, uint32(content)*8)
	b = order.AppendUint32(b, uint32(size)*8)
	return append(b, 0, 0, 0, 1, 8) // no compression, encryption, checksum; version
}

// ResetMetadata voids the trace description and sends it anew. Relays refuse
// that for live sessions.
func (st *Stream) ResetMetadata(ctx context.Context, text []byte) error {
	s := st.s
	if err := st.checkMetadata(); err != nil {
		return err
	}
	if s.minor < lttng.MinorIndexInstance {
		return unsupported("new metadata", s.minor, lttng.MinorIndexInstance)
	}
	if s.live {
		return errLiveReset
	}
	s.mu.Lock()
	st.version++
	m := lttng.ResetMetadata{Stream: st.id, Version: st.version}
	s.mu.Unlock()
	if err := s.do(ctx, lttng.CmdResetMetadata, st, m.Append); err != nil {
		return err
	}
	return st.SendMetadata(ctx, text)
}

var errLiveReset = errors.Join(errors.New("relay: new metadata of a live session"), errors.ErrUnsupported)
