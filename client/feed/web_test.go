// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
)

// TestGone tells an agent that is gone from one that answers, also behind a hub.
func TestGone(t *testing.T) {
	for _, c := range []struct {
		status int
		body   string
		gone   bool
	}{
		{502, `{"code":"host-unreachable","detail":"dial: connection refused"}`, true},
		{404, `{"code":"no-such-host","detail":"web1"}`, true},
		{409, `{"code":"feed_busy","detail":"read by another"}`, false},
		{503, `{"code":"store","detail":"stalled"}`, false},
	} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(c.status)
			_, _ = w.Write([]byte(c.body))
		}))
		_, err := Dial(t.Context(), s.URL)
		if err == nil || errors.Is(err, ErrGone) != c.gone {
			t.Errorf("%s: got %v, want an agent that is gone: %v", c.body, err, c.gone)
		}
		s.Close()
	}
}
