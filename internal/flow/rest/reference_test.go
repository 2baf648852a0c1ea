// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/weir-io/weir/internal/peer"
)

const (
	referencePath = "../../../docs/protocol/flow-rest.md"
	writtenFrom   = "<!-- From here on written by go test ./internal/flow/rest -update; do not edit. -->\n"
)

// reference returns what the table of routes and the schemas tell, as Markdown.
func reference(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("\n## Paths\n\nBelow `/midonet-api`. Type is that of the resource, to which lists put `collection.`.\n\n" +
		"| Method | Path | Does | Type | Success |\n|---|---|---|---|---|\n")
	for _, rt := range routes() {
		kind := "JSON"
		if rt.kind != "" {
			kind = "`" + rt.kind + "`"
		}
		if !rt.answers() && !rt.takes {
			kind = ""
		}
		what := rt.summary
		if rt.admin {
			what += " (admin)"
		}
		if len(rt.params) > 0 {
			what += "; `?" + strings.Join(rt.params, "=`, `?") + "=`"
		}
		fmt.Fprintf(&b, "| %s | `%s` | %s | %s | %d |\n", rt.method, rt.path, what, kind, rt.status)
	}
	b.WriteString("\n## Members\n")
	d := json.NewDecoder(bytes.NewReader(schemasJSON))
	if _, err := d.Token(); err != nil {
		t.Fatal(err)
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			t.Fatal(err)
		}
		var s json.RawMessage
		if err := d.Decode(&s); err != nil {
			t.Fatal(err)
		}
		writeSchema(t, &b, name.(string), s)
	}
	return b.String()
}

// writeSchema writes a schema as a table, its members in their order.
func writeSchema(t *testing.T, b *strings.Builder, name string, raw json.RawMessage) {
	t.Helper()
	var s struct {
		Description string
		Required    []string
		Properties  json.RawMessage
	}
	if err := json.Unmarshal(raw, &s); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(b, "\n### %s\n\n%s\n\n| Member | Type | |\n|---|---|---|\n", name, s.Description)
	d := json.NewDecoder(bytes.NewReader(s.Properties))
	if _, err := d.Token(); err != nil {
		t.Fatal(err)
	}
	for d.More() {
		member, err := d.Token()
		if err != nil {
			t.Fatal(err)
		}
		var p property
		if err := d.Decode(&p); err != nil {
			t.Fatal(err)
		}
		text := p.Description
		if slices.Contains(s.Required, member.(string)) {
			text = "Required. " + text
		}
		if p.ReadOnly {
			text += " Read-only."
		}
		fmt.Fprintf(b, "| `%s` | %s | %s |\n", member, p.kind(), text)
	}
}

// property is the schema of a member.
type property struct {
	Type, Format, Description string
	ReadOnly                  bool
	Ref                       string `json:"$ref"`
	Enum                      []string
	Minimum, Maximum          *int64
	Items                     *property
	AnyOf                     []property
}

// kind says which values a member takes.
func (p *property) kind() string {
	switch {
	case p.Ref != "":
		name := p.Ref[strings.LastIndex(p.Ref, "/")+1:]
		return fmt.Sprintf("[%s](#%s)", name, strings.ToLower(name))
	case len(p.AnyOf) > 0:
		var kinds []string
		for _, o := range p.AnyOf {
			kinds = append(kinds, o.kind())
		}
		return strings.Join(kinds, " or ")
	case p.Items != nil:
		return "array of " + p.Items.kind()
	case len(p.Enum) > 0:
		return "`" + strings.Join(p.Enum, "`, `") + "`"
	case p.Minimum != nil && p.Maximum != nil:
		return fmt.Sprintf("%d to %d", *p.Minimum, *p.Maximum)
	case p.Minimum != nil:
		return fmt.Sprintf("integer from %d on", *p.Minimum)
	case p.Format != "":
		return p.Format
	}
	return p.Type
}

func TestReferenceIsWritten(t *testing.T) {
	b, err := os.ReadFile(referencePath)
	if err != nil {
		t.Fatal(err)
	}
	by, written, ok := strings.Cut(string(b), writtenFrom)
	if !ok {
		t.Fatalf("%s has no line %q", referencePath, writtenFrom)
	}
	want := reference(t)
	if *update {
		if err := os.WriteFile(referencePath, []byte(by+writtenFrom+want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if written != want {
		t.Errorf("%s is old: go test ./internal/flow/rest -update", referencePath)
	}
	for _, status := range []string{"400", "401", "403", "404", "405", "406, 415", "408", "409", "413", "421", "503"} {
		if !strings.Contains(by, "\n| "+status+" | ") {
			t.Errorf("%s does not tell of status %s", referencePath, status)
		}
	}
}

// TestReferenceCommandsRun pastes the commands of the reference into a shell, with curl
// failing for every error.
func TestReferenceCommandsRun(t *testing.T) {
	peer.Need(t, "curl")
	f := newFixture(t)
	f.traces.result = Simulation{Result: "drop"}
	server := httptest.NewServer(http.HandlerFunc(f.server.ServeHTTP))
	defer server.Close()
	state := t.TempDir()
	if err := os.Mkdir(filepath.Join(state, "flow"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(state, "flow", "token"), []byte(root+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(referencePath)
	if err != nil {
		t.Fatal(err)
	}
	script := "set -eu\ncurl() { command curl -f \"$@\"; }\n"
	blocks := strings.Split(string(b), "```sh\n")
	for _, block := range blocks[1:] {
		commands, _, _ := strings.Cut(block, "```")
		script += commands + "\n"
	}
	c := exec.CommandContext(t.Context(), "sh", "-c", script)
	c.Dir = t.TempDir()
	c.Env = append(os.Environ(), "HUB="+server.URL, "STATE="+state)
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{`{"enabled":true}`, `"maxFlowsPerHost":10`, `"result":"drop"`, `"name":"web"`} {
		if !strings.Contains(string(out), want) {
			t.Errorf("the commands do not print %s:\n%s", want, out)
		}
	}
}
