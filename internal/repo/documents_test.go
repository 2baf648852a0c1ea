// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package repo

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/weir-io/weir/internal/cli"
	"github.com/weir-io/weir/internal/version"
)

// weir runs the command line and returns its standard output.
func weir(t *testing.T, args ...string) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	if code := cli.Main(append([]string{"weir"}, args...), &stdout, &stderr); code != 0 {
		t.Fatalf("weir %s: exit code %d: %s", strings.Join(args, " "), code, &stderr)
	}
	return stdout.String()
}

func TestConfigurationReferenceIsFresh(t *testing.T) {
	want := weir(t, "gen", "config")
	if got := openRepository(t).read(t, "docs/configuration.md"); got != want {
		t.Errorf("docs/configuration.md is stale: weir gen config > docs/configuration.md\n%s", firstDifference(got, want))
	}
}

func TestManualIsFresh(t *testing.T) {
	fresh := t.TempDir()
	weir(t, "gen", "man", fresh)
	want := readPages(t, fresh)
	got := readPages(t, filepath.Join("..", "..", "docs", "man"))
	for name, text := range want {
		if got[name] != text {
			t.Errorf("docs/man/%s is stale: weir gen man docs/man\n%s", name, firstDifference(got[name], text))
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			t.Errorf("docs/man/%s belongs to no command: weir gen man docs/man", name)
		}
	}
}

// readPages returns the manual pages of a directory by their names.
func readPages(t *testing.T, dir string) map[string]string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "weir*.1"))
	if err != nil || len(names) == 0 {
		t.Fatalf("no manual pages in %s: %v", dir, err)
	}
	pages := make(map[string]string)
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		pages[filepath.Base(name)] = string(text)
	}
	return pages
}

// firstDifference shows the first line that differs.
func firstDifference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			return "have " + g[i] + "\nwant " + w[i]
		}
	}
	return "one ends before the other"
}

// The two commands that a stranger types, and the screenful that follows.
func TestReadmeNamesTheCommands(t *testing.T) {
	r := openRepository(t)
	readme := r.read(t, "README.md")
	for _, want := range []string{
		"go run ./cmd/weir up", "./test\n", "lttng create demo --live --set-url=net://127.0.0.1",
		"babeltrace2 -i lttng-live net://127.0.0.1/host/$(hostname)/demo",
		"docs/architecture.md", "docs/configuration.md", "CONTRIBUTING.md", "CHANGELOG.md",
	} {
		if !strings.Contains(readme, want) {
			t.Errorf("README.md does not have %q", want)
		}
	}
	if ci := r.read(t, ".ci/run"); !strings.Contains(ci, "./test") {
		t.Error(".ci/run does not call ./test")
	}
	for _, name := range []string{"test", ".ci/run"} {
		info, err := os.Stat(filepath.Join(r.root, name))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode()&0o111 == 0 {
			t.Errorf("%s is not executable", name)
		}
	}
}

func TestChangelogHasThisVersion(t *testing.T) {
	text := openRepository(t).read(t, "CHANGELOG.md")
	if want := "## " + version.Number; !strings.Contains(text, want) {
		t.Errorf("CHANGELOG.md has no section %q", want)
	}
}

// markdownLink finds links to files: [text](target), without a scheme.
var markdownLink = regexp.MustCompile(`\]\(([^)#: ]+)(#[^)]*)?\)`)

func TestDocumentsLinkToFiles(t *testing.T) {
	r := openRepository(t)
	links := 0
	for _, name := range r.files {
		if !strings.HasSuffix(name, ".md") || strings.Contains(name, "testdata/") {
			continue
		}
		for _, m := range markdownLink.FindAllStringSubmatch(r.read(t, name), -1) {
			links++
			target := filepath.Join(r.root, filepath.Dir(filepath.FromSlash(name)), filepath.FromSlash(m[1]))
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s: link to %s: %v", name, m[1], err)
			}
		}
	}
	if links == 0 {
		t.Error("no link was found in any document")
	}
}
