// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package xmlsysd

import (
	"bytes"
	"strconv"
	"unicode/utf8"
)

// pieces reads a text that has comments, sections, instructions or entities in it,
// up to the next tag. It returns the text and the place behind the tag's bracket,
// negative at the end of the document.
func (s *Scanner) pieces() (text []byte, tag int, err error) {
	from := len(s.buf)
	for {
		lt := bytes.IndexByte(s.doc[s.at:], '<')
		if lt < 0 {
			_, err = s.finish()
			return nil, -1, err
		}
		part := s.doc[s.at : s.at+lt]
		if s.depth == 0 {
			if rest := bytes.TrimLeft(part, " \t\r\n"); len(rest) > 0 {
				return nil, 0, s.fail(ErrSyntax, "no text outside of the root")
			}
		} else if err = s.keep(part); err != nil {
			return nil, 0, err
		}
		s.at += lt
		if len(s.buf)-from > MaxText {
			return nil, 0, s.fail(ErrTooLong, "a text of at most 1 MiB")
		}
		rest := s.doc[s.at:]
		switch {
		case bytes.HasPrefix(rest, []byte("<!--")):
			err = s.skipPast(4, "-->")
		case bytes.HasPrefix(rest, []byte("<![CDATA[")) && s.depth > 0:
			err = s.section()
		case bytes.HasPrefix(rest, []byte("<?")):
			err = s.skipPast(2, "?>")
		case bytes.HasPrefix(rest, []byte("<!")):
			err = s.foreign(rest)
		default:
			return s.buf[from:], s.at + 1, nil
		}
		if err != nil {
			return nil, 0, err
		}
	}
}

// foreign refuses a declaration.
func (s *Scanner) foreign(rest []byte) error {
	for _, known := range []string{"<!--", "<![CDATA["} {
		if bytes.HasPrefix([]byte(known), rest) {
			return s.fail(ErrTruncated, "a comment or section")
		}
	}
	return s.fail(ErrSyntax, "no declaration")
}

// skipPast goes on behind the next end.
func (s *Scanner) skipPast(begin int, end string) error {
	from := min(len(s.doc), s.at+begin)
	n := bytes.Index(s.doc[from:], []byte(end))
	if n < 0 {
		s.at = len(s.doc)
		return s.fail(ErrTruncated, end)
	}
	s.at = from + n + len(end)
	return nil
}

// section reads a CDATA section.
func (s *Scanner) section() error {
	from := s.at + len("<![CDATA[")
	if err := s.skipPast(len("<![CDATA["), "]]>"); err != nil {
		return err
	}
	s.buf = appendLines(s.buf, s.doc[from:s.at-len("]]>")])
	return nil
}

// keep appends a text to the buffer, entities and ends of lines replaced.
func (s *Scanner) keep(part []byte) error {
	if !s.plain {
		_, err := s.decode(part, false)
		return err
	}
	s.buf = append(s.buf, part...)
	return nil
}

// decode appends a text or a value to the buffer, entities replaced, and returns
// what it appended. It leaves s.at alone but on an error.
func (s *Scanner) decode(in []byte, attr bool) ([]byte, error) {
	from := len(s.buf)
	if len(in) > MaxText {
		return nil, s.fail(ErrTooLong, "a text of at most 1 MiB")
	}
	for at := 0; at < len(in); {
		amp := bytes.IndexByte(in[at:], '&')
		if amp < 0 {
			amp = len(in) - at
		}
		if attr {
			s.buf = appendBlanks(s.buf, in[at:at+amp])
		} else {
			s.buf = appendLines(s.buf, in[at:at+amp])
		}
		if at += amp; at == len(in) {
			break
		}
		n := s.entity(in[at:])
		if n == 0 {
			s.at += at
			return nil, s.fail(ErrSyntax, "an entity of XML itself")
		}
		at += n
	}
	return s.buf[from:], nil
}

// appendLines appends a text with each end of a line made a line feed.
func appendLines(to, in []byte) []byte {
	for {
		cr := bytes.IndexByte(in, '\r')
		if cr < 0 {
			return append(to, in...)
		}
		to = append(append(to, in[:cr]...), '\n')
		in = bytes.TrimPrefix(in[cr+1:], []byte("\n"))
	}
}

// appendBlanks is appendLines for values of attributes, in which white space is
// blanks unless it is spelled as entities.
func appendBlanks(to, in []byte) []byte {
	from := len(to)
	to = appendLines(to, in)
	for i, b := range to[from:] {
		if b == '\n' || b == '\t' {
			to[from+i] = ' '
		}
	}
	return to
}

// entity appends what an entity stands for and returns its length, 0 for none.
func (s *Scanner) entity(in []byte) int {
	const longest = len("&#x0010FFFF;")
	end := bytes.IndexByte(in[:min(len(in), longest)], ';')
	if end < 0 {
		return 0
	}
	switch name := string(in[1:end]); name {
	case "amp":
		s.buf = append(s.buf, '&')
	case "lt":
		s.buf = append(s.buf, '<')
	case "gt":
		s.buf = append(s.buf, '>')
	case "quot":
		s.buf = append(s.buf, '"')
	case "apos":
		s.buf = append(s.buf, '\'')
	default:
		r, ok := character(name)
		if !ok {
			return 0
		}
		s.buf = utf8.AppendRune(s.buf, r)
	}
	return end + 1
}

// character reads a numeric entity.
func character(name string) (rune, bool) {
	if len(name) < 2 || name[0] != '#' {
		return 0, false
	}
	digits, base := name[1:], 10
	if digits[0] == 'x' {
		digits, base = digits[1:], 16
	}
	n, err := strconv.ParseUint(digits, base, 32)
	r := rune(n)
	return r, err == nil && n > 0 && utf8.ValidRune(r)
}
