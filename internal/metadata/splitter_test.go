// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package metadata

import (
	"encoding/binary"
	"testing"

	"github.com/weir-io/weir/ctf"
)

const (
	traceTSDL = "/* CTF 1.8 */\ntrace { major = 1; minor = 8; byte_order = le; };\n"
	envTSDL   = "env {\n\thostname = \"a;b}\";\n};\n"
)

// packetized puts text in metadata packets of at most size bytes.
func packetized(order binary.AppendByteOrder, text string, size int) []byte {
	var b []byte
	for len(text) > 0 {
		n := min(len(text), size-ctf.MetadataHeaderLen)
		b = order.AppendUint32(b, ctf.MetadataMagic)
		b = append(b, make([]byte, 16+4)...)
		b = order.AppendUint32(b, uint32(n+ctf.MetadataHeaderLen)*8)
		b = order.AppendUint32(b, uint32(size)*8)
		b = append(b, 0, 0, 0, 1, 8)
		b = append(b, text[:n]...)
		b = append(b, make([]byte, size-ctf.MetadataHeaderLen-n)...)
		text = text[n:]
	}
	return b
}

func feed(s *Splitter, b []byte, step int) {
	for len(b) > 0 {
		n := min(step, len(b))
		s.Feed(b[:n])
		b = b[n:]
	}
}

// TestWhole feeds text, and fragments where a vertical bar stands for the
// record separator; what precedes the mark ^ holds whole declarations.
func TestWhole(t *testing.T) {
	for _, tt := range []string{
		"^",
		"^a;", // fewer bytes than tell the form
		"^trace { major = 1; }",
		"trace { major = 1; };^",
		"a; \n\t^b",
		"a; ^// b;\n",
		"a; // b\nc;^",
		"a; ^/* ; */",
		"a; /* **/ b;^x",
		"a { b; c; }; ^d { e; ",
		`^a { b = "};"; `,
		`a = "\";"; ^b`,
		`a = ';'; ^b`,
		`a = '\''; ^b`,
		"a / b; ^c",
		"^abc /",
		"} }; ^a",
		"^|{}", // likewise
		"|{ }^",
		"|{ }\n^",
		"|{ }\n^|{",
		"|{ }^|{ } ^x",
		`|{"a": ["}", "\"}"]}^`,
		`^|{"a": [1, {}]`,
		`|{"a": {}^|{"b": 1`, // broken off: what is before is as whole as it will be
		`|{"a": "x^|"`,
		"||{ }||{ }^",
		`{"a": 1^`, // nobody knows where this can be cut
	} {
		var b []byte
		want := -1
		for i := range len(tt) {
			switch tt[i] {
			case '^':
				want = len(b)
			case '|':
				b = append(b, recordSeparator)
			default:
				b = append(b, tt[i])
			}
		}
		for _, step := range []int{1, 3, 1000} {
			var s Splitter
			feed(&s, b, step)
			if s.Whole() != int64(want) || s.Scanned() != int64(len(b)) {
				t.Errorf("%q in steps of %d: whole up to %d of %d, want %d", tt, step, s.Whole(), s.Scanned(), want)
			}
		}
	}
}

// Packets are whole where they end and no declaration goes on.
func TestWholePackets(t *testing.T) {
	for _, text := range []string{traceTSDL + envTSDL, "\x1e{\"type\": \"preamble\", \"version\": 2}\n\x1e{\"type\": \"trace-class\"}\n"} {
		for _, order := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
			b := packetized(order, text, 64)
			for cut := range len(b) + 1 {
				var s Splitter
				feed(&s, b[:cut], 11)
				if w := s.Whole(); w != 0 && w != int64(len(b)) && w%64 != 0 || w > int64(cut) || cut == len(b) && w != int64(cut) {
					t.Fatalf("%v, cut at %d of %d: whole up to %d", order, cut, len(b), w)
				}
			}
		}
	}
}

func FuzzSplitter(f *testing.F) {
	f.Add([]byte(traceTSDL+envTSDL), 7)
	f.Add(packetized(binary.LittleEndian, traceTSDL+envTSDL, 64), 13)
	f.Add(packetized(binary.BigEndian, envTSDL, 4096), 4096)
	f.Add([]byte("\x1e{\"type\": \"preamble\"}\x1e{}"), 3)
	f.Fuzz(func(t *testing.T, b []byte, step int) {
		if step < 1 {
			return
		}
		var whole, parts Splitter
		whole.Feed(b)
		for rest := b; len(rest) > 0; {
			n := min(step, len(rest))
			before := parts.Whole()
			parts.Feed(rest[:n])
			rest = rest[n:]
			if parts.Whole() > parts.Scanned() || parts.Whole() < before || parts.Scanned() != int64(len(b)-len(rest)) {
				t.Fatalf("whole %d after %d, scanned %d of %d", parts.Whole(), before, parts.Scanned(), len(b)-len(rest))
			}
		}
		if whole.Whole() != parts.Whole() || whole.Form() != parts.Form() {
			t.Errorf("whole up to %d at once, %d in steps of %d", whole.Whole(), parts.Whole(), step)
		}
	})
}
