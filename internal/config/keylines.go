// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package config

import "strings"

// lineTable says on which line of a TOML text each key is first written.
type lineTable map[string]int

// keyLines scans a text that the TOML decoder has accepted. It follows table
// headers, dotted and quoted keys, and skips the inside of multi-line strings
// and arrays.
func keyLines(text string) lineTable {
	lines := make(lineTable)
	table := ""
	var in nesting
	for i, line := range strings.Split(text, "\n") {
		rest := strings.TrimSpace(line)
		if !in.open() {
			switch {
			case strings.HasPrefix(rest, "["):
				name, _ := parseKey(strings.TrimLeft(rest, "["))
				table = name
				lines.add(table, i+1)
				continue
			case rest != "" && rest[0] != '#':
				name, value := parseKey(rest)
				lines.add(join(table, name), i+1)
				rest = value
			}
		}
		in.feed(rest)
	}
	return lines
}

// of returns the line of a key. A key that is written only as part of longer
// ones ("x" of "x.y = 1") has the line of the first of them, a key inside an
// inline table the line of the table.
func (t lineTable) of(key string) int {
	if line, ok := t[key]; ok {
		return line
	}
	first := 0
	for k, line := range t {
		if strings.HasPrefix(k, key+".") && (first == 0 || line < first) {
			first = line
		}
	}
	if first > 0 {
		return first
	}
	if dot := strings.LastIndexByte(key, '.'); dot >= 0 {
		return t.of(key[:dot])
	}
	return 1
}

// add remembers the first line of a key.
func (t lineTable) add(key string, line int) {
	if _, ok := t[key]; !ok {
		t[key] = line
	}
}

// join puts a table's name before a key.
func join(table, name string) string {
	if table == "" {
		return name
	}
	return table + "." + name
}

// parseKey reads a possibly dotted and quoted key and returns it with dots
// between its parts, and what follows the "=" or "]" after it.
func parseKey(text string) (key, rest string) {
	var parts []string
	for {
		text = strings.TrimLeft(text, " \t")
		var part string
		if text != "" && (text[0] == '"' || text[0] == '\'') {
			end := strings.IndexByte(text[1:], text[0])
			if end < 0 {
				return strings.Join(parts, "."), ""
			}
			part, text = text[1:end+1], text[end+2:]
		} else {
			end := strings.IndexAny(text, " \t.=]")
			if end < 0 {
				end = len(text)
			}
			part, text = text[:end], text[end:]
		}
		parts = append(parts, part)
		text = strings.TrimLeft(text, " \t")
		if text == "" || text[0] != '.' {
			return strings.Join(parts, "."), strings.TrimLeft(text, "=]")
		}
		text = text[1:]
	}
}

// nesting tells whether a value goes on to the next line.
type nesting struct {
	quote    string // closing quotes of the multi-line string that is open
	brackets int    // arrays and inline tables that are open
}

// open reports whether the next line continues a value.
func (n *nesting) open() bool { return n.quote != "" || n.brackets > 0 }

// feed follows one line of a value.
func (n *nesting) feed(text string) {
	for text != "" {
		if n.quote != "" {
			end := closing(text, n.quote)
			if end < 0 {
				return
			}
			text, n.quote = text[end:], ""
			continue
		}
		switch {
		case strings.HasPrefix(text, `"""`), strings.HasPrefix(text, `'''`):
			n.quote, text = text[:3], text[3:]
			continue
		case text[0] == '"' || text[0] == '\'':
			end := closing(text[1:], text[:1])
			if end < 0 {
				return
			}
			text = text[1+end:]
			continue
		case text[0] == '#':
			return
		case text[0] == '[' || text[0] == '{':
			n.brackets++
		case text[0] == ']' || text[0] == '}':
			n.brackets--
		}
		text = text[1:]
	}
}

// closing returns the offset behind the closing quotes, or -1. In basic
// strings a backslash hides the character after it.
func closing(text, quote string) int {
	for i := 0; i+len(quote) <= len(text); i++ {
		if text[i] == '\\' && quote[0] == '"' {
			i++
			continue
		}
		if text[i:i+len(quote)] == quote {
			return i + len(quote)
		}
	}
	return -1
}
