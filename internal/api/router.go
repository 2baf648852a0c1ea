// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package api

import (
	"net/http"
	"slices"
	"strings"
)

// router is a ServeMux that knows its routes: the document must have each, and
// a path that exists with another method is told from one that does not.
type router struct {
	mux    *http.ServeMux
	routes []string // "METHOD /path"
	pages  []string // likewise, of what is for browsers and not in the document
}

func newRouter() *router {
	r := &router{mux: http.NewServeMux()}
	r.mux.HandleFunc("/", r.refuse)
	return r
}

// HandleFunc registers a route "METHOD /path".
func (r *router) HandleFunc(pattern string, handler func(http.ResponseWriter, *http.Request)) {
	r.routes = append(r.routes, pattern)
	r.mux.HandleFunc(pattern, handler)
}

// page registers what is for browsers.
func (r *router) page(pattern string, handler http.Handler) {
	r.pages = append(r.pages, pattern)
	r.mux.Handle(pattern, handler)
}

// ServeHTTP serves a request by its route.
func (r *router) ServeHTTP(w http.ResponseWriter, req *http.Request) { r.mux.ServeHTTP(w, req) }

// refuse answers what no route fits.
func (r *router) refuse(w http.ResponseWriter, req *http.Request) {
	allowed := r.methods(req)
	if len(allowed) == 0 {
		writeProblem(w, problemf(codeNoSuchPath, "%s", req.URL.Path))
		return
	}
	w.Header().Set("Allow", strings.Join(allowed, ", "))
	writeProblem(w, problemf(codeMethodNotAllowed, "%s %s", req.Method, req.URL.Path))
}

// methods lists the methods that the path of a request knows.
func (r *router) methods(req *http.Request) []string {
	var allowed []string
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
		other := *req
		other.Method = method
		if _, pattern := r.mux.Handler(&other); slices.Contains(r.routes, pattern) || slices.Contains(r.pages, pattern) {
			allowed = append(allowed, method)
		}
	}
	return allowed
}
