// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tsdl

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

var update = flag.Bool("update", false, "rewrite the expected schemas, warnings and errors in testdata/golden")

// TestGoldens reads the batches of each archive in testdata/golden. Its other
// files say what comes out: schema, warnings, error.
func TestGoldens(t *testing.T) {
	files, err := filepath.Glob("testdata/golden/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no goldens: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := readBatches(t, archive)
			if *update {
				if err := os.WriteFile(file, txtar.Format(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(string(txtar.Format(archive)), string(txtar.Format(got))); diff != "" {
				t.Errorf("%s (-want +got):\n%s", file, diff)
			}
		})
	}
}

// readBatches gives the archive that there should be for the batches of one.
func readBatches(t *testing.T, archive *txtar.Archive) *txtar.Archive {
	t.Helper()
	out := &txtar.Archive{Comment: archive.Comment}
	add := func(name, text string) {
		if text != "" {
			out.Files = append(out.Files, txtar.File{Name: name, Data: []byte(text)})
		}
	}
	p := NewParser(Config{})
	var failure error
	for _, f := range archive.Files {
		if !strings.HasPrefix(f.Name, "batch") && f.Name != "metadata" {
			continue
		}
		add(f.Name, string(f.Data))
		if err := p.Parse(f.Data); err != nil {
			failure = errors.Join(failure, err)
		}
	}
	if tr := p.Trace(); tr != nil {
		add("schema", dump(tr))
		checkRewritten(t, tr)
	}
	var warnings strings.Builder
	for _, w := range p.Warnings() {
		warnings.WriteString(w.String() + "\n")
	}
	add("warnings", warnings.String())
	if failure != nil {
		add("error", failure.Error()+"\n")
	}
	return out
}
