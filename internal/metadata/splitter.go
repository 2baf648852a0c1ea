// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package metadata

import (
	"encoding/binary"

	"github.com/weir-io/weir/ctf"
)

// Form is how metadata are written.
type Form uint8

// Forms of metadata.
const (
	FormUnknown   Form = iota // fewer bytes are there than tell the form
	FormText                  // text of CTF 1.8
	FormPackets               // text or fragments in packets
	FormFragments             // JSON of CTF 2
	FormOther                 // anything else: nobody knows where it can be cut
)

// formBytes is how many bytes tell the form.
const formBytes = 4

// recordSeparator begins each fragment of CTF 2.
const recordSeparator = 0x1e

func formOf(b []byte) Form {
	switch {
	case binary.LittleEndian.Uint32(b) == ctf.MetadataMagic, binary.BigEndian.Uint32(b) == ctf.MetadataMagic:
		return FormPackets
	case b[0] == recordSeparator:
		return FormFragments
	case b[0] == '{' || b[0] == '[':
		return FormOther
	}
	return FormText
}

// Layout of a metadata packet header: see [ctf.MetadataMagic].
const (
	contentSizeAt = 24 // u32, bits
	packetSizeAt  = 28 // u32, bits
)

// Splitter follows metadata to find where declarations end. It judges nothing:
// packets that it cannot make sense of are passed on as they are. The zero
// value is at the start of a stream.
type Splitter struct {
	off   int64 // bytes scanned
	whole int64 // bytes that hold complete declarations only

	form  Form
	lead  [formBytes]byte // bytes that came before the form was known
	leads int             // how many
	order binary.ByteOrder
	text  declarations

	// Of the packet that off is in.
	header  [ctf.MetadataHeaderLen]byte
	have    int   // bytes of header
	content int64 // bytes of text to come
	padding int64 // bytes after them to come
}

// Scanned returns how many bytes were fed.
func (s *Splitter) Scanned() int64 { return s.off + int64(s.leads) }

// Whole returns how many of the bytes, from the first on, hold complete
// declarations only.
func (s *Splitter) Whole() int64 { return s.whole }

// Form returns how the metadata are written.
func (s *Splitter) Form() Form { return s.form }

// Feed scans the next bytes.
func (s *Splitter) Feed(b []byte) {
	if s.form == FormUnknown {
		n := copy(s.lead[s.leads:], b)
		s.leads += n
		b = b[n:]
		if s.leads < formBytes {
			return
		}
		s.begin(s.lead[:])
		s.leads = 0
		s.feed(s.lead[:])
	}
	s.feed(b)
}

// begin settles the form from the first bytes.
func (s *Splitter) begin(b []byte) {
	s.form, s.order = formOf(b), binary.LittleEndian
	if binary.BigEndian.Uint32(b) == ctf.MetadataMagic {
		s.order = binary.BigEndian
	}
}

func (s *Splitter) feed(b []byte) {
	for len(b) > 0 {
		var n int
		switch {
		case s.form == FormOther:
			n = len(b)
			s.whole = s.off + int64(n)
		case s.form != FormPackets:
			n = s.feedText(b)
		case s.have < len(s.header):
			n = s.feedHeader(b)
		case s.content > 0:
			n = int(min(s.content, int64(len(b))))
			s.text.feed(b[:n])
			s.content -= int64(n)
		default:
			n = int(min(s.padding, int64(len(b))))
			s.padding -= int64(n)
		}
		s.off += int64(n)
		b = b[n:]
		s.endPacket()
	}
}

func (s *Splitter) feedText(b []byte) int {
	if at := s.text.feed(b); at >= 0 {
		s.whole = s.off + int64(at)
	}
	return len(b)
}

func (s *Splitter) feedHeader(b []byte) int {
	n := copy(s.header[s.have:], b)
	if s.have += n; s.have < len(s.header) {
		return n
	}
	content := int64(s.order.Uint32(s.header[contentSizeAt:])) / 8
	packet := int64(s.order.Uint32(s.header[packetSizeAt:])) / 8
	if s.order.Uint32(s.header[:]) != ctf.MetadataMagic || content < ctf.MetadataHeaderLen || packet < content {
		s.form = FormOther
		return n
	}
	s.content, s.padding = content-ctf.MetadataHeaderLen, packet-content
	return n
}

// endPacket notes a packet's end, where a viewer can stop if no declaration
// goes on.
func (s *Splitter) endPacket() {
	if s.form != FormPackets || s.have < len(s.header) || s.content > 0 || s.padding > 0 {
		return
	}
	s.have = 0
	if s.text.complete() {
		s.whole = s.off
	}
}
