// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"strconv"
	"strings"
)

// negotiate picks the format by the headers Accept. OpenMetrics has to be asked for
// by name, in a version that this is, and be liked as much as the text format.
func negotiate(accept []string) format {
	open, plain, any := -1.0, -1.0, -1.0
	for kind, params := range ranges(accept) {
		q := quality(params)
		switch kind {
		case "application/openmetrics-text":
			if v := params["version"]; v == "" || v == "1.0.0" || v == "0.0.1" {
				open = max(open, q)
			}
		case "text/plain":
			plain = max(plain, q)
		case "*/*", "text/*":
			any = max(any, q)
		}
	}
	if plain < 0 {
		plain = any
	}
	if open > 0 && open >= plain {
		return openMetrics
	}
	return text
}

// wantsGzip reports whether the headers Accept-Encoding ask for gzip.
func wantsGzip(accept []string) bool {
	named, any := -1.0, -1.0
	for kind, params := range ranges(accept) {
		switch kind {
		case "gzip":
			named = max(named, quality(params))
		case "*":
			any = max(any, quality(params))
		}
	}
	if named < 0 {
		named = any
	}
	return named > 0
}

// ranges goes through the elements of headers: "text/plain;version=0.0.4;q=0.5, …".
func ranges(headers []string) func(yield func(string, map[string]string) bool) {
	return func(yield func(string, map[string]string) bool) {
		for _, h := range headers {
			for element := range strings.SplitSeq(h, ",") {
				kind, rest, _ := strings.Cut(element, ";")
				params := make(map[string]string)
				for p := range strings.SplitSeq(rest, ";") {
					name, value, _ := strings.Cut(p, "=")
					params[strings.ToLower(strings.TrimSpace(name))] = strings.Trim(strings.TrimSpace(value), `"`)
				}
				if !yield(strings.ToLower(strings.TrimSpace(kind)), params) {
					return
				}
			}
		}
	}
}

// quality returns how much an element is liked.
func quality(params map[string]string) float64 {
	text, given := params["q"]
	if !given {
		return 1
	}
	q, err := strconv.ParseFloat(text, 64)
	if err != nil || !(q >= 0 && q <= 1) {
		return 0
	}
	return q
}
