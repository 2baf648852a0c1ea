// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package flow

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// Error is a refusal of the hub.
type Error struct {
	Status     int         `json:"code"` // of HTTP
	Message    string      `json:"message"`
	Violations []Violation `json:"violations,omitempty"`
}

// Violation says what is wrong with one property of what was sent.
type Violation struct {
	Property string `json:"property"`
	Message  string `json:"message"`
}

// Error returns the refusal on one line.
func (e *Error) Error() string {
	if len(e.Violations) == 0 {
		return fmt.Sprintf("%s (%d)", e.Message, e.Status)
	}
	reasons := make([]string, len(e.Violations))
	for i, v := range e.Violations {
		reasons[i] = strings.TrimPrefix(v.Property+": "+v.Message, ": ")
	}
	return fmt.Sprintf("%s (%d)", strings.Join(reasons, "; "), e.Status)
}

// readError reads the body of a refusal.
func readError(resp *http.Response) error {
	b, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return fmt.Errorf("%s %s: %s: read answer: %w", resp.Request.Method, resp.Request.URL.Path, resp.Status, err)
	}
	var e Error
	if json.Unmarshal(b, &e) == nil && e.Status == resp.StatusCode && e.Message != "" {
		return &e
	}
	return fmt.Errorf("%s %s: %s: %q: not an answer of weir's networks", resp.Request.Method, resp.Request.URL.Path,
		resp.Status, b[:min(len(b), excerptBytes)])
}
