// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ctf2

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/weir-io/weir/ctf/schema"
)

var update = flag.Bool("update", false, "write the expected results of the golden files")

// separated puts record separators in place of the symbol that golden files
// have for them.
func separated(text []byte) []byte { return bytes.ReplaceAll(text, []byte("␞"), []byte("\x1e")) }

// shown is the opposite.
func shown(stream []byte) []byte { return bytes.ReplaceAll(stream, []byte("\x1e"), []byte("␞")) }

// TestGolden reads the metadata of each golden file, compares the schema in
// words and the stream that is written from it, and reads that again.
func TestGolden(t *testing.T) {
	for _, name := range goldenFiles(t) {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			p := NewParser()
			if err := p.Parse(separated(section(archive, "metadata"))); err != nil {
				t.Fatal(err)
			}
			var warnings strings.Builder
			for _, w := range p.Warnings() {
				warnings.WriteString(w.Error() + "\n")
			}
			written, err := Append(nil, p.Trace())
			if err != nil {
				t.Fatal(err)
			}
			got := map[string][]byte{
				"schema": []byte(dump(p.Trace())), "warnings": []byte(warnings.String()), "written": shown(written),
			}
			compareGolden(t, name, archive, got)
			checkSame(t, p.Trace(), written)
		})
	}
}

func goldenFiles(t testing.TB) []string {
	t.Helper()
	names, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(names) == 0 {
		t.Fatalf("golden files %v, error %v", names, err)
	}
	return names
}

func section(a *txtar.Archive, name string) []byte {
	for _, f := range a.Files {
		if f.Name == name {
			return f.Data
		}
	}
	return nil
}

func compareGolden(t *testing.T, name string, a *txtar.Archive, got map[string][]byte) {
	t.Helper()
	if *update {
		a.Files = a.Files[:1]
		for _, s := range []string{"warnings", "schema", "written"} {
			a.Files = append(a.Files, txtar.File{Name: s, Data: got[s]})
		}
		if err := os.WriteFile(name, txtar.Format(a), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	for s, text := range got {
		if diff := cmp.Diff(string(section(a, s)), string(text)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", s, diff)
		}
	}
}

// checkSame reads what was written from a schema of CTF 2 and compares.
func checkSame(t *testing.T, want *schema.Trace, written []byte) {
	t.Helper()
	got, err := Parse(written)
	if err != nil {
		t.Fatalf("read again: %v\n%s", err, shown(written))
	}
	if diff := diffTraces(want, got); diff != "" {
		t.Errorf("written and read again (-want +got):\n%s", diff)
	}
	again, err := Append(nil, got)
	if err != nil || !bytes.Equal(again, written) {
		t.Errorf("written again: error %v\n%s\nfirst:\n%s", err, shown(again), shown(written))
	}
}

func diffTraces(want, got *schema.Trace) string {
	return cmp.Diff(want, got, cmpopts.IgnoreUnexported(schema.Stream{}))
}
