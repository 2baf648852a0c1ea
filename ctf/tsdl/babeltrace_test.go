// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tsdl

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/weir-io/weir/internal/peer"
)

// notByBabeltrace are goldens that babeltrace2 2.0.4 does not read, whoever
// wrote them.
var notByBabeltrace = map[string]string{
	"names-alike":   "it aborts on two fields that are shown alike",
	"tag-elsewhere": "it takes no tag of more than one name",
}

// TestBabeltraceReads lets babeltrace2 open traces whose metadata have been
// written here: those of the goldens, and one of CTF 2.
func TestBabeltraceReads(t *testing.T) {
	reader := peer.Need(t, "babeltrace2")
	texts := map[string][]byte{"ctf2": must(t)(Append(nil, ctf2Trace()))}
	files, err := filepath.Glob("testdata/golden/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		p := NewParser(Config{})
		for _, f := range archive.Files {
			if strings.HasPrefix(f.Name, "batch") || f.Name == "metadata" {
				_ = p.Parse(f.Data) // one batch is wrong, on purpose
			}
		}
		texts[strings.TrimSuffix(filepath.Base(file), ".txtar")] = must(t)(Append(nil, p.Trace()))
	}
	for name, text := range texts {
		if why := notByBabeltrace[name]; why != "" {
			t.Logf("%s is left out: %s", name, why)
			continue
		}
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for file, content := range map[string][]byte{"metadata": text, "stream": nil} {
				if err := os.WriteFile(filepath.Join(dir, file), content, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			out, err := exec.CommandContext(t.Context(), reader, dir).CombinedOutput()
			lines := strings.Split(string(out), "\n")
			if err != nil || slices.ContainsFunc(lines, func(l string) bool { return strings.Contains(l, " E PLUGIN") }) {
				t.Errorf("babeltrace2: %v\n%s\n%s", err, out, text)
			}
		})
	}
}
