// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/weir-io/weir/internal/hoststat"
	"github.com/weir-io/weir/internal/wait"
)

func TestMetricsAddress(t *testing.T) {
	for in, want := range map[string]string{
		"9100": "127.0.0.1:9100", ":9101": "127.0.0.1:9101", "0.0.0.0:1": "0.0.0.0:1", "[::1]:2": "[::1]:2", "::1": "[::1]:9100",
		"10.0.0.1": "10.0.0.1:9100", "host:0": "host:0", "host": "", "": "", "1:2:3:4:5": "", "127.0.0.1:none": "",
	} {
		got, err := metricsAddress(in)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("metricsAddress(%q) = %q, %v, want %q", in, got, err, want)
		}
	}
}

// TestMetricsService serves both views of this host.
func TestMetricsService(t *testing.T) {
	e, err := hoststat.New(hoststat.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	l, run, err := metricsService(ctx, ":0", e, "/", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- run(ctx) }()
	client := &http.Client{Timeout: wait.Patience}
	defer client.CloseIdleConnections()
	for path, want := range map[string]string{"/metrics": "\nweir_load1 ", "/metrics/node": "\nnode_load1 ", "/metrics/none": "404"} {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+l.Addr().String()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r, err := client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r.Body)
		r.Body.Close()
		if err != nil || !strings.Contains("\n"+string(b), want) {
			t.Errorf("%s: %s, %v: no %q in %.80q", path, r.Status, err, want, b)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestHubMetrics has the hub's own figures before those of the host, and refusals
// as the hub makes them.
func TestHubMetrics(t *testing.T) {
	e, err := hoststat.New(hoststat.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	show, end := hubMetrics(e, "/", nil)
	native, node := show(
		func(b []byte, _ bool) ([]byte, error) { return append(b, "hub 1\n"...), nil },
		func(w http.ResponseWriter, _ *http.Request, status int, _ string) { w.WriteHeader(status + 1) },
	)
	get := func(h http.Handler, path string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
		return w
	}
	if w := get(native, "/metrics?on=loadavg"); !strings.HasPrefix(w.Body.String(), "hub 1\n# HELP weir_load1 ") {
		t.Errorf("%.80q", w.Body)
	}
	if w := get(node, "/metrics/node?on=loadavg"); !strings.HasPrefix(w.Body.String(), "# TYPE node_load1 ") {
		t.Errorf("%.80q", w.Body)
	}
	if w := get(node, "/metrics/node?on=none"); w.Code != http.StatusBadRequest+1 {
		t.Errorf("status %d", w.Code)
	}
	end()
	if w := get(node, "/metrics/node"); w.Code != http.StatusServiceUnavailable+1 {
		t.Errorf("after the end: status %d", w.Code)
	}
}
