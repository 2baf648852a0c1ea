// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package api

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weir-io/weir/client"
)

// consoleDouble has a page and a file of it.
type consoleDouble struct{}

func (consoleDouble) Paths() []string { return []string{"/", "/console/1/a.js"} }

func (consoleDouble) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Security-Policy", "its own")
	w.Header().Set("Cache-Control", "no-cache")
	_, _ = w.Write([]byte("page " + r.URL.Path))
}

// The page is behind the guard, and beside the interface.
func TestConsole(t *testing.T) {
	f := newFixture(t, func(o *Options) { o.Console = consoleDouble{} })
	for _, path := range []string{"/", "/console/1/a.js"} {
		answer, body := f.do(http.MethodGet, path, nil)
		h := answer.Header
		if answer.StatusCode != http.StatusOK || string(body) != "page "+path || h.Get("Content-Security-Policy") != "its own" || h.Get("Cache-Control") != "no-cache" {
			t.Errorf("%s: %s, %q, %v", path, answer.Status, body, h)
		}
		if answer, _ := f.do(http.MethodHead, path, nil); answer.StatusCode != http.StatusOK {
			t.Errorf("HEAD %s: %s", path, answer.Status)
		}
		answer, _ = f.do(http.MethodPost, path, nil)
		if answer.StatusCode != http.StatusMethodNotAllowed || answer.Header.Get("Allow") != "GET, HEAD" {
			t.Errorf("POST %s: %s, Allow %q", path, answer.Status, answer.Header.Get("Allow"))
		}
		f.refused(http.MethodGet, path, codeHostNotAllowed, func(r *http.Request) { r.Host = "elsewhere.example" })
	}
	for _, path := range []string{"/console/", "/console/2/a.js", "/index.html", "/api", "/api/v1/none"} {
		f.refused(http.MethodGet, path, codeNoSuchPath, nil)
	}
}

func TestNoConsole(t *testing.T) {
	f := newFixture(t, nil)
	f.refused(http.MethodGet, "/", codeNoSuchPath, nil)
}

func TestHub(t *testing.T) {
	f := newFixture(t, func(o *Options) {
		o.OwnHost, o.Output, o.Networks = "vm", "/srv/traces", nil
		o.Listens = func() client.HubListeners {
			return client.HubListeners{Live: []string{"127.0.0.1:5344"}}
		}
	})
	want := client.Hub{
		Host: "vm", Version: "1.2.3", Go: "go1.26", Started: f.clock, Output: "/srv/traces", Poll: "0s",
		Serves: client.HubServices{Hosts: true, Feeds: true},
		Listens: client.HubListeners{
			Control: []string{}, Data: []string{}, Live: []string{"127.0.0.1:5344"}, HTTP: []string{}, Hop: []string{}, Hosts: []string{},
		},
	}
	if diff := cmp.Diff(want, get[client.Hub](f, "/api/v1/hub")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, body := f.do(http.MethodGet, "/api/v1/hub", nil); strings.Contains(string(body), "null") {
		t.Errorf("a list that is none: %s", body)
	}
}
