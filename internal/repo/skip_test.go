// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package repo

import (
	"go/ast"
	"testing"
)

// skips are the functions that skip for another reason than something missing,
// by room and name, with the reason.
var skips = map[[2]string]string{
	{"internal/gate", "TestGateLikeItsModel"}: "a step of the state machine that is not possible now",
	{"internal/systemtest", "isolated"}:       "-short",
}

// Whoever lacks a program or a capability asks package peer, which makes it a
// failure where everything has to be tested. A test that looked for itself would
// be skipped there unseen.
func TestOnlyPeerSkips(t *testing.T) {
	used := make(map[[2]string]bool)
	for _, f := range openRepository(t).goFiles(t) {
		if f.room() == "internal/peer" {
			continue
		}
		for _, decl := range f.ast.Decls {
			fn, ok := decl.(*ast.FuncDecl)
			if !ok {
				continue
			}
			ast.Inspect(fn, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok {
					return true
				}
				sel, ok := call.Fun.(*ast.SelectorExpr)
				if !ok {
					return true
				}
				switch sel.Sel.Name {
				case "LookPath":
					if !f.isTest() {
						return true
					}
				case "Skip", "Skipf", "SkipNow":
					at := [2]string{f.room(), fn.Name.Name}
					if used[at] = true; skips[at] != "" {
						return true
					}
				default:
					return true
				}
				t.Errorf("%s: %s calls %s: package peer does that", f.line(n.Pos()), fn.Name.Name, sel.Sel.Name)
				return true
			})
		}
	}
	for at := range skips {
		if !used[at] {
			t.Errorf("%s of %s does not skip: take it off the table", at[1], at[0])
		}
	}
}
