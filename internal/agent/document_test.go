// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package agent_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	daemon "github.com/weir-io/weir/internal/agent"
)

// The table that people read has each route, and no other.
func TestDocumentHasEveryRoute(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "protocol", "session-daemon.md"))
	if err != nil {
		t.Fatal(err)
	}
	written := make(map[string]bool)
	for line := range strings.Lines(string(text)) {
		if row, ok := strings.CutPrefix(line, "| `"); ok {
			route, _, _ := strings.Cut(row, "`")
			written[route] = true
		}
	}
	for _, route := range daemon.Routes() {
		if !written[route] {
			t.Errorf("docs/protocol/session-daemon.md does not have %s", route)
		}
		delete(written, route)
	}
	for route := range written {
		t.Errorf("docs/protocol/session-daemon.md has %s, which is no route", route)
	}
}
