// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ctf2

import (
	"bytes"
	"fmt"
	"maps"

	"github.com/weir-io/weir/ctf/schema"
)

// Limits of what a parser takes. A stream beyond them is refused.
const (
	MaxFragmentBytes   = 1 << 20
	MaxFragments       = 1 << 20
	MaxStreams         = 4096    // data stream classes, and as many clock classes
	MaxDepth           = 128     // of nested JSON objects and arrays
	MaxClassDepth      = 64      // of nested field classes, aliases followed
	MaxFragmentClasses = 1 << 16 // field classes of a fragment, each use of an alias counted
	MaxClasses         = 1 << 20 // field classes of the stream, likewise
	MaxTargets         = 64      // fields that one field location leads to
	MaxWarnings        = 100     // later ones are dropped
)

const recordSeparator = 0x1E

// Parser reads a metadata stream in the batches that a producer appends.
type Parser struct {
	trace *schema.Trace
	state
}

// state is what a parser knows beside the schema.
type state struct {
	fragments   int   // so far
	bytes       int64 // so far
	classes     int   // of the schema
	hasTrace    bool  // a trace class was read
	aliases     map[string]*node
	warnings    []*Error
	hasPreamble bool
}

// NewParser returns a parser at the start of a stream.
func NewParser() *Parser {
	return &Parser{trace: &schema.Trace{Version: schema.CTF2}}
}

// Trace is what the batches so far declare. Later ones add to it.
func (p *Parser) Trace() *schema.Trace { return p.trace }

// Warnings are what the batches so far say that no reader should rely on, the
// first [MaxWarnings] of them.
func (p *Parser) Warnings() []*Error { return p.warnings }

// Parse reads a batch: whole fragments, each after a record separator. Errors
// are of type [*Error]; after one the trace, and what the parser knows, is as
// it was before.
func (p *Parser) Parse(batch []byte) error {
	b := p.begin()
	if err := b.parse(batch); err != nil {
		return err
	}
	p.commit(b)
	return nil
}

// Parse reads a whole metadata stream.
func Parse(stream []byte) (*schema.Trace, error) {
	p := NewParser()
	if err := p.Parse(stream); err != nil {
		return nil, err
	}
	if !p.hasPreamble {
		return nil, &Error{Got: "no fragment", Want: "a preamble"}
	}
	return p.Trace(), nil
}

// batch is what a parser will know when the batch is read without an error.
type batch struct {
	state
	trace  schema.Trace // what the schema will be
	owner  *schema.Trace
	events []*schema.Event
	ids    map[eventID]bool // of events
}

type eventID struct{ stream, event uint64 }

func (p *Parser) begin() *batch {
	b := &batch{state: p.state, trace: *p.trace, owner: p.trace, ids: make(map[eventID]bool)}
	b.aliases = maps.Clone(p.aliases)
	if b.aliases == nil {
		b.aliases = make(map[string]*node)
	}
	return b
}

func (p *Parser) commit(b *batch) {
	p.state = b.state
	*p.trace = b.trace
	for _, e := range b.events {
		e.Stream.AddEvent(e)
	}
}

// parse reads the fragments one by one.
func (b *batch) parse(text []byte) error {
	if b.fragments > 0 { // the last fragment's line end may have come late
		rest := bytes.TrimLeft(text, " \t\r\n")
		b.bytes += int64(len(text) - len(rest))
		text = rest
	}
	for len(text) > 0 {
		if text[0] != recordSeparator {
			return &Error{
				Fragment: b.fragments, Offset: b.bytes,
				Got: fmt.Sprintf("byte %#02x", text[0]), Want: "a record separator, 0x1e",
			}
		}
		end := len(text)
		if next := bytes.IndexByte(text[1:], recordSeparator); next >= 0 {
			end = 1 + next
		}
		if err := b.fragment(text[1:end]); err != nil {
			return err
		}
		b.bytes += int64(end)
		text = text[end:]
	}
	return nil
}

// fragment reads one fragment. What holds nothing but white space is none: a
// record separator may be repeated.
func (b *batch) fragment(text []byte) error {
	if len(bytes.TrimSpace(text)) == 0 {
		return nil
	}
	src := &source{fragment: b.fragments, base: b.bytes + 1}
	at := &node{src: src}
	switch {
	case len(text) > MaxFragmentBytes:
		return failure(at, fmt.Sprintf("%d bytes", len(text)), fmt.Sprintf("at most %d bytes", MaxFragmentBytes))
	case b.fragments == MaxFragments:
		return failure(at, "another fragment", fmt.Sprintf("at most %d fragments", MaxFragments))
	}
	src.text = bytes.Clone(text) // aliases keep it
	root, err := parseObject(src)
	if err != nil {
		return err
	}
	r := &reader{batch: b, pending: make(map[schema.Class]*pending)}
	r.fragment(root)
	if b.classes += r.kept; b.classes > MaxClasses {
		r.fail(root, fmt.Sprintf("%d field classes so far", b.classes), fmt.Sprintf("at most %d", MaxClasses))
	}
	if r.err != nil {
		return r.err
	}
	b.fragments++
	return nil
}
