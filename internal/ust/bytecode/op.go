// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package bytecode

import "github.com/weir-io/weir/internal/filter"

// Operations that do not depend on types: applications replace them by those that do.
const (
	opReturn       = 1
	opRightShift   = 7
	opLeftShift    = 8
	opAnd          = 9
	opOr           = 10
	opXor          = 11
	opEqual        = 12
	opNotEqual     = 13
	opGreater      = 14
	opLess         = 15
	opGreaterEqual = 16
	opLessEqual    = 17
	opNegate       = 49
	opNot          = 50
	opSkipIfFalse  = 57 // u16: where to; else the value is dropped
	opSkipIfTrue   = 58
	opField        = 59 // u16: of no meaning, the table tells the name
	opText         = 64 // text with a zero byte; a star at its end is any bytes
	opInteger      = 65 // i64
	opFloat        = 66 // f64
	opTruth        = 67 // of a value of any type
	opFloatTruth   = 68
	opContext      = 70 // as opField
	opPattern      = 76 // as opText, with stars anywhere
	opContexts     = 79 // what follows leads from there
	opAppContexts  = 80
	opPayload      = 81
	opName         = 82 // u16: offset of the name in the table
	opIndex        = 85 // u64
	opLoad         = 86 // what the path has led to
	opInvert       = 98
)

// operations are those between two values.
var operations = map[filter.Op]byte{
	filter.ShiftRight:   opRightShift,
	filter.ShiftLeft:    opLeftShift,
	filter.BitAnd:       opAnd,
	filter.BitOr:        opOr,
	filter.BitXor:       opXor,
	filter.Equal:        opEqual,
	filter.NotEqual:     opNotEqual,
	filter.Greater:      opGreater,
	filter.Less:         opLess,
	filter.GreaterEqual: opGreaterEqual,
	filter.LessEqual:    opLessEqual,
}

// roots are where paths begin.
var roots = map[filter.Root]byte{filter.Bare: opPayload, filter.Context: opContexts, filter.App: opAppContexts}
