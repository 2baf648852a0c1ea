// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package repo

import (
	"go/ast"
	"slices"
	"strings"
	"testing"
)

// licenceHeader begins every Go file.
const licenceHeader = "// Copyright the weir authors.\n// SPDX-License-Identifier: Apache-2.0\n\n"

// nounlessNames are package names that say nothing about what they hold.
var nounlessNames = []string{"util", "utils", "common", "helpers", "types", "manager", "misc", "base"}

func TestEveryFileCarriesTheLicence(t *testing.T) {
	for _, f := range openRepository(t).goFiles(t) {
		text := f.text
		if strings.HasPrefix(text, "// Code generated ") || strings.HasPrefix(text, "//go:build") {
			_, text, _ = strings.Cut(text, "\n\n") // what tools and build constraints demand stands first
		}
		if !strings.HasPrefix(text, licenceHeader) {
			t.Errorf("%s: does not begin with the licence header:\n%s", f.path, licenceHeader)
		}
	}
}

func TestEveryPackageHasOneComment(t *testing.T) {
	type where struct{ files, comments []string }
	packages := make(map[string]*where)
	for _, f := range openRepository(t).goFiles(t) {
		if f.isTest() {
			continue
		}
		p := packages[f.room()]
		if p == nil {
			p = &where{}
			packages[f.room()] = p
		}
		p.files = append(p.files, f.path)
		if f.ast.Doc == nil {
			continue
		}
		p.comments = append(p.comments, f.path)
		want := "Package " + f.ast.Name.Name + " "
		if f.ast.Name.Name == "main" {
			want = "Command "
		}
		if got := f.ast.Doc.Text(); !strings.HasPrefix(got, want) {
			t.Errorf("%s: package comment begins %.30q, want %q", f.path, got, want)
		}
		if slices.Contains(nounlessNames, f.ast.Name.Name) {
			t.Errorf("%s: package name %s says nothing", f.path, f.ast.Name.Name)
		}
	}
	for room, p := range packages {
		if len(p.comments) != 1 {
			t.Errorf("%s: %d package comments (%s), want 1", room, len(p.comments), strings.Join(p.comments, ", "))
		}
	}
}

// TestNoHiddenState looks for what acts behind the reader's back: init
// functions, the process's global logger and multiplexer, and waits that hope.
func TestNoHiddenState(t *testing.T) {
	refused := map[string]string{
		"time.Sleep":              "wait for what is to happen: a channel, a deadline, a condition",
		"slog.SetDefault":         "hand the logger to the constructor",
		"slog.Default":            "hand the logger to the constructor",
		"http.DefaultServeMux":    "make a mux of your own",
		"http.HandleFunc":         "make a mux of your own",
		"http.DefaultClient":      "it has no time-out: make a client",
		"http.Get":                "it has no time-out and no context: make a request and a client",
		"prometheus.MustRegister": "make a registry of your own",
	}
	for _, f := range openRepository(t).goFiles(t) {
		ast.Inspect(f.ast, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				if n.Name.Name == "init" && n.Recv == nil {
					t.Errorf("%s: init function: construct explicitly", f.line(n.Pos()))
				}
			case *ast.SelectorExpr:
				pkg, ok := n.X.(*ast.Ident)
				if !ok {
					break
				}
				if why, bad := refused[pkg.Name+"."+n.Sel.Name]; bad {
					t.Errorf("%s: %s.%s: %s", f.line(n.Pos()), pkg.Name, n.Sel.Name, why)
				}
			}
			return true
		})
	}
}

// maxLines is where a file must say at its top why it is that long; data that
// is written as Go and tests may be longer.
const maxLines = 800

func TestFilesAreShort(t *testing.T) {
	for _, f := range openRepository(t).goFiles(t) {
		if n := strings.Count(f.text, "\n"); n > maxLines && !f.isTest() && !strings.HasPrefix(f.text, "// Code generated ") {
			t.Errorf("%s: %d lines, want at most %d: split it along an idea", f.path, n, maxLines)
		}
	}
}

// TestNoTraceOfTheMachine looks for paths of build machines and the addresses
// of package registries in all text files. The needles are cut in two so that
// this file does not hold them.
func TestNoTraceOfTheMachine(t *testing.T) {
	needles := []string{
		"/wo" + "rk/", "/home/ru" + "nner", "/ro" + "ot/", "/tmp/we" + "irhelp", "../sha" + "red",
		"proxy.gol" + "ang.org", "sum.gol" + "ang.org", "registry.np" + "mjs", "pypi.or" + "g",
	}
	r := openRepository(t)
	for _, name := range r.files {
		text := r.read(t, name)
		if strings.ContainsRune(text, 0) {
			continue // captures, traces
		}
		for _, needle := range needles {
			if i := strings.Index(text, needle); i >= 0 {
				t.Errorf("%s:%d: holds %q", name, 1+strings.Count(text[:i], "\n"), needle)
			}
		}
	}
}
