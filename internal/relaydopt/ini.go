// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relaydopt

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

// maxINIBytes bounds a configuration file; lttng.conf has a few lines.
const maxINIBytes = 1 << 20

// iniEntry is one key and value of the wanted section.
type iniEntry struct {
	line       int // from 1
	key, value string
}

// parseINI returns the entries of one section and a complaint for each line
// that could not be read; nothing in a file is an error. The dialect is that of
// LTTng's daemons: `key = value` or `key: value`, comment lines that begin with
// ';' or '#', a comment after white space and ';' behind a value, a byte order
// mark at the start. Section and key names are compared as they stand. Other
// than there, an indented line is an entry of its own and never the
// continuation of the value before, which no option could use.
func parseINI(text []byte, section string) (entries []iniEntry, complaints []string) {
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	inside := false
	line := 0
	for raw := range bytes.Lines(text) {
		line++
		s := strings.TrimSpace(string(raw))
		switch {
		case s == "" || s[0] == ';' || s[0] == '#':
		case s[0] == '[':
			name, _, ok := strings.Cut(cutComment(s[1:]), "]")
			if !ok {
				complaints = append(complaints, fmt.Sprintf("line %d: section without closing bracket", line))
				continue
			}
			inside = name == section
		default:
			key, value, ok := cutPair(s)
			switch {
			case !ok:
				complaints = append(complaints, fmt.Sprintf("line %d: neither section, comment nor key=value", line))
			case inside:
				entries = append(entries, iniEntry{line, key, value})
			}
		}
	}
	return entries, complaints
}

// cutPair splits at the first '=', or the first ':' of a line without '='. A
// separator inside a comment does not count.
func cutPair(s string) (key, value string, ok bool) {
	for _, sep := range []string{"=", ":"} {
		key, value, ok = strings.Cut(s, sep)
		if ok && cutComment(key) == key {
			return strings.TrimSpace(key), strings.TrimSpace(cutComment(strings.TrimSpace(value))), true
		}
	}
	return "", "", false
}

// cutComment drops what follows white space and ';'.
func cutComment(s string) string {
	for i := 1; i < len(s); i++ {
		if s[i] == ';' && (s[i-1] == ' ' || s[i-1] == '\t') {
			return s[:i-1]
		}
	}
	return s
}

// parseSwitch reads a truth value of a file or environment variable: yes,
// true, on, no, false, off in any case, or a number, which is returned itself
// since `verbose` counts with it.
func parseSwitch(s string) (int, bool) {
	if n, err := strconv.ParseUint(strings.TrimLeft(s, " \t"), 10, 31); err == nil {
		return int(n), true
	}
	switch strings.ToLower(s) {
	case "yes", "true", "on":
		return 1, true
	case "no", "false", "off":
		return 0, true
	}
	return 0, false
}
