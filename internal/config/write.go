// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"bytes"
	"fmt"
	"io"
	"strings"
)

// WriteTOML writes the effective configuration as a file that Load reads.
// Behind each value that is not a default stands where it was set.
func (c *Config) WriteTOML(w io.Writer) error {
	var b bytes.Buffer
	for i, sec := range c.sections() {
		if i > 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "[%s]\n", sec.name)
		for _, s := range sec.settings {
			fmt.Fprintf(&b, "%s = %s", s.name, s.text())
			if origin := c.origins[s.key()]; origin != "" {
				fmt.Fprintf(&b, " # %s", strings.Map(printable, origin))
			}
			b.WriteByte('\n')
		}
	}
	_, err := w.Write(b.Bytes())
	return err
}

// WriteTemplate writes the configuration with every key's description as a
// comment: a file to start from.
func (c *Config) WriteTemplate(w io.Writer) error {
	var b bytes.Buffer
	for i, sec := range c.sections() {
		if i > 0 {
			b.WriteByte('\n')
		}
		writeComment(&b, sec.doc)
		fmt.Fprintf(&b, "[%s]\n", sec.name)
		for _, s := range sec.settings {
			b.WriteByte('\n')
			writeComment(&b, s.doc)
			fmt.Fprintf(&b, "%s = %s\n", s.name, s.text())
		}
	}
	_, err := w.Write(b.Bytes())
	return err
}

// Values returns section → key → value for JSON; sizes and durations are text.
func (c *Config) Values() map[string]map[string]any {
	values := make(map[string]map[string]any)
	for _, sec := range c.sections() {
		table := make(map[string]any)
		for _, s := range sec.settings {
			table[s.name] = s.value()
		}
		values[sec.name] = table
	}
	return values
}

// printable keeps control characters of a file name out of a comment.
func printable(r rune) rune {
	if r < ' ' || r == 0x7f {
		return '?'
	}
	return r
}

// writeComment writes text as comment lines of at most 76 columns.
func writeComment(b *bytes.Buffer, text string) {
	line := "#"
	for word := range strings.FieldsSeq(text) {
		if len(line)+1+len(word) > 76 && line != "#" {
			fmt.Fprintln(b, line)
			line = "#"
		}
		line += " " + word
	}
	fmt.Fprintln(b, line)
}
