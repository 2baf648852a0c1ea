// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package metadata

// declarations follows the text of CTF 1.8, or the fragments of CTF 2, without
// the packets around them.
type declarations struct {
	begun bool
	json  bool
	tsdl  tsdlState
	frags jsonState
}

// feed scans the next bytes and returns how many of them, from the start, lead
// to the end of a declaration; -1 when none ends or has ended.
func (d *declarations) feed(b []byte) (whole int) {
	whole = -1
	for i, ch := range b {
		if !d.begun {
			d.begun, d.json = true, ch == recordSeparator
		}
		if d.json {
			if ch == recordSeparator && !d.frags.complete {
				whole = i // what is before is as complete as it will ever be
			}
			d.frags.next(ch)
		} else {
			d.tsdl.next(ch)
		}
		if d.complete() {
			whole = i + 1
		}
	}
	return whole
}

// complete reports whether nothing but white space has come since a
// declaration's end.
func (d *declarations) complete() bool {
	if d.json {
		return d.frags.complete
	}
	return d.tsdl.complete
}

// jsonState is how far a fragment has got.
type jsonState struct {
	depth    int // of objects and arrays
	quoted   bool
	escape   bool // after a backslash
	complete bool
}

func (s *jsonState) next(ch byte) {
	switch {
	case ch == recordSeparator: // never within JSON: a fragment that is broken off ends here
		*s = jsonState{}
	case s.escape:
		s.escape = false
	case s.quoted:
		s.escape = ch == '\\'
		s.quoted = ch != '"'
	case ch == ' ' || ch == '\t' || ch == '\r' || ch == '\n': // a complete fragment stays one
	default:
		s.code(ch)
	}
}

func (s *jsonState) code(ch byte) {
	s.complete = false
	switch ch {
	case '"':
		s.quoted = true
	case '{', '[':
		s.depth++
	case '}', ']':
		s.depth = max(s.depth-1, 0)
		s.complete = s.depth == 0
	}
}

// tsdlState is how far a declaration of CTF 1.8 has got.
type tsdlState struct {
	state    lexState
	depth    int // of braces
	complete bool
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

func (d *tsdlState) next(ch byte) {
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

func (d *tsdlState) code(ch byte) {
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

func (d *tsdlState) slash(ch byte) {
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

func (d *tsdlState) quoted(ch, end byte, escape lexState) {
	switch ch {
	case '\\':
		d.state = escape
	case end:
		d.state = lexCode
	}
}
