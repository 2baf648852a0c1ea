// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package api

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestNetworksHaveTheirOwnBodiesAndErrors mounts a handler below NetworksPath.
func TestNetworksHaveTheirOwnBodiesAndErrors(t *testing.T) {
	router := newRouter()
	router.mux.HandleFunc(NetworksPath+"/", func(w http.ResponseWriter, r *http.Request) {
		if n, err := io.Copy(io.Discard, r.Body); err != nil || n != 2*maxBody {
			t.Errorf("body of %d bytes, %v", n, err)
		}
	})
	handler := newGuard(router, []string{"hub.example"})
	ask := func(host, path string, headers ...string) *httptest.ResponseRecorder {
		r := httptest.NewRequest("POST", path, strings.NewReader(strings.Repeat("x", 2*maxBody)))
		r.Host = host
		for i := 0; i+1 < len(headers); i += 2 {
			r.Header.Set(headers[i], headers[i+1])
		}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		return w
	}
	if got := ask("hub.example", "/midonet-api/topology"); got.Code != http.StatusOK {
		t.Errorf("large body: %d %s", got.Code, got.Body)
	}
	if got := ask("hub.example", "/midonet-apix"); got.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("large body elsewhere: %d %s", got.Code, got.Body)
	}
	for _, got := range []*httptest.ResponseRecorder{
		ask("evil.example", "/midonet-api/bridges"),
		ask("hub.example", "/midonet-api/bridges", "Origin", "http://evil.example", "Sec-Fetch-Site", "cross-site"),
	} {
		var body struct {
			Message string
			Code    int
		}
		if err := json.Unmarshal(got.Body.Bytes(), &body); err != nil || body.Code != got.Code || body.Message == "" {
			t.Errorf("refusal %d %s (%v)", got.Code, got.Body, err)
		}
		if kind := got.Header().Get("Content-Type"); kind != "application/vnd.org.midonet.Error-v1+json" || got.Code < 400 {
			t.Errorf("refusal %d of type %q", got.Code, kind)
		}
	}
}
