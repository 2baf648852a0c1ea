// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"mime"
	"net/http"
	"strconv"
	"strings"
)

// vendor is what media types of resources begin with.
const vendor = "application/vnd.org.midonet."

const plainJSON = "application/json"

// mediaTypes returns the types that the route answers with, the plain one first: it is
// what clients get that do not ask.
func (rt *route) mediaTypes() []string {
	switch {
	case rt.kind == "":
		return []string{plainJSON}
	case rt.collection:
		return []string{plainJSON, vendor + "collection." + rt.kind + "+json"}
	}
	return []string{plainJSON, vendor + rt.kind + "+json"}
}

// bodyTypes returns the types that the route takes.
func (rt *route) bodyTypes() []string {
	if rt.kind == "" {
		return []string{plainJSON}
	}
	return []string{plainJSON, vendor + rt.kind + "+json"}
}

// negotiate finds the type of the answer, and checks that of the body.
func (q *request) negotiate() error {
	rt := q.route
	if rt.answers() {
		types := rt.mediaTypes()
		if rt.stream && q.query("follow") == "true" {
			types = []string{streamType}
		}
		best := accepted(q.r.Header.Values("Accept"), types)
		if best == "" {
			return faultf(http.StatusNotAcceptable, "%s is served as %s", q.r.URL.Path, strings.Join(types, " or "))
		}
		q.media = best
	}
	if !rt.takes {
		return nil
	}
	if coding := q.r.Header.Get("Content-Encoding"); coding != "" && !strings.EqualFold(coding, "identity") {
		return faultf(http.StatusUnsupportedMediaType, "%s takes a body as it is, not in the coding %.100q", q.r.URL.Path, coding)
	}
	sent := q.r.Header.Get("Content-Type")
	if sent == "" {
		return nil
	}
	kind, params, err := mime.ParseMediaType(sent)
	if set := params["charset"]; set != "" && !strings.EqualFold(set, "utf-8") {
		return faultf(http.StatusUnsupportedMediaType, "%s takes UTF-8, not the charset %.100q", q.r.URL.Path, set)
	}
	for _, known := range rt.bodyTypes() {
		if err == nil && strings.EqualFold(kind, known) {
			return nil
		}
	}
	return faultf(http.StatusUnsupportedMediaType, "%s takes %s, not %.100q", q.r.URL.Path, strings.Join(rt.bodyTypes(), " or "), sent)
}

// accepted returns the best of the types by a header Accept, or nothing. Of those that
// are equally welcome it is the first.
func accepted(headers, types []string) string {
	ranges := strings.Split(strings.Join(headers, ","), ",")
	if strings.TrimSpace(strings.Join(headers, "")) == "" {
		return types[0]
	}
	best, bestQuality := "", 0.0
	for _, t := range types {
		if quality := qualityOf(t, ranges); quality > bestQuality {
			best, bestQuality = t, quality
		}
	}
	return best
}

// qualityOf returns how welcome a type is: by the most specific range that has it.
func qualityOf(t string, ranges []string) float64 {
	quality, specific := 0.0, -1
	for _, r := range ranges {
		kind, params, err := mime.ParseMediaType(strings.TrimSpace(r))
		if err != nil {
			continue
		}
		rank := matchRange(kind, t)
		if rank <= specific {
			continue
		}
		specific, quality = rank, 1
		if v, ok := params["q"]; ok {
			quality, _ = strconv.ParseFloat(v, 64)
		}
	}
	return quality
}

// matchRange returns how exactly a range has a type: -1 for not at all.
func matchRange(kind, t string) int {
	switch {
	case strings.EqualFold(kind, t):
		return 2
	case kind == "application/*":
		return 1
	case kind == "*/*", kind == "*": // the short form of old Java
		return 0
	}
	return -1
}
