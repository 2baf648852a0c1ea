// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tsdl

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/weir-io/weir/ctf/schema"
)

// Limits of what a parser accepts.
const (
	DefaultMaxBytes = 256 << 20 // of all batches together
	MaxDepth        = 64        // of fields in one another
	MaxDeclarations = 1 << 20   // at the root of one batch
	MaxFields       = 2 << 20   // of all scopes of a trace together, aliases expanded
)

// maxNesting bounds braces in one another and names in a reference: what is
// around fields needs some beyond their depth.
const maxNesting = MaxDepth + 8

// Config bounds a [Parser]. The zero value holds the defaults.
type Config struct {
	MaxBytes int // of all batches together; 0: DefaultMaxBytes

	// Packets says that the text comes from packets, whose headers have the
	// version: that it does not begin with the signature is no reason to warn.
	Packets bool
}

// Parser reads the metadata of one trace, in one piece or as they come. It is
// not safe for concurrent use.
type Parser struct {
	config   Config
	trace    *schema.Trace
	root     *scope
	warnings []Warning
	end      Position // of the text so far: lines, bytes in the last line, bytes
	fields   int      // of all scopes
	lttng    bool     // the environment names a tracer of LTTng
	known    bool     // the trace block has been read

	refs   map[*schema.Ref]Position // where references of types at the root stand
	intern map[string]string        // names, each once
}

// NewParser returns a parser for the metadata of a trace.
func NewParser(c Config) *Parser {
	if c.MaxBytes <= 0 {
		c.MaxBytes = DefaultMaxBytes
	}
	return &Parser{
		config: c,
		trace:  &schema.Trace{Version: schema.CTF1},
		root:   newScope(nil),
		refs:   make(map[*schema.Ref]Position),
		intern: make(map[string]string),
	}
}

// Parse reads a whole metadata text. Errors are of type [*Error].
func Parse(text []byte) (*schema.Trace, error) {
	p := NewParser(Config{})
	if err := p.Parse(text); err != nil {
		return nil, err
	}
	if !p.known {
		b := &batch{p: p} // at the end of what p has read
		return nil, b.mismatch(0, "", "end of text", "a trace block")
	}
	return p.trace, nil
}

// Trace returns what the metadata so far declare, nil before the trace block
// has come. Later batches add to it.
func (p *Parser) Trace() *schema.Trace {
	if !p.known {
		return nil
	}
	return p.trace
}

// Warnings returns the remarks on the metadata so far, at most [MaxWarnings].
func (p *Parser) Warnings() []Warning { return slices.Clip(p.warnings) }

// Parse reads a batch of whole declarations and adds them to the trace. The
// first batch that declares anything must have the trace block. A batch may
// add clocks, types, environment, streams and events; it cannot change any.
//
// After an error nothing of the batch is in the trace, and another batch may
// be tried in its place. Errors are of type [*Error].
func (p *Parser) Parse(text []byte) error {
	b := &batch{
		p:         p,
		trace:     *p.trace,
		root:      newScope(p.root),
		fields:    p.fields,
		lttng:     p.lttng,
		refs:      make(map[*schema.Ref]Position),
		index:     make(map[schema.Class]map[string]int),
		labels:    make(map[*schema.Integer]map[string][]schema.Range),
		ids:       make(map[eventKey]bool),
		hasEvents: make(map[*schema.Stream]bool),
	}
	if len(text) > p.config.MaxBytes-p.end.Offset {
		return b.mismatch(0, "metadata too large", "more than the limit",
			"at most "+itoa(p.config.MaxBytes)+" bytes")
	}
	b.src = string(text)
	b.trace.Env = slices.Clip(b.trace.Env)
	b.trace.Clocks = slices.Clip(b.trace.Clocks)
	b.trace.Streams = slices.Clip(b.trace.Streams)
	if err := b.run(); err != nil {
		return err
	}
	b.commit()
	return nil
}

// batch is the reading of one text: what it declares waits here until all of it
// has been found good.
type batch struct {
	p   *Parser
	src string
	lx  lexer
	tok token // current

	trace     schema.Trace // the parser's, with what the batch adds
	root      *scope       // within the parser's
	events    []pendingEvent
	ids       map[eventKey]bool // of events
	hasEvents map[*schema.Stream]bool
	warnings  []Warning
	fields    int
	lttng     bool
	blocks    int // trace blocks read

	refs   map[*schema.Ref]Position // as the parser's, of this batch
	labels map[*schema.Integer]map[string][]schema.Range
	index  map[schema.Class]map[string]int
	mark   mark
}

type pendingEvent struct {
	stream *schema.Stream
	event  *schema.Event
}

type eventKey struct {
	stream *schema.Stream
	id     uint64
}

// declaration is one at the root: bytes pos to end.
type declaration struct {
	kind kind // of its first token; anything that is no block is a type
	pos  int
}

// processing is the order in which blocks are read, whatever their order in
// the text; types, which are read in theirs, come before the trace.
var processing = []kind{tEnv, tClock, tEOF, tCallsite, tTrace, tStream, tEvent}

func (b *batch) run() error {
	if err := b.checkSignature(); err != nil {
		return err
	}
	decls, err := b.scan()
	if err != nil || len(decls) == 0 {
		return err
	}
	if err := b.findByteOrder(decls); err != nil {
		return err
	}
	for _, k := range processing {
		if k == tStream && !b.p.known && b.blocks == 0 {
			return b.mismatch(len(b.src), "", "end of text", "a trace block")
		}
		for _, d := range decls {
			if d.kind != k {
				continue
			}
			b.seek(d.pos)
			if err := b.declaration(k); err != nil {
				return err
			}
		}
	}
	return nil
}

// commit makes the batch part of the trace.
func (b *batch) commit() {
	p := b.p
	*p.trace = b.trace
	for _, e := range b.events {
		e.stream.AddEvent(e.event)
	}
	p.known = p.known || b.blocks > 0
	if b.root.declares() {
		p.root.merge(b.root)
		maps.Copy(p.refs, b.refs)
	}
	slices.SortStableFunc(b.warnings, func(x, y Warning) int { return cmp.Compare(x.Offset, y.Offset) })
	p.warnings = append(p.warnings, b.warnings...)
	p.fields, p.lttng = b.fields, b.lttng
	if n := strings.Count(b.src, "\n"); n > 0 {
		p.end.Line += n
		p.end.Column = 0
	}
	p.end.Column += len(b.src) - (strings.LastIndexByte(b.src, '\n') + 1)
	p.end.Offset += len(b.src)
}

// signature begins each metadata text of CTF 1.8.
const signature = "/* CTF 1.8"

func (b *batch) checkSignature() error {
	if b.p.known || strings.HasPrefix(b.src, signature) {
		return nil
	}
	if version, ok := strings.CutPrefix(b.src, "/* CTF "); ok {
		version, _, _ = strings.Cut(version, " ")
		return b.mismatch(len("/* CTF "), "version in the signature",
			quoteShort(version), "1.8")
	}
	if b.p.config.Packets {
		return nil
	}
	b.warnf(0, "no signature %q at the begin", signature+" */")
	return nil
}

// scan finds the declarations at the root, and every text that is no token, so
// that what reads them later can rely on tokens.
func (b *batch) scan() ([]declaration, error) {
	var decls []declaration
	lx, depth, within := lexer{src: b.src}, 0, false
	for {
		t, lexErr := lx.next()
		if lexErr != nil {
			return nil, b.mismatch(lexErr.pos, lexErr.msg, lexErr.got, lexErr.want)
		}
		if t.kind == tEOF {
			return decls, nil
		}
		if !within {
			if len(decls) == MaxDeclarations {
				return nil, b.failf(t.pos, "more than %d declarations", MaxDeclarations)
			}
			d := declaration{tEOF, t.pos}
			if t.kind.isBlock() {
				d.kind = t.kind
			}
			decls, within = append(decls, d), true
		}
		switch t.kind {
		case tLBrace:
			depth++
			if depth > maxNesting {
				return nil, b.failf(t.pos, "braces nested deeper than %d", maxNesting)
			}
		case tRBrace:
			depth--
		case tSemicolon:
			within = depth > 0
		}
	}
}

// seek makes the token at an offset the current one.
func (b *batch) seek(pos int) {
	b.lx = lexer{src: b.src, pos: pos}
	b.next()
}

// next makes the following token the current one. The text has been scanned:
// there are no errors any more.
func (b *batch) next() { b.tok, _ = b.lx.next() }

// peek returns the token after the current one.
func (b *batch) peek() token {
	lx := b.lx
	t, _ := lx.next()
	return t
}

// accept goes past a token of a kind if it is the current one.
func (b *batch) accept(k kind) bool {
	if b.tok.kind != k {
		return false
	}
	b.next()
	return true
}

// expect goes past a token that must be there.
func (b *batch) expect(k kind) error {
	if !b.accept(k) {
		return b.unexpected(`"` + punctuation[k] + `"`)
	}
	return nil
}

// name returns a name, of which there is one copy for all metadata.
func (b *batch) name(s string) string {
	if n, ok := b.p.intern[s]; ok {
		return n
	}
	n := strings.Clone(s)
	b.p.intern[n] = n
	return n
}

// declaration reads one at the root.
func (b *batch) declaration(k kind) error {
	var err error
	switch k {
	case tEnv:
		err = b.env()
	case tClock:
		err = b.clock()
	case tCallsite:
		err = b.callsite()
	case tTrace:
		err = b.traceBlock()
	case tStream:
		err = b.stream()
	case tEvent:
		err = b.event()
	default:
		err = b.rootType()
	}
	if err != nil {
		return err
	}
	return b.expect(tSemicolon)
}
