// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package page

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// WriteMessage writes the body of a message of a host within an element that names
// the host, with the header that messages have: a stream of them is read as the
// host's own would be, and a reader finds the host at its root.
func WriteMessage(out io.Writer, host string, body []byte) error {
	body = printable(body)
	declaration, rest := []byte("<?xml version=\"1.0\"?>\n"), body
	if bytes.HasPrefix(rest, []byte("<?xml")) {
		if _, behind, ok := bytes.Cut(rest, []byte("?>")); ok {
			rest = bytes.TrimLeft(behind, "\r\n")
		}
	}
	inner := fmt.Appendf(nil, "%s<host id=\"%s\">\n%s</host>\n", declaration, attribute(host), rest)
	_, err := out.Write(append(fmt.Appendf(nil, "Content-Length: %d\n\n", len(inner)), inner...))
	return err
}

func attribute(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", `"`, "&quot;").Replace(s)
}

// printable replaces what a message of an honest host does not have.
func printable(body []byte) []byte {
	if !bytes.ContainsFunc(body, unfit) {
		return body
	}
	body = bytes.ReplaceAll(body, []byte("\r\n"), []byte("\n"))
	return bytes.Map(func(r rune) rune {
		switch {
		case r == '\r':
			return '\n'
		case unfit(r):
			return utf8.RuneError
		}
		return r
	}, body)
}

// unfit tells control characters, and bytes that are no character.
func unfit(r rune) bool {
	return r < ' ' && r != '\t' && r != '\n' || r >= 0x7f && r < 0xa0 || r == utf8.RuneError || r == 0xfffe || r == 0xffff
}
