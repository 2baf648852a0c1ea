// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracepoint

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/weir-io/weir/internal/filter"
	"github.com/weir-io/weir/internal/ust/wire"
)

// bytecode is a filter as the daemon sends it: instructions, and then the names that
// they refer to.
type bytecode struct {
	code  []byte
	names []byte // entries of the place of an instruction, u16, and a text
}

// Instructions: a byte, and operands. Values are on a stack; an operation of two takes
// both and leaves one.
const (
	insReturn       = 1
	insShiftRight   = 7 // the first of two integers that leaves one
	insShiftLeft    = 8
	insAnd          = 9
	insOr           = 10
	insXor          = 11 // the last
	insEqual        = 12 // the first comparison
	insNotEqual     = 13
	insGreater      = 14
	insLess         = 15
	insGreaterEqual = 16
	insLessEqual    = 17 // the last
	insPlus         = 48
	insMinus        = 49
	insNot          = 50
	insBoth         = 57 // u16: where to go on when the value is 0, else it is taken away
	insEither       = 58 // u16: where to go on when it is not
	insField        = 59 // u16, for which there is a name
	insText         = 64 // text, which a star ends
	insInteger      = 65 // s64
	insFloat        = 66 // double
	insToInteger    = 67
	insFloatToInt   = 68
	insAsItIs       = 69
	insContext      = 70 // u16, for which there is a name
	insPattern      = 76 // text with stars
	insContexts     = 79 // then a symbol
	insPayload      = 81 // then a symbol
	insSymbol       = 82 // u16: where in the names; an index may follow
	insIndex16      = 84 // u16
	insIndex64      = 85 // u64
	insLoad         = 86
	insBitNot       = 98
)

// Limits of a program.
const (
	maxStack        = 10 // as LTTng's interpreter has it
	maxInstructions = 4096
)

// instruction is one of a linked program.
type instruction struct {
	op      uint8
	to      int // insBoth, insEither: instruction to go on at
	integer int64
	float   float64
	text    literal
	field   int // insField
	index   int // insField: element of a slice, or -1
	context contextWriter
}

// literal is a text of a filter.
type literal struct {
	pattern filter.Glob
	prefix  []byte // what is before the first star
	stars   bool
}

func newLiteral(pattern string) literal {
	l := literal{pattern: filter.NewGlob(pattern)}
	plain, ok := l.pattern.Plain()
	if l.stars = !ok; l.stars {
		text := firstStar(pattern)
		plain, _ = filter.NewGlob(text).Plain() // there is none
	}
	l.prefix = []byte(plain)
	return l
}

// firstStar is what is before the first star that is one.
func firstStar(pattern string) string {
	for i := 0; i < len(pattern); i++ {
		switch pattern[i] {
		case '\\':
			i++
		case '*':
			return pattern[:i]
		}
	}
	return pattern
}

// linker makes a program of bytecode for an event.
type linker struct {
	*bytecode
	event  *Event
	at     int // in the code
	starts map[int]int
	jumps  []int // instructions that have a place of the code for their to
	made   []instruction
	root   uint8 // insContexts or insPayload, for the symbol that follows
}

// link makes a program of the bytecode for an event. An error is one of the bytecode,
// or tells of what the event does not have: none of its events passes.
func (b *bytecode) link(e *Event) ([]instruction, error) {
	l := &linker{bytecode: b, event: e, starts: make(map[int]int)}
	for l.at < len(b.code) {
		if err := l.next(); err != nil {
			return nil, fmt.Errorf("filter of %s, instruction at %d: %w", e.name, l.at, err)
		}
		if len(l.made) > maxInstructions {
			return nil, fmt.Errorf("filter of %s: more than %d instructions", e.name, maxInstructions)
		}
	}
	for _, i := range l.jumps {
		to, ok := l.starts[l.made[i].to]
		if !ok || to <= i {
			return nil, fmt.Errorf("filter of %s: instruction %d goes on at %d", e.name, i, l.made[i].to)
		}
		l.made[i].to = to
	}
	return l.made, nil
}

var errBytecode = errors.New("not known, or torn")

// operand takes n bytes of the code.
func (l *linker) operand(n int) ([]byte, error) {
	if len(l.code)-l.at < n {
		return nil, errBytecode
	}
	l.at += n
	return l.code[l.at-n : l.at], nil
}

// literal takes a text with a zero byte at its end.
func (l *linker) literal() (string, error) {
	n := bytes.IndexByte(l.code[l.at:], 0)
	if n < 0 {
		return "", errBytecode
	}
	b, err := l.operand(n + 1)
	return string(b[:n]), err
}

// next links an instruction.
func (l *linker) next() error {
	start := l.at
	l.starts[start] = len(l.made)
	b, err := l.operand(1)
	if err != nil {
		return err
	}
	in := instruction{op: b[0], index: -1}
	switch op := in.op; {
	case op == insReturn, op >= insShiftRight && op <= insLessEqual, op >= insPlus && op <= insNot, op == insBitNot,
		op >= insToInteger && op <= insAsItIs:
	case op == insBoth || op == insEither:
		if b, err = l.operand(2); err == nil {
			in.to = int(le.Uint16(b))
			l.jumps = append(l.jumps, len(l.made))
		}
	case op == insInteger, op == insFloat:
		if b, err = l.operand(8); err == nil {
			in.integer, in.float = int64(le.Uint64(b)), math.Float64frombits(le.Uint64(b))
		}
	case op == insText, op == insPattern:
		var text string
		if text, err = l.literal(); err == nil {
			if before := firstStar(text); op == insText && before != text {
				text = before + "*" // what is behind is not looked at
			}
			in.op, in.text = insText, newLiteral(text)
		}
	case op == insField, op == insContext:
		if _, err = l.operand(2); err == nil {
			err = l.resolve(&in, strings.TrimPrefix(l.nameOf(start), "$ctx."), op)
		}
	case op == insPayload, op == insContexts:
		l.root = op
		return nil
	case op == insSymbol:
		return l.symbol()
	default:
		err = errBytecode
	}
	l.made = append(l.made, in)
	return err
}

// nameOf is the name for the instruction at a place.
func (l *linker) nameOf(at int) string {
	for b := l.names; len(b) > 2; {
		end := bytes.IndexByte(b[2:], 0)
		if end < 0 {
			return ""
		}
		if int(le.Uint16(b)) == at {
			return string(b[2 : 2+end])
		}
		b = b[2+end+1:]
	}
	return ""
}

// symbol links the way to a value: root, symbol, perhaps an index, load.
func (l *linker) symbol() error {
	b, err := l.operand(2)
	if err != nil || l.root == 0 || int(le.Uint16(b)) > len(l.names) {
		return errBytecode
	}
	name := l.names[le.Uint16(b):]
	end := bytes.IndexByte(name, 0)
	if end < 0 {
		return errBytecode
	}
	in := instruction{op: insField, index: -1}
	if l.root == insContexts {
		in.op = insContext
	}
	if err := l.resolve(&in, string(name[:end]), in.op); err != nil {
		return err
	}
	l.root = 0
	if err := l.element(&in); err != nil {
		return err
	}
	l.made = append(l.made, in)
	return nil
}

// element links what follows a symbol.
func (l *linker) element(in *instruction) error {
	for {
		b, err := l.operand(1)
		if err != nil {
			return err
		}
		n := uint64(0)
		switch b[0] {
		case insLoad:
			return nil
		case insIndex16:
			if b, err = l.operand(2); err == nil {
				n = uint64(le.Uint16(b))
			}
		case insIndex64:
			if b, err = l.operand(8); err == nil {
				n = le.Uint64(b)
			}
		default:
			err = errBytecode
		}
		if err != nil || in.op != insField || in.index >= 0 || n > math.MaxInt32 {
			return errBytecode
		}
		in.index = int(n)
	}
}

// resolve finds a field of the event, or a context.
func (l *linker) resolve(in *instruction, name string, op uint8) error {
	if op == insContext {
		kind, ok := wire.ParseContextName(name)
		if ok {
			in.context, ok = newContext(kind)
		}
		if !ok {
			return fmt.Errorf("no context %q", name)
		}
		return nil
	}
	for i := range l.event.fields {
		if l.event.fields[i].name == name {
			in.field = i
			return nil
		}
	}
	return fmt.Errorf("no field %q", name)
}
