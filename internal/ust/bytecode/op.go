// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package bytecode

import "github.com/weir-io/weir/internal/filter"

// Operations of programs: a byte, and operands. Values are on a stack; an operation of two
// takes both and leaves one. Those here do not depend on types: applications replace them
// by those that do.
const (
	OpReturn       = 1
	OpRightShift   = 7 // the first of two integers that leaves one
	OpLeftShift    = 8
	OpAnd          = 9
	OpOr           = 10
	OpXor          = 11 // the last
	OpEqual        = 12 // the first comparison
	OpNotEqual     = 13
	OpGreater      = 14
	OpLess         = 15
	OpGreaterEqual = 16
	OpLessEqual    = 17 // the last
	OpPlus         = 48
	OpNegate       = 49
	OpNot          = 50
	OpSkipIfFalse  = 57 // u16: where to go on when the value is 0, else it is dropped
	OpSkipIfTrue   = 58 // u16: where to go on when it is not
	OpField        = 59 // u16: of no meaning, the table tells the name
	OpText         = 64 // text with a zero byte; a star at its end is any bytes
	OpInteger      = 65 // i64
	OpFloat        = 66 // f64
	OpTruth        = 67 // of a value of any type
	OpFloatTruth   = 68
	OpNothing      = 69
	OpContext      = 70 // as OpField
	OpPattern      = 76 // as OpText, with stars anywhere
	OpContexts     = 79 // what follows leads from there
	OpAppContexts  = 80
	OpPayload      = 81
	OpName         = 82 // u16: offset of the name in the table
	OpIndex16      = 84 // u16
	OpIndex        = 85 // u64
	OpLoad         = 86 // what the path has led to
	OpInvert       = 98
)

// operations are those between two values.
var operations = map[filter.Op]byte{
	filter.ShiftRight:   OpRightShift,
	filter.ShiftLeft:    OpLeftShift,
	filter.BitAnd:       OpAnd,
	filter.BitOr:        OpOr,
	filter.BitXor:       OpXor,
	filter.Equal:        OpEqual,
	filter.NotEqual:     OpNotEqual,
	filter.Greater:      OpGreater,
	filter.Less:         OpLess,
	filter.GreaterEqual: OpGreaterEqual,
	filter.LessEqual:    OpLessEqual,
}

// roots are where paths begin.
var roots = map[filter.Root]byte{filter.Bare: OpPayload, filter.Context: OpContexts, filter.App: OpAppContexts}
