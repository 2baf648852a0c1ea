// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package xmlsysd

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

// Limits of documents.
const (
	MaxDepth = 32      // elements within each other
	MaxText  = 1 << 20 // bytes of the text of an element
	maxAttrs = 64      // attributes of an element
)

// Token is what a Scanner has found.
type Token uint8

// Tokens. The text before a tag belongs to the tag: see [Scanner.Text].
const (
	EOF   Token = iota // the document has ended as it should
	Start              // an element begins
	End                // an element ends; one that closes itself has both
)

// Scanner reads a document tag by tag. It takes what XML allows, but for document
// types and the entities that they could define, so nothing expands. It judges
// no characters but NUL, and no names but that those of a begin and an end agree.
// It allocates nothing once its buffers have grown.
//
// Names, texts and attributes are parts of the document or of a buffer, valid
// until the next call of Next.
type Scanner struct {
	doc   []byte
	at    int
	err   error
	name  []byte
	text  []byte
	attrs []Attr
	stack [MaxDepth][]byte // names of the elements that are open
	depth int
	empty bool   // a tag that closes itself was read: its end is next
	ended bool   // the root element was read
	buf   []byte // texts and values that are not in the document as they are
	plain bool   // the document has neither entities nor carriage returns
}

// Attr is an attribute.
type Attr struct{ Name, Value []byte }

// Reset begins a document.
func (s *Scanner) Reset(doc []byte) {
	s.doc, s.at, s.err, s.depth, s.empty, s.ended = doc, 0, nil, 0, false, false
	s.name, s.text, s.attrs = nil, nil, s.attrs[:0]
	s.plain = bytes.IndexByte(doc, '&') < 0 && bytes.IndexByte(doc, '\r') < 0
	if at := bytes.IndexByte(doc, 0); at >= 0 {
		s.at = at
		s.err = s.fail(ErrSyntax, "no NUL")
		return
	}
	if bytes.HasPrefix(doc, []byte("\xef\xbb\xbf")) {
		s.at = 3
	}
}

// Depth returns how many elements are open: after Start with the one that
// begins, after End without the one that ended.
func (s *Scanner) Depth() int { return s.depth }

// Name returns the name of the element that begins or ends.
func (s *Scanner) Name() []byte { return s.name }

// Text returns what stands between the tag before and this one. In an element
// without others it is, after End, the element's text.
func (s *Scanner) Text() []byte { return s.text }

// Attrs returns the attributes after Start.
func (s *Scanner) Attrs() []Attr { return s.attrs }

// Attr returns an attribute after Start, nil if there is none.
func (s *Scanner) Attr(name string) []byte {
	for i := range s.attrs {
		if string(s.attrs[i].Name) == name {
			return s.attrs[i].Value
		}
	}
	return nil
}

// Offset returns how many bytes of the document have been read.
func (s *Scanner) Offset() int { return s.at }

// Next reads up to the end of a tag. After an error it returns that for ever.
func (s *Scanner) Next() (Token, error) {
	if s.err != nil {
		return EOF, s.err
	}
	if s.empty {
		s.empty, s.text = false, nil
		return s.pop(), nil
	}
	token, err := s.next()
	if err != nil {
		s.err = err
	}
	return token, err
}

func (s *Scanner) next() (Token, error) {
	doc := s.doc
	lt := indexTag(doc, s.at)
	if lt < 0 {
		return s.finish()
	}
	text := doc[s.at:lt]
	tag := lt + 1
	s.buf = s.buf[:0]
	if s.depth == 0 || tag < len(doc) && (doc[tag] == '!' || doc[tag] == '?') || !s.plain && special(text) {
		var err error
		if text, tag, err = s.pieces(); err != nil || tag < 0 {
			return EOF, err
		}
	} else if len(text) > MaxText {
		return EOF, s.fail(ErrTooLong, "a text of at most 1 MiB")
	}
	s.at, s.text = tag, text
	if tag >= len(doc) {
		return EOF, s.fail(ErrTruncated, "a tag")
	}
	if doc[tag] == '/' {
		return s.end()
	}
	return s.start()
}

// leaf reads, after Start, the text and the end of an element of which nothing is
// special, and reports whether it did: the shortest way over most of a document.
func (s *Scanner) leaf() bool {
	doc := s.doc
	lt := indexTag(doc, s.at)
	if lt < 0 || s.empty {
		return false
	}
	from := lt + 2
	to := from + len(s.name)
	if to >= len(doc) || doc[lt+1] != '/' || doc[to] != '>' || string(doc[from:to]) != string(s.name) {
		return false
	}
	text := doc[s.at:lt]
	if len(text) > MaxText || !s.plain && special(text) {
		return false
	}
	s.text, s.at, s.buf = text, to+1, s.buf[:0]
	s.pop()
	return true
}

// indexTag returns where the next bracket is, from a place on, or -1. Most are
// near, where looking at eight bytes at once costs less than a call.
func indexTag(doc []byte, at int) int {
	const (
		ones     = 0x0101010101010101
		brackets = '<' * ones
		highs    = 0x80 * ones
		near     = 32
	)
	for end := min(at+near, len(doc)-7); at < end; at += 8 {
		x := binary.LittleEndian.Uint64(doc[at:]) ^ brackets
		if zero := (x - ones) &^ x & highs; zero != 0 {
			return at + bits.TrailingZeros64(zero)/8
		}
	}
	if n := bytes.IndexByte(doc[at:], '<'); n >= 0 {
		return at + n
	}
	return -1
}

// special tells a text that is not as it stands in the document.
func special(text []byte) bool {
	return bytes.IndexByte(text, '&') >= 0 || bytes.IndexByte(text, '\r') >= 0
}

// finish looks at what is behind the last tag.
func (s *Scanner) finish() (Token, error) {
	rest := s.doc[s.at:]
	switch blank := len(bytes.TrimLeft(rest, " \t\r\n")) == 0; {
	case s.depth > 0:
		s.at = len(s.doc)
		return EOF, s.fail(ErrTruncated, "the end of "+string(s.stack[s.depth-1]))
	case !blank:
		return EOF, s.fail(ErrSyntax, "no text outside of the root")
	case !s.ended:
		s.at = len(s.doc)
		return EOF, s.fail(ErrTruncated, "an element")
	}
	s.at, s.text = len(s.doc), nil
	return EOF, nil
}

func (s *Scanner) end() (Token, error) {
	doc, from := s.doc, s.at+1
	if s.depth == 0 {
		return EOF, s.fail(ErrSyntax, "the begin of an element")
	}
	open := s.stack[s.depth-1]
	at := from + len(open)
	if at < len(doc) && string(doc[from:at]) == string(open) {
		for at < len(doc) && blanks[doc[at]] {
			at++
		}
		if at < len(doc) && doc[at] == '>' {
			s.at = at + 1
			return s.pop(), nil
		}
	}
	if at >= len(doc) && bytes.HasPrefix(open, doc[from:min(len(doc), from+len(open))]) {
		return EOF, s.fail(ErrTruncated, "the end of "+string(open))
	}
	return EOF, s.fail(ErrSyntax, "the end of "+string(open))
}

func (s *Scanner) pop() Token {
	s.depth--
	s.name, s.attrs = s.stack[s.depth], s.attrs[:0]
	s.ended = s.depth == 0
	return End
}

func (s *Scanner) start() (Token, error) {
	doc, from := s.doc, s.at
	at := from
	for at < len(doc) && names[doc[at]] {
		at++
	}
	switch {
	case at == len(doc):
		return EOF, s.fail(ErrTruncated, "a tag")
	case at == from || digits[doc[from]]:
		return EOF, s.fail(ErrSyntax, "a name")
	case s.depth == MaxDepth:
		return EOF, s.fail(ErrTooLong, "at most 32 elements within each other")
	case s.ended:
		return EOF, s.fail(ErrSyntax, "one root")
	}
	s.name = doc[from:at]
	s.stack[s.depth] = s.name
	s.depth++
	s.attrs = s.attrs[:0]
	if doc[at] == '>' {
		s.at = at + 1
		return Start, nil
	}
	s.at = at
	return Start, s.rest()
}

// rest reads a tag from behind its name on.
func (s *Scanner) rest() error {
	for {
		blank := s.skipBlanks()
		if s.at == len(s.doc) {
			return s.fail(ErrTruncated, "the end of a tag")
		}
		switch s.doc[s.at] {
		case '>':
			s.at++
			return nil
		case '/':
			if s.at++; s.at == len(s.doc) {
				return s.fail(ErrTruncated, "the end of a tag")
			}
			if s.doc[s.at] != '>' {
				return s.fail(ErrSyntax, "the end of a tag")
			}
			s.at++
			s.empty = true
			return nil
		}
		if !blank {
			return s.fail(ErrSyntax, "a blank before an attribute")
		}
		if err := s.attr(); err != nil {
			return err
		}
	}
}

// attr reads an attribute.
func (s *Scanner) attr() error {
	doc, from := s.doc, s.at
	for s.at < len(doc) && names[doc[s.at]] {
		s.at++
	}
	name := doc[from:s.at]
	s.skipBlanks()
	eq := s.at
	if s.at < len(doc) && doc[s.at] == '=' {
		s.at++
	}
	found := s.at > eq
	s.skipBlanks()
	switch {
	case s.at == len(doc):
		return s.fail(ErrTruncated, "an attribute")
	case len(name) == 0 || digits[name[0]] || !found || doc[s.at] != '"' && doc[s.at] != '\'':
		return s.fail(ErrSyntax, "an attribute")
	case len(s.attrs) == maxAttrs:
		return s.fail(ErrTooLong, "at most 64 attributes")
	}
	for i := range s.attrs {
		if string(s.attrs[i].Name) == string(name) {
			return s.fail(ErrSyntax, "each attribute once")
		}
	}
	length := bytes.IndexByte(doc[s.at+1:], doc[s.at])
	if length < 0 {
		s.at = len(doc)
		return s.fail(ErrTruncated, "the end of the attribute "+string(name))
	}
	value := doc[s.at+1 : s.at+1+length]
	if at := bytes.IndexByte(value, '<'); at >= 0 {
		s.at += 1 + at
		return s.fail(ErrSyntax, "no tag in an attribute")
	}
	end := s.at + length + 2
	if len(value) > 0 && !simple(value) {
		s.at++
		var err error
		if value, err = s.decode(value, true); err != nil {
			return err
		}
	}
	s.at = end
	s.attrs = append(s.attrs, Attr{name, value})
	return nil
}

// simple tells a value that is as it stands in the document.
func simple(value []byte) bool {
	for _, b := range value {
		if b == '&' || b < ' ' {
			return false
		}
	}
	return len(value) <= MaxText
}

func (s *Scanner) skipBlanks() bool {
	from := s.at
	for s.at < len(s.doc) && blanks[s.doc[s.at]] {
		s.at++
	}
	return s.at > from
}

func (s *Scanner) fail(reason error, want string) error {
	return &ProtocolError{Op: "document", Offset: s.at, Got: excerpt(s.doc, s.at), Want: want, Err: reason}
}

// Classes of bytes.
var (
	names = classOf(func(b byte) bool {
		return b|0x20 >= 'a' && b|0x20 <= 'z' || b >= '0' && b <= ':' || b == '_' || b == '-' || b == '.' || b >= 0x80
	})
	digits = classOf(func(b byte) bool { return b >= '0' && b <= '9' || b == '-' || b == '.' }) // that no name begins with
	blanks = classOf(func(b byte) bool { return b == ' ' || b == '\t' || b == '\n' || b == '\r' })
)

func classOf(in func(byte) bool) (table [256]bool) {
	for b := range table {
		table[b] = in(byte(b))
	}
	return table
}
