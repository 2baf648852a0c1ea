// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package repo

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
)

// modulePath is the module whose tree is checked.
const modulePath = "github.com/weir-io/weir"

// sourceFile is one parsed Go file.
type sourceFile struct {
	path string // from the root, with slashes
	text string
	ast  *ast.File
	fset *token.FileSet
}

// room returns the file's package by its path from the root: "internal/relay".
func (f sourceFile) room() string { return path.Dir(f.path) }

// isTest reports whether the file is compiled for tests only.
func (f sourceFile) isTest() bool { return strings.HasSuffix(f.path, "_test.go") }

// line returns "path:line" of a position.
func (f sourceFile) line(pos token.Pos) string {
	return fmt.Sprintf("%s:%d", f.path, f.fset.Position(pos).Line)
}

// repository is the tree under test.
type repository struct {
	root  string
	files []string // all files from the root, with slashes; without .git
}

// openRepository lists the files of the work tree.
func openRepository(t *testing.T) repository {
	t.Helper()
	r := repository{root: filepath.Join("..", "..")}
	if _, err := os.Stat(filepath.Join(r.root, "go.mod")); err != nil {
		t.Fatalf("root of the repository: %v", err)
	}
	err := filepath.WalkDir(r.root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && d.Name() == ".git" {
			return fs.SkipDir
		}
		// In a linked work tree .git is a file that holds a path.
		if d.Type().IsRegular() && d.Name() != ".git" {
			rel, err := filepath.Rel(r.root, p)
			if err != nil {
				return err
			}
			r.files = append(r.files, filepath.ToSlash(rel))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// read returns a file's text.
func (r repository) read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(r.root, filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// goFiles parses the Go files outside of testdata.
func (r repository) goFiles(t *testing.T) []sourceFile {
	t.Helper()
	var files []sourceFile
	for _, name := range r.files {
		if !strings.HasSuffix(name, ".go") || strings.Contains("/"+name, "/testdata/") {
			continue
		}
		text := r.read(t, name)
		fset := token.NewFileSet()
		parsed, err := parser.ParseFile(fset, name, text, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Errorf("parse: %v", err)
			continue
		}
		files = append(files, sourceFile{name, text, parsed, fset})
	}
	if len(files) < 10 {
		t.Fatalf("found %d Go files: this is not the whole tree", len(files))
	}
	return files
}
