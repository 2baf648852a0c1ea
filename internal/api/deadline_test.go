// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package api

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// deadlineWriter records the deadline that holds at each write.
type deadlineWriter struct {
	http.ResponseWriter
	deadline time.Time
	writes   []time.Time
}

// SetWriteDeadline records the deadline.
func (d *deadlineWriter) SetWriteDeadline(t time.Time) error { d.deadline = t; return nil }

// Write records what holds.
func (d *deadlineWriter) Write(b []byte) (int, error) {
	d.writes = append(d.writes, d.deadline)
	return d.ResponseWriter.Write(b)
}

// Whatever is answered, refusals included, is written with a deadline.
func TestWritesHaveDeadlines(t *testing.T) {
	f := newFixture(t, nil)
	f.trace("vm/s-20261120-080000")
	base := "/api/v1/sessions/" + f.id("s")
	for _, path := range []string{
		"/healthz", "/metrics", "/openapi.json", "/nothing", "/api/v1/sessions", "/api/v1/sessions?limit=0",
		base, base + "/chunks/.session/archive",
	} {
		req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
		req.Host = "localhost"
		w := &deadlineWriter{ResponseWriter: httptest.NewRecorder()}
		before := time.Now()
		f.api.Handler().ServeHTTP(w, req)
		if len(w.writes) == 0 {
			t.Errorf("GET %s wrote nothing", path)
		}
		for i, at := range w.writes {
			if at.Before(before.Add(writeTimeout)) {
				t.Errorf("GET %s: deadline of write %d is %v, want %v from now", path, i, at, writeTimeout)
			}
		}
	}
}
