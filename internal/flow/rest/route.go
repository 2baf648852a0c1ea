// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"net/http"
	"slices"
	"strings"
)

// route is a method of a path, with what the gates and the document know of it.
type route struct {
	method, path string   // "/bridges/{id}", below Base
	segments     []string // of path; set by New
	kind         string   // of the media type, as "Bridge-v4"; "" for plain JSON alone
	collection   bool
	handle       func(*request) error

	open     bool  // without a token
	admin    bool  // for the role admin alone
	agent    bool  // for the role agent, too
	takes    bool  // a body
	document bool  // the body is a whole topology
	limit    int64 // bytes of the body, of routes that take more than others; 0: Options.MaxBody
	stream   bool  // follow=true makes a stream of it
	status   int   // of success

	id, tag, summary string
	request, body    string   // schemas of the document: of the request and of the answer
	params           []string // of the query
	errors           []int    // beside those that every route has
}

// answers reports whether success has a body.
func (rt *route) answers() bool { return rt.status != http.StatusNoContent && rt.body != "" }

// match finds the route of a method and a path below Base, and the methods that the
// path has.
func (s *Server) match(method, path string) (found *route, methods []string, vars map[string]string) {
	if method == http.MethodHead {
		method = http.MethodGet
	}
	segments := split(path)
	for i := range s.routes {
		rt := &s.routes[i]
		v, ok := rt.fits(segments)
		if !ok {
			continue
		}
		methods = append(methods, rt.method)
		if rt.method == method {
			found, vars = rt, v
		}
	}
	slices.Sort(methods)
	return found, methods, vars
}

// split returns the segments of a path; an empty one at the end does not count.
func split(path string) []string {
	path = strings.TrimSuffix(strings.TrimPrefix(path, "/"), "/")
	if path == "" {
		return nil
	}
	return strings.Split(path, "/")
}

// fits reports whether the route's path has these segments, and what stands for its
// variables.
func (rt *route) fits(segments []string) (map[string]string, bool) {
	if len(rt.segments) != len(segments) {
		return nil, false
	}
	var vars map[string]string
	for i, p := range rt.segments {
		name, variable := strings.CutPrefix(p, "{")
		switch {
		case variable && segments[i] != "":
			if vars == nil {
				vars = make(map[string]string)
			}
			vars[strings.TrimSuffix(name, "}")] = segments[i]
		case p != segments[i]:
			return nil, false
		}
	}
	return vars, true
}
