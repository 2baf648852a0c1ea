// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package repo

import (
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// goCommand runs the go command in the root of the repository.
func goCommand(t *testing.T, args ...string) []byte {
	t.Helper()
	c := exec.CommandContext(t.Context(), "go", args...)
	c.Dir = filepath.Join("..", "..")
	out, err := c.Output()
	if err != nil {
		detail := ""
		if e, ok := err.(*exec.ExitError); ok {
			detail = string(e.Stderr)
		}
		t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, detail)
	}
	return out
}

// module is a line of go.mod.
type module struct {
	Path, Version string
	Indirect      bool
}

// readModules returns the requirements of go.mod and its replace directives.
func readModules(t *testing.T) (require []module, replace []json.RawMessage) {
	t.Helper()
	var file struct {
		Require []module
		Replace []json.RawMessage
	}
	if err := json.Unmarshal(goCommand(t, "mod", "edit", "-json"), &file); err != nil {
		t.Fatal(err)
	}
	return file.Require, file.Replace
}

func TestModuleReplacesNothing(t *testing.T) {
	require, replace := readModules(t)
	if len(require) == 0 {
		t.Fatal("go.mod requires nothing: it was not read")
	}
	for _, r := range replace {
		t.Errorf("go.mod replaces %s: no one else can build that", r)
	}
}

// importedModules returns the modules whose packages are imported by our own
// files, and whether only by tests.
func importedModules(t *testing.T, require []module) map[string]bool {
	t.Helper()
	testOnly := make(map[string]bool)
	for _, f := range openRepository(t).goFiles(t) {
		for _, spec := range f.ast.Imports {
			name, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range require {
				if within(name, m.Path) {
					before, seen := testOnly[m.Path]
					testOnly[m.Path] = f.isTest() && (before || !seen)
				}
			}
		}
	}
	return testOnly
}

// licences of what is linked and of what only tests use.
var (
	linkedLicences = []string{"Apache-2.0", "MIT", "BSD-3-Clause", "BSD-2-Clause", "ISC"}
	testLicences   = append([]string{"MPL-2.0"}, linkedLicences...)
)

// dependencyRow is a line of the table in docs/dependencies.md:
// | `module` | why | licence | size | exit |.
var dependencyRow = regexp.MustCompile("(?m)^\\| `([^`]+)` \\|([^|]+)\\|([^|]+)\\|([^|]+)\\|([^|]+)\\|$")

func TestDependenciesAreExplained(t *testing.T) {
	r := openRepository(t)
	explained := make(map[string][]string)
	for _, row := range dependencyRow.FindAllStringSubmatch(r.read(t, "docs/dependencies.md"), -1) {
		for i, cell := range row[2:] {
			if strings.TrimSpace(cell) == "" {
				t.Errorf("docs/dependencies.md: %s: column %d is empty", row[1], i+2)
			}
		}
		explained[row[1]] = strings.Split(strings.TrimSpace(row[3]), ", ")
	}
	require, _ := readModules(t)
	imported := importedModules(t, require)
	if len(imported) == 0 {
		t.Fatal("no import of a required module was found")
	}
	for _, path := range slices.Sorted(maps.Keys(imported)) {
		allowed := linkedLicences
		if imported[path] {
			allowed = testLicences
		}
		stated, ok := explained[path]
		if !ok {
			t.Errorf("docs/dependencies.md has no row for %s", path)
			continue
		}
		for _, licence := range stated {
			if !slices.Contains(allowed, licence) {
				t.Errorf("docs/dependencies.md: %s: licence %q is not one of %s", path, licence, strings.Join(allowed, ", "))
			}
		}
	}
	for path := range explained {
		if _, ok := imported[path]; !ok {
			t.Errorf("docs/dependencies.md explains %s, which nothing imports", path)
		}
	}
}

// TestLinkedLicences reads the licence of every module that ends up in the
// program, also those that come with others.
func TestLinkedLicences(t *testing.T) {
	out := goCommand(t, "list", "-deps", "-f", "{{with .Module}}{{if not .Main}}{{.Path}}\t{{.Dir}}{{end}}{{end}}", "./cmd/weir")
	dirs := make(map[string]string)
	for line := range strings.Lines(string(out)) {
		if path, dir, ok := strings.Cut(strings.TrimSpace(line), "\t"); ok {
			dirs[path] = dir
		}
	}
	if len(dirs) == 0 {
		t.Fatal("the program links no module: the list was not read")
	}
	for _, path := range slices.Sorted(maps.Keys(dirs)) {
		if licence := licenceOf(t, dirs[path]); !slices.Contains(linkedLicences, licence) {
			t.Errorf("%s is linked under %q, want one of %s", path, licence, strings.Join(linkedLicences, ", "))
		}
	}
}

// licenceOf recognizes the licence of a module by its own words, or returns
// the file's first line.
func licenceOf(t *testing.T, dir string) string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "[LC][IOio][CPcp][EYey]*"))
	if err != nil || len(names) == 0 {
		return "no licence file in " + filepath.Base(dir)
	}
	text, err := os.ReadFile(names[0])
	if err != nil {
		t.Fatal(err)
	}
	words := strings.Join(strings.Fields(string(text)), " ")
	for _, mark := range []struct{ phrase, licence string }{
		{"GNU GENERAL PUBLIC LICENSE", "GPL"},
		{"GNU LESSER GENERAL PUBLIC LICENSE", "LGPL"},
		{"Mozilla Public License Version 2.0", "MPL-2.0"},
		{"Apache License Version 2.0", "Apache-2.0"},
		{"Permission is hereby granted, free of charge, to any person obtaining a copy", "MIT"},
		{"Neither the name of", "BSD-3-Clause"},
		{"Redistributions in binary form must reproduce the above copyright", "BSD-2-Clause"},
		{"Permission to use, copy, modify, and/or distribute this software", "ISC"},
		{"Permission to use, copy, modify, and distribute this software", "ISC"},
	} {
		if strings.Contains(words, mark.phrase) {
			return mark.licence
		}
	}
	return words[:min(60, len(words))]
}
