// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/weir-io/weir/internal/config"
)

// BenchmarkTraceCycle makes, enables, disables and deletes trace requests over HTTP, one
// after the other, with all that a hub has to do for them: its store and its archive are
// files on the disk.
func BenchmarkTraceCycle(b *testing.B) {
	cfg := config.Default()
	cfg.Hub.StateDir = b.TempDir()
	f, err := newFlows(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(b.Context())
	f.open(ctx)
	done := make(chan error, 1)
	go func() { done <- f.run(ctx) }() // ended by stop; done says so
	server := httptest.NewServer(f)
	client := server.Client()
	ask := func(method, path, body string) (at string) {
		r, err := http.NewRequestWithContext(ctx, method, server.URL+"/midonet-api"+path, strings.NewReader(body))
		if err != nil {
			b.Fatal(err)
		}
		r.Header.Set("X-Auth-Token", f.access.Token)
		resp, err := client.Do(r)
		if err != nil {
			b.Fatal(err)
		}
		defer resp.Body.Close()
		answer, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode >= 300 {
			b.Fatalf("%s %s: %s %s, %v", method, path, resp.Status, answer, err)
		}
		_, at, _ = strings.Cut(resp.Header.Get("Location"), "/midonet-api")
		return at
	}
	bridge := ask("POST", "/bridges", `{"tenantId":"red"}`)
	for b.Loop() {
		trace := ask("POST", "/traces", `{"device":"/midonet-api`+bridge+`","condition":{}}`)
		ask("PUT", trace+"/enabled", "")
		ask("DELETE", trace+"/enabled", "")
		ask("DELETE", trace, "")
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "cycles/s")
	server.Close()
	stop()
	if err := <-done; err != nil {
		b.Error(err)
	}
}
