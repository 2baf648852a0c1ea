// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package lttng

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
)

// docExample is a block of a protocol document:
//
//	```hex NAME, minor N
//	0000 …        hexadecimal, 00*N for N zero bytes
//	= {Field:…}   the decoded value
//	```
type docExample struct {
	name  string
	minor Minor
	bytes []byte
	value string
}

func docExamples(t *testing.T, path string) []docExample {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var all []docExample
	for _, block := range strings.Split(string(b), "\n```hex ")[1:] {
		block, _, _ = strings.Cut(block, "\n```")
		head, body, _ := strings.Cut(block, "\n")
		name, minor, _ := strings.Cut(head, ", minor ")
		n, err := strconv.ParseUint(minor, 10, 32)
		if err != nil {
			t.Fatalf("%s: block %q: %v", path, head, err)
		}
		digits, value, found := strings.Cut(body, "\n= ")
		if !found {
			t.Fatalf("%s: block %q has no value", path, head)
		}
		all = append(all, docExample{name, Minor(n), docBytes(t, digits), value})
	}
	return all
}

func docBytes(t *testing.T, digits string) []byte {
	t.Helper()
	var b []byte
	for word := range strings.FieldsSeq(digits) {
		if count, ok := strings.CutPrefix(word, "00*"); ok {
			n, err := strconv.Atoi(count)
			if err != nil {
				t.Fatal(err)
			}
			b = append(b, make([]byte, n)...)
			continue
		}
		part, err := hex.DecodeString(word)
		if err != nil {
			t.Fatalf("%q: %v", word, err)
		}
		b = append(b, part...)
	}
	return b
}

// TestDocumentExamples decodes the examples of the protocol documents, compares
// them with the values given there, and wants at least one for each message.
func TestDocumentExamples(t *testing.T) {
	documents := []struct {
		path   string
		codecs []codec
	}{
		{"../docs/protocol/relay.md", controlCodecs()},
		{"../docs/protocol/live.md", viewerCodecs()},
		{"../docs/protocol/weir-extensions.md", extensionCodecs()},
	}
	for _, d := range documents {
		missing := make(map[string]bool)
		for _, c := range d.codecs {
			missing[c.name] = true
		}
		for _, x := range docExamples(t, d.path) {
			delete(missing, x.name)
			c := codecNamed(t, x.name)
			v, n, err := c.parse(x.bytes, x.minor)
			if err != nil || n != len(x.bytes) {
				t.Errorf("%s: %s: used %d of %d bytes, error %v", d.path, x.name, n, len(x.bytes), err)
				continue
			}
			if got := fmt.Sprintf("%+v", v); got != x.value {
				t.Errorf("%s: %s:\n got %s\nwant %s", d.path, x.name, got, x.value)
			}
			if x.name == "ROTATE_STREAMS" {
				clear(x.bytes[5:12]) // the example shows stack bytes
			}
			if again := c.append(v, nil, x.minor); !bytes.Equal(again, x.bytes) {
				t.Errorf("%s: %s written as %x, want %x", d.path, x.name, again, x.bytes)
			}
		}
		for name := range missing {
			t.Errorf("%s: no example of %s", d.path, name)
		}
	}
}

// TestDocumentTable compares the command table of the document with the code.
func TestDocumentTable(t *testing.T) {
	names := make(map[string]string)
	b, err := os.ReadFile("../docs/protocol/relay.md")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		cells := strings.Split(line, "|")
		if len(cells) != 7 {
			continue // not of the command table
		}
		numbers := strings.Split(strings.TrimSpace(cells[1]), ", ")
		for i, name := range strings.Split(strings.TrimSpace(cells[2]), ", ") {
			if i < len(numbers) {
				names[numbers[i]] = name
			}
		}
	}
	for cmd := CmdAddStream; cmd <= CmdGetConfiguration; cmd++ {
		if got := names[strconv.Itoa(int(cmd))]; got != cmd.String() {
			t.Errorf("command %d is %q in the document, want %q", cmd, got, cmd)
		}
	}
}
