// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package api

import "net/http"

// Console has files for browsers, each at a path of its own; *console.Console is one.
type Console interface {
	http.Handler
	Paths() []string
}

// addConsole serves these files with GET and HEAD, behind the guard. The rest stays the
// interface's: other paths and methods are refused by its problems.
func (a *API) addConsole() {
	if a.opts.Console == nil {
		return
	}
	for _, at := range a.opts.Console.Paths() {
		if at == "/" {
			at = "/{$}"
		}
		a.router.page("GET "+at, a.opts.Console)
	}
}
