// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package xmlsysd

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
)

const document = "../docs/protocol/xmlsysd.md"

// docBlocks returns the lines of the blocks of a kind in the protocol document.
func docBlocks(t *testing.T, kind string) []string {
	t.Helper()
	text, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, block := range strings.Split(string(text), "\n```"+kind+"\n")[1:] {
		block, _, _ = strings.Cut(block, "\n```")
		all = append(all, strings.Split(block, "\n")...)
	}
	if len(all) == 0 {
		t.Fatalf("%s has no block %s", document, kind)
	}
	return all
}

// checkRefusal compares an error with what an example of the form "INPUT = CODE"
// says, and returns the input.
func checkRefusal(t *testing.T, example string, do func(input string) error) {
	t.Helper()
	input, code, _ := strings.Cut(example, " = ")
	input = strings.TrimSpace(input)
	err := do(input)
	ce, refused := errors.AsType[*CommandError](err)
	if refused != (code != "") || refused && string(ce.Code) != code {
		t.Errorf("%s: %q: %v, want %q", document, input, err, code)
	}
}

func TestDocumentedCommands(t *testing.T) {
	s := NewSelection(NewModel())
	for _, example := range docBlocks(t, "commands") {
		checkRefusal(t, example, func(line string) error {
			c, err := ParseCommand([]byte(line))
			for _, sel := range c.Selectors {
				err = errors.Join(err, s.Add(c.Verb == VerbOn, sel))
			}
			return err
		})
	}
	text, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	for _, def := range verbs[1:] {
		for _, name := range append(strings.Fields(def.aliases), def.name) {
			if !bytes.Contains(text, []byte("`"+name+"`")) {
				t.Errorf("%s lacks the verb %s", document, name)
			}
		}
	}
}

func TestDocumentedSelectors(t *testing.T) {
	for _, example := range docBlocks(t, "selectors") {
		checkRefusal(t, example, func(sel string) error { return NewSelection(NewModel()).Add(true, sel) })
	}
}

func TestDocumentedSections(t *testing.T) {
	text, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	m := NewModel()
	var table strings.Builder
	for id := range m.Len() {
		if n := m.Node(NodeID(id)); n.Section != "" {
			fmt.Fprintf(&table, "| `%s` | %s | %c |\n", n.Section, n.Path, "LABX"[n.Class])
		}
	}
	if !bytes.Contains(text, []byte("| --- | --- | --- |\n"+table.String()+"\n")) {
		t.Errorf("%s lacks the table of sections:\n%s", document, table.String())
	}
}

// The replies are what the encoder writes.
func TestDocumentedReplies(t *testing.T) {
	m := NewModel()
	s := NewSelection(m)
	e := NewEncoder(s)
	e.Compact, e.Init = true, true
	refusal := s.Add(true, "nonsense")
	var all []string
	for _, reply := range [][]byte{
		bytes.Clone(e.Ack(3, nil)), bytes.Clone(e.Ack(4, refusal)),
		bytes.Clone(e.Sections([]SectionState{{Path: "proc/stat", On: true, Source: "/proc/stat", Cost: 3000}})), bytes.Clone(e.Help()),
	} {
		_, body, _ := strings.Cut(string(reply), declaration)
		all = append(all, body)
	}
	for i, example := range docBlocks(t, "xml") {
		got := strings.TrimSpace(all[i])
		if i == len(all)-1 { // one verb of many
			begin, rest, _ := strings.Cut(example, "<verb")
			verb, end, _ := strings.Cut(rest, "</verb>")
			if !strings.HasPrefix(got, begin) || !strings.Contains(got, "<verb"+verb+"</verb>") || !strings.HasSuffix(got, end) {
				t.Errorf("%s: help is %s, want %s", document, got, example)
			}
			continue
		}
		if got != example {
			t.Errorf("%s: reply %s, want %s", document, got, example)
		}
	}
}
