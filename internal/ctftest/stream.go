// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ctftest

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// stream writes the packets of a data file, a bit at a time.
type stream struct {
	done   []byte // packets that are finished
	packet []byte
	pos    int // bits, in the packet
	end    int // of the content; -1: not said yet
	big    bool
	sizes  []patch
}

// patch is a field of the packet's header whose value its end decides.
type patch struct {
	pos, bits int
	content   bool
	big       bool
}

// Stream makes a data file from its text.
func Stream(text string) ([]byte, error) {
	s := &stream{end: -1}
	n := 0
	for line := range strings.Lines(text) {
		n++
		if err := s.line(strings.TrimSpace(line)); err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
	}
	s.finish()
	return s.done, nil
}

func (s *stream) line(line string) error {
	for line != "" && line[0] != '#' {
		word := line
		if line[0] == '"' {
			quoted, err := strconv.QuotedPrefix(line)
			if err != nil {
				return err
			}
			word = quoted
		} else if i := strings.IndexAny(line, " \t"); i >= 0 {
			word = line[:i]
		}
		if err := s.word(word); err != nil {
			return fmt.Errorf("%s: %w", word, err)
		}
		line = strings.TrimSpace(line[len(word):])
	}
	return nil
}

func (s *stream) word(w string) error {
	if w[0] == '"' {
		text, err := strconv.Unquote(w)
		s.bytes([]byte(text))
		return err
	}
	name, value, _ := strings.Cut(w, ":")
	switch name {
	case "packet":
		s.finish()
		return nil
	case "end":
		s.end = s.pos
		return nil
	case "order":
		s.big = value == "be"
		return nil
	case "hex":
		b, err := hex.DecodeString(value)
		s.bytes(b)
		return err
	}
	n, err := strconv.ParseUint(value, 0, 64)
	if strings.HasPrefix(value, "-") {
		var v int64
		v, err = strconv.ParseInt(value, 0, 64)
		n = uint64(v)
	}
	if err != nil {
		return err
	}
	switch name {
	case "align":
		s.seek((s.pos + int(n) - 1) / int(n) * int(n))
	case "pad":
		s.seek(8 * int(n))
	case "size", "content":
		s.sizes = append(s.sizes, patch{s.pos, int(n), name == "content", s.big})
		s.put(int(n), 0)
	default:
		return s.integer(name, n)
	}
	return nil
}

// integer writes what "16:5" or "16be:5" says.
func (s *stream) integer(name string, v uint64) error {
	big := s.big
	digits := strings.TrimRight(name, "lbe")
	switch name[len(digits):] {
	case "le":
		s.big = false
	case "be":
		s.big = true
	}
	n, err := strconv.Atoi(digits)
	if err != nil || n < 1 || n > 64 {
		return errors.New("want a number of bits, 1 to 64")
	}
	s.put(n, v)
	s.big = big
	return nil
}

func (s *stream) put(n int, v uint64) {
	s.seekBytes(s.pos + n)
	for i := range n {
		if s.big {
			s.packet[s.pos/8] |= byte(v>>(n-1-i)&1) << (7 - s.pos%8)
		} else {
			s.packet[s.pos/8] |= byte(v>>i&1) << (s.pos % 8)
		}
		s.pos++
	}
}

// bytes writes bytes at the next byte boundary.
func (s *stream) bytes(b []byte) {
	s.seek((s.pos + 7) / 8 * 8)
	s.packet = append(s.packet, b...)
	s.pos += 8 * len(b)
}

func (s *stream) seek(pos int) {
	s.pos = max(s.pos, pos)
	s.seekBytes(s.pos)
}

func (s *stream) seekBytes(pos int) {
	if n := (pos+7)/8 - len(s.packet); n > 0 {
		s.packet = append(s.packet, make([]byte, n)...)
	}
}

// finish ends the packet.
func (s *stream) finish() {
	if s.end < 0 {
		s.end = s.pos
	}
	size := 8 * len(s.packet)
	for _, p := range s.sizes {
		s.pos, s.big = p.pos, p.big
		if p.content {
			s.put(p.bits, uint64(s.end))
		} else {
			s.put(p.bits, uint64(size))
		}
	}
	s.done = append(s.done, s.packet...)
	*s = stream{done: s.done, end: -1, big: s.big}
}
