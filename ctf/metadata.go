// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ctf

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strconv"

	"github.com/weir-io/weir/ctf/ctf2"
	"github.com/weir-io/weir/ctf/schema"
	"github.com/weir-io/weir/ctf/tsdl"
)

// Packets of metadata: the text of CTF 1.8 or the fragments of CTF 2, cut into
// pieces that each have a header, in the byte order of the trace:
//
//	off  size  field
//	0    4     magic 0x75D11D57
//	4    16    uuid of the trace
//	20   4     checksum: 0
//	24   4     content size, bits, this header included
//	28   4     packet size, bits
//	32   3     compression, encryption, checksum scheme: 0
//	35   2     version: 1, 8 or 2, 0
const (
	MetadataMagic     = 0x75D11D57
	MetadataHeaderLen = 37 // bytes
)

// MetadataError says what is wrong with a packet of metadata.
type MetadataError struct {
	Offset int // of the packet, bytes
	Field  string
	Got    string
	Want   string
}

// Error gives the message on one line.
func (e *MetadataError) Error() string {
	return fmt.Sprintf("ctf: metadata packet at byte %d: %s: got %s, want %s", e.Offset, e.Field, e.Got, e.Want)
}

// MetadataParser reads the metadata of a trace, as a whole or in the pieces in
// which they come while a trace is recorded: packets of metadata, plain text of
// CTF 1.8, or fragments of CTF 2. Pieces hold whole declarations. It is not safe
// for concurrent use.
type MetadataParser struct {
	text *tsdl.Parser
	json *ctf2.Parser
	uuid *[16]byte // of the packets
	told int       // warnings that have been handed out
}

// Parse reads a piece. After an error nothing of the piece counts.
func (p *MetadataParser) Parse(b []byte) error {
	order := metadataOrder(b)
	if order != nil {
		uuid := p.uuid
		text, err := p.unpack(b, order)
		if err == nil {
			err = p.parse(text, true)
		}
		if err != nil {
			p.uuid = uuid
		}
		return err
	}
	return p.parse(b, false)
}

// parse reads a piece without the headers of packets.
func (p *MetadataParser) parse(b []byte, packets bool) error {
	switch {
	case p.json != nil:
		return p.json.Parse(b)
	case p.text != nil:
		return p.text.Parse(b)
	case len(b) > 0 && b[0] == 0x1e:
		json := ctf2.NewParser()
		err := json.Parse(b)
		if err == nil {
			p.json = json
		}
		return err
	default:
		text := tsdl.NewParser(tsdl.Config{Packets: packets})
		err := text.Parse(b)
		if err == nil {
			p.text = text
		}
		return err
	}
}

// Trace returns what has been declared so far, nil before the trace itself has.
func (p *MetadataParser) Trace() *schema.Trace {
	switch {
	case p.json != nil:
		return p.json.Trace()
	case p.text != nil:
		return p.text.Trace()
	default:
		return nil
	}
}

// Warnings returns what was odd in the pieces since the last call.
func (p *MetadataParser) Warnings() []string {
	var all []string
	if p.text != nil {
		for _, w := range p.text.Warnings() {
			all = append(all, w.String())
		}
	}
	if p.json != nil {
		for _, w := range p.json.Warnings() {
			all = append(all, w.Error())
		}
	}
	fresh := all[min(p.told, len(all)):]
	p.told = len(all)
	return fresh
}

// ParseMetadata reads the whole metadata of a trace: the contents of the file
// "metadata". Errors are of type [*MetadataError], [*tsdl.Error] or
// [*ctf2.Error].
func ParseMetadata(b []byte) (t *schema.Trace, warnings []string, err error) {
	var p MetadataParser
	if err := p.Parse(b); err != nil {
		return nil, nil, err
	}
	t = p.Trace()
	if t == nil {
		return nil, nil, errNoTraceDeclared
	}
	return t, p.Warnings(), nil
}

var errNoTraceDeclared = &MetadataError{0, "text", "no trace declared", "a trace block, or the fragments of CTF 2"}

// wholeMetadata returns the length of the whole packets that metadata begin
// with, or that of all where there are no packets.
func wholeMetadata(b []byte) int {
	order := metadataOrder(b)
	if order == nil {
		return len(b)
	}
	at := 0
	for len(b)-at >= MetadataHeaderLen {
		size := int(order.Uint32(b[at+28:]) / 8)
		if size < MetadataHeaderLen || size > len(b)-at {
			break
		}
		at += size
	}
	return at
}

// metadataOrder returns the byte order of packets of metadata, nil for a plain
// text.
func metadataOrder(b []byte) binary.ByteOrder {
	switch {
	case len(b) < 4:
		return nil
	case binary.LittleEndian.Uint32(b) == MetadataMagic:
		return binary.LittleEndian
	case binary.BigEndian.Uint32(b) == MetadataMagic:
		return binary.BigEndian
	default:
		return nil
	}
}

// MetadataText returns the text or fragments within a metadata stream, be it
// packets or plain.
func MetadataText(b []byte) ([]byte, error) {
	order := metadataOrder(b)
	if order == nil {
		return b, nil
	}
	return new(MetadataParser).unpack(b, order)
}

// unpack returns the contents of packets, one behind the other.
func (p *MetadataParser) unpack(b []byte, order binary.ByteOrder) ([]byte, error) {
	var text []byte
	for at := 0; at < len(b); {
		content, size, err := p.header(b, at, order)
		if err != nil {
			return nil, err
		}
		end := min(at+content, len(b))
		text = append(text, b[at+MetadataHeaderLen:end]...)
		at += size // what padding lacks at the end nobody misses
	}
	return text, nil
}

// header reads the header of the packet at an offset, and returns the sizes of
// its content and of all of it in bytes.
func (p *MetadataParser) header(b []byte, at int, order binary.ByteOrder) (content, size int, err error) {
	bad := func(field, got, want string) (int, int, error) {
		return 0, 0, &MetadataError{at, field, got, want}
	}
	h := b[at:]
	if len(h) < MetadataHeaderLen {
		return bad("header", strconv.Itoa(len(h))+" bytes", strconv.Itoa(MetadataHeaderLen))
	}
	if magic := order.Uint32(h); magic != MetadataMagic {
		return bad("magic", fmt.Sprintf("%#x", magic), fmt.Sprintf("%#x", MetadataMagic))
	}
	if id := [16]byte(h[4:20]); p.uuid == nil {
		p.uuid = &id
	} else if !bytes.Equal(p.uuid[:], id[:]) {
		return bad("uuid", schema.UUID(id).String(), schema.UUID(*p.uuid).String()+", as in the packet before")
	}
	if v := [2]byte(h[35:37]); v != [2]byte{1, 8} && v != [2]byte{2, 0} {
		return bad("version", fmt.Sprintf("%d.%d", v[0], v[1]), "1.8 or 2.0")
	}
	if sum := order.Uint32(h[20:]); sum != 0 {
		return bad("checksum", fmt.Sprintf("%#x", sum), "none")
	}
	for i, name := range [...]string{"compression scheme", "encryption scheme", "checksum scheme"} {
		if h[32+i] != 0 {
			return bad(name, strconv.Itoa(int(h[32+i])), "none")
		}
	}
	c, s := order.Uint32(h[24:]), order.Uint32(h[28:])
	switch {
	case c < 8*MetadataHeaderLen || c%8 != 0:
		return bad("content size", strconv.Itoa(int(c))+" bits", "whole bytes, at least those of the header")
	case s < c || s%8 != 0:
		return bad("packet size", strconv.Itoa(int(s))+" bits", "whole bytes, at least the content's "+strconv.Itoa(int(c))+" bits")
	case int(c/8) > len(h):
		return bad("content size", strconv.Itoa(int(c/8))+" bytes", "at most the "+strconv.Itoa(len(h))+" that there are")
	}
	return int(c / 8), int(s / 8), nil
}
