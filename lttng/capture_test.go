// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package lttng

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const captureDir = "testdata/captures"

func readCapture(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(captureDir, name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// captureNames returns the captures that end in suffix, without it.
func captureNames(t testing.TB, pattern, suffix string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(captureDir, pattern+suffix))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no capture matches %s%s (error %v)", pattern, suffix, err)
	}
	for i, p := range paths {
		paths[i] = strings.TrimSuffix(filepath.Base(p), suffix)
	}
	return paths
}

// decodedLines returns the lines of a connection in its conversation's table.
func decodedLines(t testing.TB, connection string) []string {
	t.Helper()
	conversation, _, _ := strings.Cut(connection, ".")
	var lines []string
	wanted := false
	table := string(readCapture(t, conversation+".decoded.tsv"))
	for line := range strings.Lines(table) {
		line = strings.TrimSuffix(line, "\n")
		if name, ok := strings.CutPrefix(line, "# "); ok {
			wanted = strings.HasPrefix(name, connection+":")
			continue
		}
		if wanted && line != "" {
			lines = append(lines, line)
		}
	}
	if len(lines) == 0 {
		t.Fatalf("%s: not in the decoded table", connection)
	}
	return lines
}

// errorCase is a provoked error: what was sent, what the relay did.
type errorCase struct {
	Name  string
	Steps []struct {
		Conn, Op, Hex string
	}
}

func errorCases(t testing.TB) []errorCase {
	t.Helper()
	f, err := os.Open(filepath.Join(captureDir, "errors.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var cases []errorCase
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var c errorCase
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			t.Fatal(err)
		}
		cases = append(cases, c)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return cases
}
