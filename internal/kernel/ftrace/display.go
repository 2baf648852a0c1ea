// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ftrace

import "strings"

// Display is what an event's print format tells of its fields.
type Display struct {
	Base    map[string]uint8    // fields printed in base 8 or 16
	Symbols map[string][]Symbol // fields printed as names, by __print_symbolic
}

// Symbol is the name of a value. Value is a 64-bit pattern, two's complement
// where it is negative.
type Symbol struct {
	Value uint64
	Name  string
}

// Display reads the print format. What it does not understand it leaves out: the
// print format is C, and any expression may be in it.
func (f *Format) Display() Display {
	d := Display{Base: map[string]uint8{}, Symbols: map[string][]Symbol{}}
	format, rest := leadingString(f.Print)
	arguments := splitTop(rest)
	for i, base := range conversions(format) {
		if i >= len(arguments) {
			break
		}
		if name, ok := fieldOf(arguments[i]); ok && base != 0 {
			d.Base[name] = base
		}
	}
	const call = "__print_symbolic("
	for rest := f.Print; ; {
		_, after, ok := strings.Cut(rest, call)
		if !ok {
			break
		}
		rest = after
		d.symbolic(splitTop(after[:endOfGroup(after)]))
	}
	return d
}

// symbolic notes the arguments of a __print_symbolic when all of them are clear.
func (d *Display) symbolic(arguments []string) {
	if len(arguments) < 2 {
		return
	}
	name, ok := fieldOf(arguments[0])
	if !ok || d.Symbols[name] != nil {
		return
	}
	var symbols []Symbol
	for _, a := range arguments[1:] {
		a, isPair := strings.CutPrefix(strings.TrimSpace(a), "{")
		a, isClosed := strings.CutSuffix(a, "}")
		pair := splitTop(a)
		if !isPair || !isClosed || len(pair) != 2 {
			return
		}
		value, ok := constant(pair[0])
		if end := strings.TrimSpace(pair[1]); end == "0" || end == "((void *)0)" {
			continue // the end of a table, which some events' macros put there
		}
		label, rest := leadingString(pair[1])
		if !ok || label == "" || strings.TrimSpace(rest) != "" {
			return
		}
		symbols = append(symbols, Symbol{value, label})
	}
	d.Symbols[name] = symbols
}

// leadingString reads the string literals that text begins with, joined.
func leadingString(text string) (s, rest string) {
	var b strings.Builder
	for {
		text = strings.TrimLeft(text, " \t\n")
		if !strings.HasPrefix(text, `"`) {
			return b.String(), strings.TrimPrefix(text, ",")
		}
		i := 1
		for i < len(text) && text[i] != '"' {
			if text[i] == '\\' && i+1 < len(text) {
				i++
				b.WriteByte(unescaped(text[i]))
			} else {
				b.WriteByte(text[i])
			}
			i++
		}
		text = text[min(i+1, len(text)):]
	}
}

func unescaped(c byte) byte {
	switch c {
	case 'n':
		return '\n'
	case 't':
		return '\t'
	default:
		return c
	}
}

// splitTop splits text at the commas that are in no parentheses, braces,
// brackets or strings.
func splitTop(text string) []string {
	var parts []string
	for {
		n := endOfItem(text)
		parts = append(parts, text[:n])
		if n == len(text) || text[n] != ',' {
			return parts
		}
		text = text[n+1:]
	}
}

// endOfItem is the offset of the first comma of text, outside of all groups, or
// of the bracket that closes the group around it, or the text's end.
func endOfItem(text string) int { return scan(text, true) }

// endOfGroup is the offset of the bracket that closes the group that text is in,
// or the text's end.
func endOfGroup(text string) int { return scan(text, false) }

func scan(text string, atComma bool) int {
	depth := 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '(', '{', '[':
			depth++
		case ')', '}', ']':
			if depth == 0 {
				return i
			}
			depth--
		case ',':
			if depth == 0 && atComma {
				return i
			}
		case '"':
			for i++; i < len(text) && text[i] != '"'; i++ {
				if text[i] == '\\' {
					i++
				}
			}
		}
	}
	return len(text)
}

// conversions tells for each argument of a format the base in which it is printed, 8
// or 16; 0 stands for any other.
func conversions(format string) []uint8 {
	var bases []uint8
	for {
		_, after, ok := strings.Cut(format, "%")
		if !ok {
			return bases
		}
		i := 0
		for i < len(after) && strings.IndexByte("0123456789.-+ #*hlLqjzt", after[i]) >= 0 {
			if after[i] == '*' {
				bases = append(bases, 0)
			}
			i++
		}
		if i == len(after) {
			return bases
		}
		if after[i] != '%' {
			bases = append(bases, baseOf(after[i]))
		}
		format = after[i+1:]
	}
}

func baseOf(conversion byte) uint8 {
	switch conversion {
	case 'o':
		return 8
	case 'x', 'X', 'p':
		return 16
	default:
		return 0
	}
}

// fieldOf returns the field that an expression is: REC->NAME, perhaps in
// parentheses and cast.
func fieldOf(text string) (name string, ok bool) {
	for {
		text = strings.TrimSpace(text)
		if name, ok = strings.CutPrefix(text, "REC->"); ok {
			return name, name != "" && strings.IndexFunc(name, notName) < 0
		}
		if !strings.HasPrefix(text, "(") {
			return "", false
		}
		n := 1 + endOfGroup(text[1:])
		if n >= len(text) {
			return "", false
		}
		if n == len(text)-1 {
			text = text[1:n]
			continue
		}
		if !isCast(text[1:n]) {
			return "", false
		}
		text = text[n+1:]
	}
}

func notName(r rune) bool {
	return r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
}

// isCast reports whether what stands in parentheses is a type.
func isCast(text string) bool {
	text = strings.TrimSpace(text)
	return text != "" && !(text[0] >= '0' && text[0] <= '9') &&
		strings.IndexFunc(text, func(r rune) bool { return notName(r) && r != ' ' && r != '*' }) < 0
}
