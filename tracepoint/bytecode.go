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
	"github.com/weir-io/weir/internal/ust/bytecode"
	"github.com/weir-io/weir/internal/ust/wire"
)

// filterCode is a filter as the daemon sends it: instructions, and then the names that
// they refer to.
type filterCode struct {
	code  []byte
	names []byte // entries of the place of an instruction, u16, and a text
}

// Limits of a program.
const (
	maxStack        = 10 // as LTTng's interpreter has it
	maxInstructions = 4096
)

// instruction is one of a linked program.
type instruction struct {
	op      uint8
	to      int // bytecode.OpSkipIfFalse, bytecode.OpSkipIfTrue: instruction to go on at
	integer int64
	float   float64
	text    literal
	field   int // bytecode.OpField
	index   int // bytecode.OpField: element of a slice, or -1
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
	*filterCode
	event  *Event
	at     int // in the code
	starts map[int]int
	jumps  []int // instructions that have a place of the code for their to
	made   []instruction
	root   uint8 // bytecode.OpContexts or bytecode.OpPayload, for the symbol that follows
}

// link makes a program of the bytecode for an event. An error is one of the bytecode,
// or tells of what the event does not have: none of its events passes.
func (b *filterCode) link(e *Event) ([]instruction, error) {
	l := &linker{filterCode: b, event: e, starts: make(map[int]int)}
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
	case op == bytecode.OpReturn, op >= bytecode.OpRightShift && op <= bytecode.OpLessEqual, op >= bytecode.OpPlus && op <= bytecode.OpNot, op == bytecode.OpInvert,
		op >= bytecode.OpTruth && op <= bytecode.OpNothing:
	case op == bytecode.OpSkipIfFalse || op == bytecode.OpSkipIfTrue:
		if b, err = l.operand(2); err == nil {
			in.to = int(le.Uint16(b))
			l.jumps = append(l.jumps, len(l.made))
		}
	case op == bytecode.OpInteger, op == bytecode.OpFloat:
		if b, err = l.operand(8); err == nil {
			in.integer, in.float = int64(le.Uint64(b)), math.Float64frombits(le.Uint64(b))
		}
	case op == bytecode.OpText, op == bytecode.OpPattern:
		var text string
		if text, err = l.literal(); err == nil {
			if before := firstStar(text); op == bytecode.OpText && before != text {
				text = before + "*" // what is behind is not looked at
			}
			in.op, in.text = bytecode.OpText, newLiteral(text)
		}
	case op == bytecode.OpField, op == bytecode.OpContext:
		if _, err = l.operand(2); err == nil {
			err = l.resolve(&in, strings.TrimPrefix(l.nameOf(start), "$ctx."), op)
		}
	case op == bytecode.OpPayload, op == bytecode.OpContexts:
		l.root = op
		return nil
	case op == bytecode.OpName:
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
	in := instruction{op: bytecode.OpField, index: -1}
	if l.root == bytecode.OpContexts {
		in.op = bytecode.OpContext
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
		case bytecode.OpLoad:
			return nil
		case bytecode.OpIndex16:
			if b, err = l.operand(2); err == nil {
				n = uint64(le.Uint16(b))
			}
		case bytecode.OpIndex:
			if b, err = l.operand(8); err == nil {
				n = le.Uint64(b)
			}
		default:
			err = errBytecode
		}
		if err != nil || in.op != bytecode.OpField || in.index >= 0 || n > math.MaxInt32 {
			return errBytecode
		}
		in.index = int(n)
	}
}

// resolve finds a field of the event, or a context.
func (l *linker) resolve(in *instruction, name string, op uint8) error {
	if op == bytecode.OpContext {
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
