// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package live

import "encoding/binary"

// metadataForm is how stored metadata is written.
type metadataForm uint8

const (
	formUnknown metadataForm = iota // fewer than minForm bytes are there
	formText                        // TSDL as plain text
	formPackets                     // TSDL in packets
	formOther                       // anything else, such as JSON: sent as it is
)

// minForm is how many bytes tell the form.
const minForm = 4

func formOf(b []byte) metadataForm {
	switch {
	case binary.LittleEndian.Uint32(b) == metadataMagic, binary.BigEndian.Uint32(b) == metadataMagic:
		return formPackets
	case b[0] == recordSeparator || b[0] == '{' || b[0] == '[':
		return formOther
	}
	return formText
}

// recordSeparator begins each JSON text of CTF 2 metadata.
const recordSeparator = 0x1e

// scanner follows metadata to find where declarations end. It judges nothing:
// packets it cannot make sense of are passed on as they are.
type scanner struct {
	off   int64 // bytes scanned
	whole int64 // bytes that hold complete declarations only

	form  metadataForm
	order binary.ByteOrder
	text  declarations

	// Of the packet that off is in.
	header  [metadataHeaderLen]byte
	have    int   // bytes of header
	content int64 // bytes of text to come
	padding int64 // bytes after them to come
}

// begin settles the form from the first bytes.
func (s *scanner) begin(form metadataForm, b []byte) {
	s.form, s.order = form, binary.LittleEndian
	if binary.BigEndian.Uint32(b) == metadataMagic {
		s.order = binary.BigEndian
	}
}

// feed scans the next bytes.
func (s *scanner) feed(b []byte) {
	for len(b) > 0 {
		var n int
		switch {
		case s.form == formOther:
			n = len(b)
			s.whole = s.off + int64(n)
		case s.form == formText:
			n = s.feedText(b)
		case s.have < metadataHeaderLen:
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

func (s *scanner) feedText(b []byte) int {
	if at := s.text.feed(b); at > 0 {
		s.whole = s.off + int64(at)
	}
	return len(b)
}

func (s *scanner) feedHeader(b []byte) int {
	n := copy(s.header[s.have:], b)
	if s.have += n; s.have < metadataHeaderLen {
		return n
	}
	content := int64(s.order.Uint32(s.header[contentSizeAt:])) / 8
	packet := int64(s.order.Uint32(s.header[packetSizeAt:])) / 8
	if s.order.Uint32(s.header[:]) != metadataMagic || content < metadataHeaderLen || packet < content {
		s.form = formOther
		return n
	}
	s.content, s.padding = content-metadataHeaderLen, packet-content
	return n
}

// endPacket notes a packet's end, where a viewer can stop if no declaration
// goes on.
func (s *scanner) endPacket() {
	if s.form != formPackets || s.have < metadataHeaderLen || s.content > 0 || s.padding > 0 {
		return
	}
	s.have = 0
	if s.text.complete {
		s.whole = s.off
	}
}

// declarations follows TSDL text.
type declarations struct {
	state    lexState
	depth    int  // of braces
	complete bool // only white space since a declaration's end
}

type lexState uint8

const (
	lexCode         lexState = iota
	lexSlash                 // a slash that may begin a comment
	lexLineComment           // until the end of the line
	lexComment               // until its end
	lexCommentStar           // a star that may begin the end
	lexString                // a string
	lexStringEscape          // a backslash in one
	lexChar                  // a character constant
	lexCharEscape
)

// feed scans the next bytes and returns how many of them, from the start, lead
// to the end of a declaration; 0 when none ends or has ended.
func (d *declarations) feed(b []byte) (whole int) {
	for i, ch := range b {
		d.next(ch)
		if d.complete {
			whole = i + 1
		}
	}
	return whole
}

func (d *declarations) next(ch byte) {
	switch d.state {
	case lexCode:
		d.code(ch)
	case lexSlash:
		d.slash(ch)
	case lexLineComment:
		if ch == '\n' {
			d.state = lexCode
		}
	case lexComment:
		if ch == '*' {
			d.state = lexCommentStar
		}
	case lexCommentStar:
		switch ch {
		case '/':
			d.state = lexCode
		case '*':
		default:
			d.state = lexComment
		}
	case lexString:
		d.quoted(ch, '"', lexStringEscape)
	case lexChar:
		d.quoted(ch, '\'', lexCharEscape)
	case lexStringEscape:
		d.state = lexString
	case lexCharEscape:
		d.state = lexChar
	}
}

func (d *declarations) code(ch byte) {
	switch ch {
	case ' ', '\t', '\r', '\n':
		return // a complete declaration stays one
	case '/':
		d.state = lexSlash
	case '"':
		d.state = lexString
	case '\'':
		d.state = lexChar
	case '{':
		d.depth++
	case '}':
		d.depth = max(d.depth-1, 0)
	}
	d.complete = ch == ';' && d.depth == 0
}

func (d *declarations) slash(ch byte) {
	switch ch {
	case '*':
		d.state = lexComment
	case '/':
		d.state = lexLineComment
	default:
		d.state = lexCode
		d.code(ch)
	}
}

func (d *declarations) quoted(ch, end byte, escape lexState) {
	switch ch {
	case '\\':
		d.state = escape
	case end:
		d.state = lexCode
	}
}
