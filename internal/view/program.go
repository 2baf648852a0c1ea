// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package view

import (
	"encoding/base64"

	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/ctf/schema"
)

// A program prints the fields of one or more scopes: steps of a constant text
// and a value each, then a last text.
type program struct {
	steps []step
	tail  string
}

// step is a constant text and how to print the field that follows it.
type step struct {
	// lit again, where it is short enough: copying a constant number of bytes,
	// more than there are, is faster.
	short    [shortText]byte
	shortLen uint8

	lit  string
	kind stepKind
	size uint8 // bits, of printBinary
	enc  schema.Encoding
	at   int32  // of the field's first word, from the base of the run
	mask uint64 // of printOctal and printHex

	class  schema.Class // of texts, which end at a zero, and of bit maps
	labels *labels
	flags  *flagText
	array  *arrayText
	subs   []*program // options of a variant; of an optional field: absent, present
}

// shortText is the length of texts that are copied at once.
const shortText = 32

// stepKind is how a field is printed.
type stepKind uint8

// Kinds of steps.
const (
	printUint stepKind = iota
	printInt
	printString // quoted, of a String in UTF-8
	printText   // quoted, of a Text in UTF-8
	printHex
	printOctal
	printBinary
	printFloat
	printLabels
	printArray
	printVariant
	printOptional
	printWide // quoted, of another encoding
	printBool
	printFlags
	printBlob

	printJSONString
	printJSONFloat
	printBase64

	printRaw           // text without quotation marks
	printLabelOrNumber // labels of a value that has some
)

// arrayText is how the elements of an array are printed.
type arrayText struct {
	width      int // words of an element
	element    *program
	first, sep string // before the first element, before each other one
	indexed    bool   // each element has its index before it
}

// flagText is how the flags of a bit map are printed.
type flagText struct {
	texts []string // by flag
	masks []uint64 // by flag
	sep   string
	none  string
}

// newFlagText makes it; text gives that of a flag.
func newFlagText(flags []schema.Mapping, sep, none string, text func(label string) string) *flagText {
	t := &flagText{masks: flagMasks(flags), sep: sep, none: none}
	for i := range flags {
		t.texts = append(t.texts, text(flags[i].Label))
	}
	return t
}

// run appends what the program prints of words from base on.
func (p *program) run(dst []byte, f *ctf.Frame, base int) []byte {
	for i := range p.steps {
		s := &p.steps[i]
		if n := len(dst); s.shortLen > 0 && cap(dst)-n >= shortText {
			*(*[shortText]byte)(dst[n : n+shortText]) = s.short
			dst = dst[:n+int(s.shortLen)]
		} else {
			dst = append(dst, s.lit...)
		}
		w := f.Words[base+int(s.at)]
		switch s.kind {
		case printUint:
			dst = appendUint(dst, w)
		case printInt:
			dst = appendInt(dst, int64(w))
		case printString:
			dst = appendQuoted(dst, f.Bytes(w))
		case printText:
			dst = appendQuotedText(dst, f.Bytes(w))
		case printHex:
			dst = appendHex(dst, w&s.mask)
		case printLabels:
			dst = append(dst, s.labels.find(w)...)
		case printArray:
			start, n := ctf.Extent(w)
			dst = s.array.run(dst, f, start, n)
		case printVariant, printOptional:
			start, option := ctf.Extent(w)
			dst = s.subs[option].run(dst, f, start)
		default:
			dst = s.appendOther(dst, f, w)
		}
	}
	return append(dst, p.tail...)
}

// run appends n elements whose words begin at start.
func (a *arrayText) run(dst []byte, f *ctf.Frame, start, n int) []byte {
	for i := range n {
		if i == 0 {
			dst = append(dst, a.first...)
		} else {
			dst = append(dst, a.sep...)
		}
		if a.indexed {
			dst = append(dst, '[')
			dst = appendUint(dst, uint64(i))
			dst = append(dst, "] = "...)
		}
		dst = a.element.run(dst, f, start)
		start += a.width
	}
	return dst
}

// appendOther appends a field of a kind that is rare.
func (s *step) appendOther(dst []byte, f *ctf.Frame, w uint64) []byte {
	switch s.kind {
	case printOctal:
		return appendOctal(dst, w&s.mask)
	case printBinary:
		return appendBinary(dst, w, int(s.size))
	case printFloat:
		return appendG(dst, ctf.FloatOf(w, s.class.(*schema.Float)))
	case printJSONFloat:
		return appendJSONFloat(dst, w, s.class.(*schema.Float))
	case printWide:
		return appendQuotedWide(dst, ctf.TextOf(f.Bytes(w), s.class), s.enc)
	case printJSONString:
		return appendJSONString(dst, ctf.TextOf(f.Bytes(w), s.class), s.enc)
	case printBool:
		if w != 0 {
			return append(dst, "true"...)
		}
		return append(dst, "false"...)
	case printFlags:
		return s.flags.append(dst, w)
	case printBlob:
		return appendBlob(dst, f.Bytes(w))
	case printRaw:
		return appendUTF8(dst, ctf.TextOf(f.Bytes(w), s.class), s.enc)
	case printLabelOrNumber:
		if text := s.labels.find(w); text != "" {
			return append(dst, text...)
		} else if s.class.(*schema.Integer).Signed {
			return appendInt(dst, int64(w))
		}
		return appendUint(dst, w)
	case printBase64:
		dst = append(dst, '"')
		dst = base64.StdEncoding.AppendEncode(dst, f.Bytes(w))
		return append(dst, '"')
	default:
		panic("view: step of an unknown kind")
	}
}

func appendBlob(dst, b []byte) []byte {
	const hex = "0123456789ABCDEF"
	dst = append(dst, "0x"...)
	for _, c := range b {
		dst = append(dst, hex[c>>4], hex[c&15])
	}
	return dst
}

func (t *flagText) append(dst []byte, w uint64) []byte {
	sep := ""
	for i, mask := range t.masks {
		if w&mask != 0 {
			dst = append(append(dst, sep...), t.texts[i]...)
			sep = t.sep
		}
	}
	if sep == "" {
		dst = append(dst, t.none...)
	}
	return dst
}

// flagMasks returns, by flag, the bits of a bit map that set it.
func flagMasks(flags []schema.Mapping) []uint64 {
	masks := make([]uint64, len(flags))
	for i := range flags {
		for _, r := range flags[i].Ranges {
			for bit := r.Low; bit <= min(r.High, 63); bit++ {
				masks[i] |= 1 << bit
			}
		}
	}
	return masks
}

// builder makes a program: texts that follow each other become one.
type builder struct {
	prog program
	lit  []byte // before the next step
}

// text adds constant text.
func (b *builder) text(parts ...string) {
	for _, s := range parts {
		b.lit = append(b.lit, s...)
	}
}

// step adds a step behind the constant text.
func (b *builder) step(s step) {
	s.lit = string(b.lit)
	if len(b.lit) <= shortText {
		s.shortLen = uint8(copy(s.short[:], b.lit))
	}
	b.lit = b.lit[:0]
	b.prog.steps = append(b.prog.steps, s)
}

// done ends the program with the last constant text.
func (b *builder) done() *program {
	b.prog.tail = string(b.lit)
	return &b.prog
}
