// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tsdl

import "fmt"

// kind is the kind of a token.
type kind uint8

const (
	tEOF kind = iota
	tIdent
	tInteger
	tString
	tChar
	// Punctuation.
	tLBracket
	tRBracket
	tLParen
	tRParen
	tLBrace
	tRBrace
	tLess
	tGreater
	tArrow
	tStar
	tPlus
	tMinus
	tAssign // :=
	tColon
	tSemicolon
	tEllipsis
	tDot
	tEqual
	tComma
	// Keywords that are words of C's types.
	tVoid
	tCharType
	tShort
	tInt
	tLong
	tFloat
	tDouble
	tSigned
	tUnsigned
	tBool
	tComplex
	tImaginary
	tConst
	// Keywords that begin a type of CTF.
	tIntegerType
	tFloatingPoint
	tStringType
	tStruct
	tVariant
	tEnum
	// Keywords that begin a declaration.
	tTypealias
	tTypedef
	tTrace
	tEnv
	tClock
	tStream
	tEvent
	tCallsite
	tAlign
)

func (k kind) isKeyword() bool  { return k >= tVoid }
func (k kind) isWord() bool     { return k == tIdent || k.isKeyword() }
func (k kind) isCWord() bool    { return k >= tVoid && k <= tConst }
func (k kind) beginsType() bool { return k >= tVoid && k <= tEnum }
func (k kind) isBlock() bool    { return k >= tTrace && k <= tCallsite }

// punctuation spells the tokens that have one spelling and are no words.
var punctuation = [...]string{
	tLBracket: "[", tRBracket: "]", tLParen: "(", tRParen: ")", tLBrace: "{",
	tRBrace: "}", tLess: "<", tGreater: ">", tArrow: "->", tStar: "*",
	tPlus: "+", tMinus: "-", tAssign: ":=", tColon: ":", tSemicolon: ";",
	tEllipsis: "...", tDot: ".", tEqual: "=", tComma: ",",
}

var keywords = map[string]kind{
	"void": tVoid, "char": tCharType, "short": tShort, "int": tInt,
	"long": tLong, "float": tFloat, "double": tDouble, "signed": tSigned,
	"unsigned": tUnsigned, "_Bool": tBool, "_Complex": tComplex,
	"_Imaginary": tImaginary, "const": tConst,
	"integer": tIntegerType, "floating_point": tFloatingPoint,
	"string": tStringType, "struct": tStruct, "variant": tVariant, "enum": tEnum,
	"typealias": tTypealias, "typedef": tTypedef, "trace": tTrace, "env": tEnv,
	"clock": tClock, "stream": tStream, "event": tEvent, "callsite": tCallsite,
	"align": tAlign,
}

// token is a lexical element: bytes pos to end of the text.
type token struct {
	kind     kind
	pos, end int
}

func (b *batch) text(t token) string { return b.src[t.pos:t.end] }

// maxDescribed bounds how much of a token an error shows.
const maxDescribed = 40

// describe names a token for an error.
func (b *batch) describe(t token) string {
	if t.kind == tEOF {
		return "end of text"
	}
	text := b.text(t)
	if len(text) > maxDescribed {
		text = text[:maxDescribed] + "…"
	}
	if t.kind == tString || t.kind == tChar {
		return "string " + fmt.Sprintf("%q", text)
	}
	return fmt.Sprintf("%q", text)
}
