// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tsdl

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/weir-io/weir/ctf/schema"
)

// FuzzParse reads texts of any kind, in one piece and cut in two batches. None
// ends the program; what is accepted is the same after writing and reading.
func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("testdata/golden/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for _, a := range archive.Files {
			if strings.HasPrefix(a.Name, "batch") || a.Name == "metadata" {
				f.Add(a.Data, len(a.Data)/2)
			}
		}
	}
	written, err := os.ReadFile("testdata/ctf2.tsdl")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(written, 100)
	f.Fuzz(func(t *testing.T, text []byte, cut int) {
		if len(text) > 1<<16 {
			return // long texts are in the other tests
		}
		if cut >= 0 && cut <= len(text) {
			checkBatches(t, text[:cut], text[cut:])
		}
		tr, err := Parse(text)
		if err != nil {
			if _, ok := err.(*Error); !ok || strings.Contains(err.Error(), "\n") {
				t.Fatalf("error of type %T: %v", err, err)
			}
			return
		}
		rewritten(t, tr)
	})
}

// checkBatches reads two batches and checks that a bad one leaves no trace.
func checkBatches(t *testing.T, first, second []byte) {
	t.Helper()
	p := NewParser(Config{})
	if p.Parse(first) != nil || p.Trace() == nil {
		return
	}
	before := dump(p.Trace())
	if p.Parse(second) != nil {
		if after := dump(p.Trace()); after != before {
			t.Fatalf("a bad batch has changed\n%s\nto\n%s", before, after)
		}
		return
	}
	rewritten(t, p.Trace())
}

// rewritten writes what has been read: all of it can be, and reads the same.
func rewritten(t *testing.T, tr *schema.Trace) {
	t.Helper()
	text, err := Append(nil, tr)
	if err != nil {
		t.Fatalf("write: %v\n%s", err, dump(tr))
	}
	again, err := Parse(text)
	if err != nil {
		t.Fatalf("read what was written: %v\n%s", err, text)
	}
	if a, b := dump(tr), dump(again); a != b {
		t.Fatalf("read\n%s\nwritten and read again\n%s", a, b)
	}
}
