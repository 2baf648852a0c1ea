// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package bytecode

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/weir-io/weir/internal/filter"
)

// MaxLen bounds a program with its table: applications take no longer one.
const MaxLen = 65535

// maxStack is how many values applications have room for.
const maxStack = 10

// Program is a filter for applications. It is immutable.
type Program struct {
	// Bytes are the instructions and, from Table on, the table of names.
	Bytes []byte
	Table uint32
}

// Compile makes the program of an expression.
func Compile(e *filter.Expr) (*Program, error) {
	if err := e.Check(filter.LTTng); err != nil {
		return nil, err
	}
	var c compiler
	c.node(e.Root(), 1)
	c.code = append(c.code, OpReturn)
	switch size := len(c.code) + len(c.table); {
	case c.deepest > maxStack:
		return nil, fmt.Errorf("filter %q: %d values are needed at a time, applications have room for %d", e.Text(), c.deepest, maxStack)
	case c.zero:
		return nil, fmt.Errorf("filter %q: a text with a zero byte, where texts end", e.Text())
	case size > MaxLen:
		return nil, fmt.Errorf("filter of %d bytes as a program, want at most %d", size, MaxLen)
	}
	return &Program{Bytes: append(c.code, c.table...), Table: uint32(len(c.code))}, nil
}

var le = binary.LittleEndian

// compiler appends instructions. Offsets of more than 16 bits are cut: the program is
// too long then.
type compiler struct {
	code, table []byte
	deepest     int
	zero        bool // a text has a zero byte
}

// node appends what leaves the value of a node, as the depth-th one, on the stack.
func (c *compiler) node(n filter.Node, depth int) {
	c.deepest = max(c.deepest, depth)
	switch n := n.(type) {
	case *filter.Int: // also a large one is taken as signed
		c.code = le.AppendUint64(append(c.code, OpInteger), n.Value)
	case *filter.Float:
		c.code = le.AppendUint64(append(c.code, OpFloat), math.Float64bits(n.Value))
	case *filter.Text:
		c.text(n)
	case *filter.Field:
		c.field(n)
	case *filter.Unary:
		c.node(n.X, depth)
		c.unary(n.Op)
	case *filter.Binary:
		if n.Op.Logical() {
			c.logical(n, depth)
			return
		}
		c.node(n.X, depth)
		c.node(n.Y, depth+1)
		c.code = append(c.code, operations[n.Op])
	}
}

func (c *compiler) unary(op filter.Op) {
	switch op {
	case filter.Not:
		c.code = append(c.code, OpNot)
	case filter.BitNot:
		c.code = append(c.code, OpInvert)
	case filter.Negate:
		c.code = append(c.code, OpNegate)
	}
}

// logical appends && or ||, whose right side is skipped if the left one decides.
func (c *compiler) logical(n *filter.Binary, depth int) {
	op := byte(OpSkipIfFalse)
	if n.Op == filter.LogicalOr {
		op = OpSkipIfTrue
	}
	c.node(n.X, depth)
	c.truth(n.X)
	c.code = append(c.code, op, 0, 0)
	at := len(c.code) - 2
	c.node(n.Y, depth)
	c.truth(n.Y)
	le.PutUint16(c.code[at:], uint16(len(c.code)))
}

// truth makes a condition of a value that may be none.
func (c *compiler) truth(n filter.Node) {
	switch n := n.(type) {
	case *filter.Unary:
		c.truth(n.X)
	case *filter.Float:
		c.code = append(c.code, OpFloatTruth)
	case *filter.Field:
		c.code = append(c.code, OpTruth)
	}
}

// text appends a string, whose stars and backslashes are told from those that stand for
// something.
func (c *compiler) text(n *filter.Text) {
	text := n.Pattern.String()
	op := byte(OpText)
	if star := strings.IndexByte(unescaped(text), '*'); star >= 0 && star < len(text)-1 {
		op = OpPattern
	}
	c.zero = c.zero || strings.IndexByte(text, 0) >= 0
	c.code = append(append(append(c.code, op), text...), 0)
}

// unescaped has other bytes where a backslash and what follows it are.
func unescaped(text string) string {
	b := []byte(text)
	for i := 0; i < len(b); i++ {
		if b[i] == '\\' {
			b[i] = '-'
			if i++; i < len(b) {
				b[i] = '-'
			}
		}
	}
	return string(b)
}

// field appends what loads a field: without indexes in the way that all applications
// know.
func (c *compiler) field(n *filter.Field) {
	if !slices.ContainsFunc(n.Path, func(s filter.Step) bool { return s.Name == "" }) {
		op := byte(OpContext)
		if n.Root == filter.Bare {
			op = OpField
		}
		c.entry(len(c.code), n.String())
		c.code = append(c.code, op, 0xff, 0xff)
		return
	}
	c.code = append(c.code, roots[n.Root])
	for _, step := range n.Path {
		if step.Name == "" {
			c.code = le.AppendUint64(append(c.code, OpIndex), step.Index)
			continue
		}
		at := len(c.code)
		c.code = le.AppendUint16(append(c.code, OpName), uint16(len(c.table)+2))
		c.entry(at, step.Name)
	}
	c.code = append(c.code, OpLoad)
}

// entry appends a name to the table, with the instruction that it is for.
func (c *compiler) entry(at int, name string) {
	c.table = append(append(le.AppendUint16(c.table, uint16(at)), name...), 0)
}
