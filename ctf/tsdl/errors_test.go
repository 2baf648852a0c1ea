// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tsdl

import (
	"fmt"
	"strings"
	"testing"
)

// prelude is what the texts of tests begin with, on the first line.
const prelude = "/* CTF 1.8 */ trace { major = 1; minor = 8; byte_order = le; }; " +
	"typealias integer { size = 8; } := u8; \n"

// TestErrors reads texts that are wrong in one place. Where a text does not
// begin with the signature the prelude stands before it, so that it begins on
// line 2.
func TestErrors(t *testing.T) {
	tests := []struct{ name, text, want string }{
		// Lexical.
		{"no token", "  @", `line 2, column 3: got byte 0x40, want a token`},
		{"comment without end", "/* x", `line 2, column 1: comment without end`},
		{"string without end", `env { a = "x`, `line 2, column 11: string without end: got end of text, want "`},
		{"zero in a string", "env { a = \"x\x00\"; };", `line 2, column 13: string: got a byte of zero`},
		{"bad escape", `env { a = "x\q"; };`, `line 2, column 13: string: got "\\q", want an escape of C`},
		{"hexadecimal escape without digits", `env { a = "\x"; };`, `line 2, column 12: string: got "\\x", want an escape of C`},
		{"escape at the end", `env { a = "\`, `line 2, column 12: string: got "\\", want an escape of C`},
		{"wide string", `env { a = L"x"; };`, `line 2, column 11: wide string: got "L", want a string of bytes`},
		{"escape in a name", `env { a\u12 = 1; };`, `line 2, column 8: escape in an identifier: want \uXXXX or \UXXXXXXXX`},
		{"too large", `env { a = 18446744073709551616; };`, `line 2, column 11: integer: got "18446744073709551616", want at most 18446744073709551615`},
		{"octal digit", `env { a = 08; };`, `line 2, column 11: integer: got "08", want digits of base 8`},
		{"hexadecimal digits", `env { a = 0x; };`, `line 2, column 11: integer: got "0x", want digits of base 16`},
		{"underscore in an integer", `env { a = 1_0; };`, `line 2, column 11: integer: got "1_0", want digits of base 10`},
		{"underscore in a long integer", `env { a = 1000000000_0; };`, `line 2, column 11: integer: got "1000000000_0", want digits of base 10`},
		{"suffix", `env { a = 1lul; };`, `line 2, column 11: integer: got "1lul", want a suffix of u, l, ll or none`},
		{"mixed suffix", `env { a = 1lL; };`, `line 2, column 11: integer: got "1lL", want a suffix of u, l, ll or none`},
		{"negative too large", `env { a = -9223372036854775809; };`, `line 2, column 12: got "9223372036854775809", want at most 9223372036854775808 after a minus sign`},

		// The root.
		{"empty", "/* CTF 1.8 */", `line 1, column 14: got end of text, want a trace block`},
		{"no trace block", "/* CTF 1.8 */\nenv { };\n", `line 3, column 1: got end of text, want a trace block`},
		{"version in the signature", "/* CTF 2.0 */", `line 1, column 8: version in the signature: got "2.0", want 1.8`},
		{"two trace blocks", `trace { major = 1; minor = 8; byte_order = be; };`, `line 2, column 1: second trace block`},
		{"no declaration", `hello;`, `line 2, column 1: got "hello", want declaration`},
		{"empty declaration", `;`, `line 2, column 1: got ";", want declaration`},
		{"no semicolon", `env { } event`, `line 2, column 9: got "event", want ";"`},
		{"closing brace", `};`, `line 2, column 1: got "}", want declaration`},
		{"no block", `stream;`, `line 2, column 7: got ";", want "{"`},
		{"no end", `env { a = 1;`, `line 2, column 13: got end of text, want name of an environment entry`},
		{"braces too deep", strings.Repeat("struct a {", 73), `line 2, column 730: braces nested deeper than 72`},

		// Attributes.
		{"no name", `clock { 5 = 6; };`, `line 2, column 9: got "5", want clock attribute`},
		{"no equals", `clock { name; };`, `line 2, column 13: got ";", want "="`},
		{"no equals where types may be", `event { name; };`, `line 2, column 13: got ";", want "=" or ":="`},
		{"no value", `clock { name = ; };`, `line 2, column 16: got ";", want value`},
		{"sign without integer", `clock { offset_s = - x; };`, `line 2, column 22: got "x", want integer`},
		{"parenthesis", `clock { freq = (5; };`, `line 2, column 18: got ";", want ")"`},
		{"path", `clock { name = a.; };`, `line 2, column 18: got ";", want name after "."`},
		{"index", `clock { name = a[x]; };`, `line 2, column 18: got "x", want index`},
		{"index without end", `clock { name = a[1; };`, `line 2, column 19: got ";", want "]"`},
		{"adjacent strings", `clock { name = "a" "b"; };`, `line 2, column 20: got string "\"b\"", want ";"`},
		{"twice", `clock { name = c; name = c; };`, `line 2, column 19: clock attribute "name" given twice`},

		// Trace.
		{"no major", "/* CTF 1.8 */ trace { minor = 8; byte_order = le; };", `line 1, column 15: trace block without attribute "major"`},
		{"no minor", "/* CTF 1.8 */ trace { major = 1; byte_order = le; };", `line 1, column 15: trace block without attribute "minor"`},
		{"no byte order", "/* CTF 1.8 */ trace { major = 1; minor = 8; };", `line 1, column 15: trace block without attribute "byte_order"`},
		{"native", "/* CTF 1.8 */ trace { major = 1; minor = 8; byte_order = native; };", `line 1, column 58: "byte_order": got "native", want le, be or network`},
		{"byte order a type", "/* CTF 1.8 */ trace { major = 1; minor = 8; byte_order := string; };", `line 1, column 59: "byte_order": got a type, want le, be or network`},
		{"byte order a number", "/* CTF 1.8 */ trace { byte_order = 1; };", `line 1, column 36: "byte_order": got 1, want le, be or network`},
		{"byte order nothing", "/* CTF 1.8 */ trace { byte_order = ; };", `line 1, column 36: got ";", want value`},
		{"major", "/* CTF 1.8 */ trace { major = 2; minor = 8; byte_order = le; };", `line 1, column 31: "major": got 2, want 1`},
		{"uuid", "/* CTF 1.8 */ trace { byte_order = le; uuid = \"23bcb96c-bd3e-e848-80df-ef52ba4dde3\"; };", `line 1, column 47: "uuid": got "23bcb96c-bd3e-e848-80df-ef52ba4dde3", want a UUID of 8-4-4-4-12 hexadecimal digits`},
		{"uuid with another digit", "/* CTF 1.8 */ trace { byte_order = le; uuid = \"23bcb96c-bd3e-e848-80df-ef52ba4dde3g\"; };", `line 1, column 47: "uuid": got "23bcb96c-bd3e-e848-80df-ef52ba4dde3g", want a UUID of 8-4-4-4-12 hexadecimal digits`},
		{"uuid without a dash", "/* CTF 1.8 */ trace { byte_order = le; uuid = \"23bcb96c-bd3e0e848-80df-ef52ba4dde33\"; };", `line 1, column 47: "uuid": got "23bcb96c-bd3e0e848-80df-ef52ba4dde33", want a UUID of 8-4-4-4-12 hexadecimal digits`},
		{"uuid a number", "/* CTF 1.8 */ trace { byte_order = le; uuid = 5; };", `line 1, column 47: "uuid": got 5, want a string`},
		{"header a string", "/* CTF 1.8 */ trace { byte_order = le; packet.header := string; };", `line 1, column 57: "packet.header": got a string, want a struct`},
		{"header a value", "/* CTF 1.8 */ trace { byte_order = le; packet.header = 5; };", `line 1, column 56: "packet.header": got 5, want a struct, assigned with :=`},
		{"major a type", "/* CTF 1.8 */ trace { byte_order = le; major := string; };", `line 1, column 49: "major": got a type, want 1`},

		// Environment.
		{"environment without value", `env { a; };`, `line 2, column 8: got ";", want "="`},
		{"environment with a typedef", `env { typedef u8 x; };`, `line 2, column 15: got "u8", want "="`},

		// Clocks.
		{"clock without name", `clock { freq = 1; };`, `line 2, column 1: clock without attribute "name"`},
		{"clock twice", `clock { name = c; }; clock { name = c; };`, `line 2, column 22: second clock "c"`},
		{"frequency", `clock { name = c; freq = 0; };`, `line 2, column 26: "freq": got 0, want an integer of at least 1`},
		{"offset", `clock { name = c; offset = -1; };`, `line 2, column 28: "offset": got -1, want an integer of at least 0`},
		{"offset_s", `clock { name = c; offset_s = 9223372036854775808; };`, `line 2, column 30: "offset_s": got 9223372036854775808, want a signed integer of 64 bits`},
		{"offset overflows", `clock { name = c; freq = 1; offset_s = 9223372036854775807; offset = 1; };`, `line 2, column 1: clock "c": offset beyond 64 bits`},
		{"offset overflows far", `clock { name = c; freq = 1; offset = 18446744073709551615; };`, `line 2, column 1: clock "c": offset beyond 64 bits`},
		{"absolute", `clock { name = c; absolute = yes; };`, `line 2, column 30: "absolute": got "yes", want true, false or an integer`},

		// Callsites.
		{"callsite", `callsite { a; };`, `line 2, column 13: got ";", want "="`},
		{"callsite without value", `callsite { a = ; };`, `line 2, column 16: got ";", want value`},
		{"callsite without name", `callsite { 5 };`, `line 2, column 12: got "5", want callsite attribute`},
		{"callsite without semicolon", `callsite { a = 5 };`, `line 2, column 18: got "}", want ";"`},
		{"callsite without block", `callsite;`, `line 2, column 9: got ";", want "{"`},

		// Streams and events.
		{"second stream without id", `stream { }; stream { };`, `line 2, column 13: stream without attribute "id" beside another stream`},
		{"second stream", `stream { }; stream { id = 1; };`, `line 2, column 13: second stream, but the packet header has no stream_id`},
		{"stream twice", "/* CTF 1.8 */ trace { byte_order = le; major = 1; minor = 8; packet.header := struct { integer { size = 8; } stream_id; }; };\nstream { id = 3; }; stream { id = 3; };", `line 2, column 21: second stream with id 3`},
		{"stream id", `stream { id = -1; };`, `line 2, column 15: "id": got -1, want an integer of at least 0`},
		{"event without name", `event { id = 1; };`, `line 2, column 1: event without attribute "name"`},
		{"event name", `event { name = 5; };`, `line 2, column 16: "name": got 5, want a string`},
		{"event on no stream", `stream { }; event { name = e; stream_id = 5; };`, `line 2, column 13: event "e": no stream with id 5`},
		{"second event without id", `stream { event.header := struct { u8 id; }; }; event { name = a; }; event { name = b; };`, `line 2, column 69: event "b" without attribute "id" in a stream with several events`},
		{"event twice", `stream { event.header := struct { u8 id; }; }; event { name = a; id = 0; }; event { name = b; id = 0; };`, `line 2, column 77: event "b": second event with id 0 in stream 0`},
		{"second event without ids in the data", `event { name = a; }; event { name = b; id = 1; };`, `line 2, column 22: event "b": a second event in stream 0, whose event header has no id`},
		{"event of two streams", "/* CTF 1.8 */ trace { byte_order = le; major = 1; minor = 8; packet.header := struct { integer { size = 8; } stream_id; }; };\nstream { id = 3; }; stream { id = 4; }; event { name = e; };", `line 2, column 41: event "e" without attribute "stream_id" in a trace with several streams`},
		{"log level", `event { name = e; loglevel = -1; };`, `line 2, column 30: "loglevel": got -1, want an integer of at least 0`},
		{"fields", `event { name = e; fields := u8; };`, `line 2, column 29: "fields": got an unsigned integer, want a struct`},
		{"context", `event { name = e; context := enum : u8 { a }; };`, `line 2, column 30: "context": got an enumeration, want a struct`},
		{"header", `stream { event.header := floating_point { exp_dig = 8; mant_dig = 24; }; };`, `line 2, column 26: "event.header": got a floating point number, want a struct`},
		{"variant as fields", `event { name = e; fields := variant <x> { u8 a; }; };`, `line 2, column 29: "fields": got a variant, want a struct`},
		{"signed as fields", `event { name = e; fields := integer { size = 8; signed = true; }; };`, `line 2, column 29: "fields": got a signed integer, want a struct`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { checkError(t, tt.text, tt.want) })
	}
}

func checkError(t *testing.T, text, want string) {
	t.Helper()
	if !strings.HasPrefix(text, "/* CTF ") {
		text = prelude + text
	}
	tr, err := Parse([]byte(text))
	if err == nil {
		t.Fatalf("accepted, want %q; schema:\n%s", want, dump(tr))
	}
	e, ok := err.(*Error)
	if !ok {
		t.Fatalf("error of type %T: %v", err, err)
	}
	if got := strings.TrimPrefix(e.Error(), "tsdl: "); got != want {
		t.Errorf("got error\n%s, want\n%s", got, want)
	}
	line := strings.Split(text, "\n")[e.Line-1]
	if lines := strings.SplitAfter(text, "\n"); e.Offset != len(strings.Join(lines[:e.Line-1], ""))+e.Column-1 || e.Column > len(line)+1 {
		t.Errorf("offset %d is not line %d, column %d", e.Offset, e.Line, e.Column)
	}
}

// TestTypeErrors reads wrong types, in the fields of an event: they begin at
// the first column of line 3.
func TestTypeErrors(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"no type", `5 x;`, `line 3, column 1: got "5", want type`},
		{"unknown type", `u9 x;`, `line 3, column 1: got "u9", want name of a type`},
		{"no alias", `unsigned int x;`, `line 3, column 1: no type alias "unsigned int"`},
		{"const behind is part of the name", `u8 const x;`, `line 3, column 1: no type alias "u8 const"`},
		{"no pointer alias", `u8 *x;`, `line 3, column 1: no type alias "u8 *"`},
		{"pointer to a class", `integer { size = 8; } *x;`, `line 3, column 1: pointer to a type without name`},
		{"no field name", `u8;`, `line 3, column 3: got ";", want name`},
		{"keyword as name", `u8 event;`, `line 3, column 4: got "event", want name that is neither keyword nor type`},
		{"type as name", `u8 u8;`, `line 3, column 6: got ";", want name`},
		{"type as second name", `u8 a, u8;`, `line 3, column 7: got "u8", want name that is neither keyword nor type`},
		{"name twice", `u8 a; string a;`, `line 3, column 14: second field "a" in a struct`},
		{"bit field", `u8 a : 3;`, `line 3, column 6: bit fields of C are not part of CTF: use an integer's size`},
		{"parentheses", `u8 (a);`, `line 3, column 4: got "(", want name`},
		{"no comma", `u8 a b;`, `line 3, column 6: got "b", want ";"`},

		{"negative length", `u8 a[-1];`, `line 3, column 6: length: got -1, want an unsigned integer`},
		{"no length", `u8 a[];`, `line 3, column 6: got "]", want value`},
		{"length without end", `u8 a[1;`, `line 3, column 7: got ";", want "]"`},
		{"length of no environment", `u8 a[env.n];`, `line 3, column 6: length: the environment has no unsigned integer "n"`},
		{"length with an index", `u8 a[b[1]];`, `line 3, column 6: reference: got "b[1]", want names of fields joined with dots`},
		{"length with nothing", `u8 a[""];`, `line 3, column 6: reference: got "", want names of fields joined with dots`},
		{"arrays too deep", `u8 a` + strings.Repeat("[1]", 65) + `;`, `line 3, column 4: arrays nested deeper than 64`},

		{"size", `integer { align = 8; } x;`, `line 3, column 1: integer without attribute "size"`},
		{"size zero", `integer { size = 0; } x;`, `line 3, column 18: "size": got 0, want an integer from 1 to 64`},
		{"size too large", `integer { size = 65; } x;`, `line 3, column 18: "size": got 65, want an integer from 1 to 64`},
		{"size a string", `integer { size = "8"; } x;`, `line 3, column 18: "size": got "8", want an integer from 1 to 64`},
		{"align", `integer { align = 3; } x;`, `line 3, column 19: "align": got 3, want a power of two`},
		{"align zero", `integer { align = 0; } x;`, `line 3, column 19: "align": got 0, want an integer from 1 to 2147483648`},
		{"signed", `integer { signed = maybe; } x;`, `line 3, column 20: "signed": got "maybe", want true, false or an integer`},
		{"byte order", `integer { byte_order = pdp; } x;`, `line 3, column 24: "byte_order": got "pdp", want le, be, network or native`},
		{"base", `integer { base = 7; } x;`, `line 3, column 18: "base": got 7, want 2, 8, 10, 16 or a word for one of them`},
		{"base word", `integer { base = seven; } x;`, `line 3, column 18: "base": got "seven", want 2, 8, 10, 16 or a word for one of them`},
		{"encoding", `integer { encoding = EBCDIC; } x;`, `line 3, column 22: "encoding": got "EBCDIC", want none, UTF8 or ASCII`},
		{"map", `integer { map = 5; } x;`, `line 3, column 17: "map": got 5, want clock.NAME.value`},
		{"unknown clock", `integer { map = clock.c.value; } x;`, `line 3, column 17: no clock "c"`},
		{"type in an integer", `integer { size := u8; } x;`, `line 3, column 16: got ":=", want "="`},
		{"attribute without end", `integer { size = 8 } x;`, `line 3, column 20: got "}", want ";"`},
		{"integer without block", `integer x;`, `line 3, column 9: got "x", want "{"`},

		{"exponent", `floating_point { exp_dig = 8; mant_dig = 53; } x;`, `line 3, column 1: floating_point: exp_dig and mant_dig: got 8 and 53, want 8 and 24, or 11 and 53`},
		{"float align", `floating_point { align = 5; } x;`, `line 3, column 26: "align": got 5, want a power of two`},
		{"exponent a word", `floating_point { exp_dig = x; } x;`, `line 3, column 28: "exp_dig": got "x", want an integer of at least 0`},
		{"string encoding", `string { encoding = UTF16; } x;`, `line 3, column 21: "encoding": got "UTF16", want none, UTF8 or ASCII`},

		{"no struct", `struct nothing x;`, `line 3, column 8: no struct "nothing"`},
		{"struct without name", `struct x;`, `line 3, column 8: no struct "x"`},
		{"struct without all", `struct ;`, `line 3, column 8: got ";", want name or "{"`},
		{"struct align", `struct { } align(3) x;`, `line 3, column 18: "align": got 3, want a power of two`},
		{"struct align without parenthesis", `struct { } align 8 x;`, `line 3, column 18: got "8", want "("`},
		{"struct align without end", `struct { } align(8 x;`, `line 3, column 20: got "x", want ")"`},
		{"struct align nothing", `struct { } align() x;`, `line 3, column 18: got ")", want value`},

		{"variant without tag", `variant { u8 a; } x;`, `event.fields: variant "x" has no tag`},
		{"variant without options", `enum : u8 { a } t; variant <t> { } x;`, `line 3, column 32: variant without options`},
		{"no variant", `variant v <t> x;`, `line 3, column 9: no variant "v"`},
		{"option twice", `variant <t> { u8 a; u8 a; } x;`, `line 3, column 24: second field "a" in a variant`},
		{"tag a string", `variant <"t"> { u8 a; } x;`, `line 3, column 10: got string "\"t\"", want name of a tag`},
		{"tag without end", `variant <t { u8 a; } x;`, `line 3, column 12: got "{", want ">"`},
		{"tag nothing", `variant <> { u8 a; } x;`, `line 3, column 10: got ">", want name of a tag`},
		{"tag with an index", `variant <t[1]> { u8 a; } x;`, `line 3, column 10: reference: got "t[1]", want names of fields joined with dots`},
		{"tag no enumeration", `u8 t; variant <t> { u8 a; } x;`, `line 3, column 16: event.fields: field "x" refers to "t": not an enumeration`},
		{"option without label", `enum : u8 { a } t; variant <t> { u8 a; u8 b; } x;`, `line 3, column 29: event.fields: field "x.b" refers to "t": it has no label "b" for the option`},
		{"alias of a variant without tag", `typealias variant { u8 a; } := x;`, `line 3, column 32: type "x" is a variant without tag`},
		{"variant of a variant", `variant v { u8 a; } x; variant v y;`, `event.fields: variant "x" has no tag`},
		{"bad option", `variant <t> { 5 a; } x;`, `line 3, column 15: got "5", want type`},

		{"enumeration without type", `enum { a } x;`, `line 3, column 6: enumeration without type, and no integer type alias "int"`},
		{"enumeration without all", `enum ;`, `line 3, column 6: got ";", want name, ":" or "{"`},
		{"no enumeration", `enum nothing x;`, `line 3, column 6: no enum "nothing"`},
		{"enumeration of strings", `enum : string { a } x;`, `line 3, column 8: got "string", want integer type`},
		{"enumeration of enumerations", `enum e : u8 { a } x; typealias enum e := f; enum : f { b } y;`, `line 3, column 52: type of an enumeration: got an enumeration, want an integer`},
		{"enumeration of nothing", `enum : { a } x;`, `line 3, column 8: got "{", want integer type`},
		{"enumeration of unknown", `enum : u9 { a } x;`, `line 3, column 8: got "u9", want name of a type`},
		{"enumeration of no alias", `enum : int { a } x;`, `line 3, column 8: no type alias "int"`},
		{"enumeration of half an integer", `enum : integer { } { a } x;`, `line 3, column 8: integer without attribute "size"`},
		{"no label", `enum : u8 { } x;`, `line 3, column 13: got "}", want label`},
		{"two commas", `enum : u8 { a,, } x;`, `line 3, column 15: got ",", want label`},
		{"no comma between labels", `enum : u8 { a b } x;`, `line 3, column 15: got "b", want ",", "=" or "}"`},
		{"no braces", `enum : u8 x;`, `line 3, column 11: got "x", want "{"`},
		{"label's value", `enum : u8 { a = b } x;`, `line 3, column 17: got "b", want integer`},
		{"label's end", `enum : u8 { a = 1 ... } x;`, `line 3, column 23: got "}", want integer`},
		{"range backwards", `enum : u8 { a = 3 ... 2 } x;`, `line 3, column 17: range ends before it begins`},
		{"value far too small", `enum : integer { size = 64; signed = true; } { a = -9223372036854775809 } x;`, `line 3, column 53: got "9223372036854775809", want at most 9223372036854775808 after a minus sign`},
		{"no value left", `enum : integer { size = 1; } { a, b, c } x;`, `line 3, column 40: no value left for label "c"`},
		{"no value left of 64 bits", `enum : integer { size = 64; } { a = 18446744073709551615, b } x;`, `line 3, column 61: no value left for label "b"`},

		{"alias twice", `typealias string := x; typealias u8 := x;`, `line 3, column 40: type alias "x" declared twice`},
		{"alias of the root again is another", `typealias string := u8; u8 x; 5`, `line 3, column 31: got "5", want type`},
		{"struct twice", `struct s { } x; struct s { } y;`, `line 3, column 24: struct "s" declared twice`},
		{"variant twice", `enum : u8 { a } t; variant v <t> { u8 a; } x; variant v <t> { u8 a; } y;`, `line 3, column 55: variant "v" declared twice`},
		{"enumeration twice", `enum e : u8 { a } x; enum e : u8 { a } y;`, `line 3, column 27: enum "e" declared twice`},
		{"alias without name", `typealias u8 := ;`, `line 3, column 17: got ";", want name of a type`},
		{"alias with a field's name", `typealias u8 x := y;`, `line 3, column 14: got "x", want ":="`},
		{"alias of nothing", `typealias := y;`, `line 3, column 11: got ":=", want type`},
		{"alias of no length", `typealias u8 [] := y;`, `line 3, column 15: got "]", want value`},
		{"alias of no alias", `typealias int := y;`, `line 3, column 11: no type alias "int"`},
		{"typedef without name", `typedef u8;`, `line 3, column 11: got ";", want name`},
		{"typedef of nothing", `typedef x;`, `line 3, column 9: got "x", want name of a type`},
		{"typedef of no alias", `typedef int x;`, `line 3, column 9: no type alias "int"`},
		{"typedef of words and a class", `unsigned typedef string x;`, `line 3, column 18: type after the words "unsigned"`},
		{"typedef twice", `typedef u8 x; typedef string x;`, `line 3, column 30: got "x", want name that is neither keyword nor type`},

		{"reference to nothing", `u8 a[n];`, `line 3, column 6: event.fields: field "a" refers to "n": no such field before it`},
		{"reference to what comes later", `u8 a[n]; u8 n;`, `line 3, column 6: event.fields: field "a" refers to "n": no such field before it`},
		{"reference to itself", `u8 a[a];`, `line 3, column 6: event.fields: field "a" refers to "a": it is the field itself or encloses it`},
		{"reference to an ancestor", `struct { u8 a[s]; } s;`, `line 3, column 15: event.fields: field "s.a" refers to "s": it is the field itself or encloses it`},
		{"absolute reference to what comes later", `u8 a[event.fields.n]; u8 n;`, `line 3, column 6: event.fields: field "a" refers to "event.fields.n": it is decoded later`},
		{"absolute reference to nothing", `u8 a[event.fields.n];`, `line 3, column 6: event.fields: field "a" refers to "event.fields.n": no such field`},
		{"reference to a scope that is not there", `u8 a[event.context.n];`, `line 3, column 6: event.fields: field "a" refers to "event.context.n": the scope is not declared`},
		{"reference to a header that is not there", `u8 a[trace.packet.header.n];`, `line 3, column 6: event.fields: field "a" refers to "trace.packet.header.n": the scope is not declared`},
		{"reference through an integer", `u8 n; u8 a[n.x];`, `line 3, column 12: event.fields: field "a" refers to "n.x": no such field before it`},
		{"reference into an array", `struct { u8 n; } s[2]; u8 a[s.n];`, `line 3, column 29: event.fields: field "a" refers to "s.n": it is inside an array`},
		{"reference to a signed integer", `integer { size = 8; signed = true; } n; u8 a[n];`, `line 3, column 46: event.fields: field "a" refers to "n": not an unsigned integer`},
		{"reference to a string", `string n; u8 a[n];`, `line 3, column 16: event.fields: field "a" refers to "n": not an unsigned integer`},
		{"reference of a text", `integer { size = 8; encoding = UTF8; } a[n];`, `line 3, column 42: event.fields: field "a" refers to "n": no such field before it`},
		{"reference of a struct's array", `struct { u8 a[n]; } s[2];`, `line 3, column 15: event.fields: field "s.a" refers to "n": no such field before it`},
		{"reference of an option", `enum : u8 { a } t; variant <t> { u8 a[n]; } v;`, `line 3, column 39: event.fields: field "v.a" refers to "n": no such field before it`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			want := tt.want
			if !strings.HasPrefix(want, "line ") {
				want = "line 2, column 29: " + want // of the scope
			}
			checkError(t, prelude+"event { name = e; fields := struct {\n"+tt.text+"\n}; };", want)
		})
	}
}

// TestScopeErrors reads scopes whose reserved fields are wrong.
func TestScopeErrors(t *testing.T) {
	const (
		header  = "trace.packet.header"
		context = "stream.packet.context"
		event   = "stream.event.header"
	)
	tests := []struct{ name, scope, text, want string }{
		{"magic", header, "string magic;", `member "magic" is a string, want an unsigned integer`},
		{"magic not first", header, "u8 x; u32 magic;", `member "magic" is not the first`},
		{"magic's size", header, "u8 magic;", `member "magic" has 8 bits, want 32`},
		{"stream_id", header, "integer { size = 8; signed = true; } stream_id;", `member "stream_id" is a signed integer, want an unsigned integer`},
		{"uuid", header, "u8 uuid[15];", `member "uuid" is not an array of 16 unsigned bytes`},
		{"uuid a sequence", header, "u8 n; u8 uuid[n];", `member "uuid" is not an array of 16 unsigned bytes`},
		{"uuid of words", header, "u32 uuid[16];", `member "uuid" is not an array of 16 unsigned bytes`},
		{"time in a header", header, "integer { size = 8; map = clock.c.value; } x;", `field "x" is mapped to clock "c", but a packet header has no time`},
		{"packet_size", context, "string packet_size;", `member "packet_size" is a string, want an unsigned integer`},
		{"timestamp_end", context, "integer { size = 8; signed = true; } timestamp_end;", `timestamp "timestamp_end" is mapped to none of 2 clocks`},
		{"timestamp_end signed", context, "integer { size = 8; signed = true; map = clock.c.value; } timestamp_end;", `member "timestamp_end" is a signed integer, want an unsigned integer`},
		{"id", event, "floating_point { exp_dig = 8; mant_dig = 24; } id;", `member "id" is a floating point number, want an unsigned integer`},
		{"which clock", event, "u8 id; u8 timestamp;", `timestamp "timestamp" is mapped to none of 2 clocks`},
		{"two clocks", event, "integer { size = 8; map = clock.c.value; } a; struct { integer { size = 8; map = clock.d.value; } b[2]; } s;", `field "s.b" is mapped to clock "d", other fields of stream 0 to "c"`},
		{"two clocks, one of characters", event, "integer { size = 8; map = clock.c.value; } a; integer { size = 8; encoding = UTF8; map = clock.d.value; } b[2];", `field "b" is mapped to clock "d", other fields of stream 0 to "c"`},
		{"later scope", context, "u8 a[stream.event.header.n];", `field "a" refers to "stream.event.header.n": the scope is decoded later`},
		{"element of another scope", event, "u8 a[stream.packet.context.s.n];", `field "a" refers to "stream.packet.context.s.n": it is inside an array`},
		{"unknown in another scope", event, "u8 a[stream.packet.context.m];", `field "a" refers to "stream.packet.context.m": no such field`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			scopes := map[string]string{context: "struct { u8 n; } s[2];"}
			scopes[tt.scope] = tt.text
			text := fmt.Sprintf(`/* CTF 1.8 */
				typealias integer { size = 8; } := u8; typealias integer { size = 32; } := u32;
				trace { major = 1; minor = 8; byte_order = le; packet.header := struct { %s }; };
				clock { name = c; }; clock { name = d; };
				stream { packet.context := struct { %s }; event.header := struct { %s }; };`,
				scopes[header], scopes[context], scopes[event])
			_, err := Parse([]byte(text))
			if err == nil || !strings.HasSuffix(err.Error(), ": "+tt.scope+": "+tt.want) {
				t.Errorf("got error %v, want %s: %s", err, tt.scope, tt.want)
			}
		})
	}
}
