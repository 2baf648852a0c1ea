// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ctf2

import (
	"bytes"
	"encoding/json"
	"strconv"
	"unicode/utf8"
)

// jsonText is JSON in the making. Commas come by themselves.
type jsonText struct{ b []byte }

// comma separates the next value or property from the one before.
func (t *jsonText) comma() {
	switch t.b[len(t.b)-1] {
	case '{', '[', ':', recordSeparator:
	default:
		t.b = append(t.b, ',')
	}
}

// open begins an object or array; the byte is its bracket.
func (t *jsonText) open(bracket byte) {
	t.comma()
	t.b = append(t.b, bracket)
}

func (t *jsonText) close(bracket byte) { t.b = append(t.b, bracket) }

// key begins a property, whose value has to follow.
func (t *jsonText) key(name string) {
	t.text(name)
	t.b = append(t.b, ':')
}

func (t *jsonText) uint(v uint64) {
	t.comma()
	t.b = strconv.AppendUint(t.b, v, 10)
}

func (t *jsonText) int(v int64) {
	t.comma()
	t.b = strconv.AppendInt(t.b, v, 10)
}

// raw adds a JSON value that is complete, without its white space.
func (t *jsonText) raw(v []byte) error {
	t.comma()
	b := bytes.NewBuffer(t.b)
	err := json.Compact(b, v)
	t.b = b.Bytes()
	return err
}

const hexDigits = "0123456789abcdef"

// text adds a string. Bytes that are not UTF-8 become U+FFFD.
func (t *jsonText) text(s string) {
	t.comma()
	t.b = append(t.b, '"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			t.b = append(t.b, '\\', byte(r))
		case r == '\n':
			t.b = append(t.b, `\n`...)
		case r < ' ':
			t.b = append(t.b, `\u00`...)
			t.b = append(t.b, hexDigits[r>>4], hexDigits[r&15])
		default:
			t.b = utf8.AppendRune(t.b, r)
		}
	}
	t.b = append(t.b, '"')
}

// textProperty adds a property that is a string.
func (t *jsonText) textProperty(name, v string) {
	t.key(name)
	t.text(v)
}

// someText adds a property that is a string, unless it is empty.
func (t *jsonText) someText(name, v string) {
	if v != "" {
		t.textProperty(name, v)
	}
}

// uintProperty adds a property that is an integer without sign.
func (t *jsonText) uintProperty(name string, v uint64) {
	t.key(name)
	t.uint(v)
}
