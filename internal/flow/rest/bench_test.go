// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weir-io/weir/internal/flow/inventory"
	"github.com/weir-io/weir/internal/flow/topology"
	"github.com/weir-io/weir/internal/store/bolt"
)

// BenchmarkTraceCycle makes, enables, disables and deletes trace requests, each for a
// bridge of its own, over HTTP on the embedded store: by one client and by eight.
func BenchmarkTraceCycle(b *testing.B) {
	for _, clients := range []int{1, 8} {
		b.Run(map[int]string{1: "one client", 8: "eight clients"}[clients], func(b *testing.B) { benchmarkCycle(b, clients) })
	}
}

func benchmarkCycle(b *testing.B, clients int) {
	db, err := bolt.Open(filepath.Join(b.TempDir(), "store.db"), bolt.Options{})
	if err != nil {
		b.Fatal(err)
	}
	v, err := inventory.Open(b.Context(), db, inventory.Config{})
	if err != nil {
		b.Fatal(err)
	}
	accounts := filepath.Join(b.TempDir(), "accounts.json")
	if err := WriteAccounts(accounts, []Account{{Name: "root", Role: Admin, TokenHash: HashToken(root)}}); err != nil {
		b.Fatal(err)
	}
	access, err := NewAccounts(accounts, time.Hour, time.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	server := httptest.NewServer(New(Options{Inventory: v, Access: access}))
	bridges := make(chan topology.ID, clients)
	for range clients {
		bridge, err := v.CreateBridge(b.Context(), topology.Bridge{TenantID: "red", AdminStateUp: true})
		if err != nil {
			b.Fatal(err)
		}
		bridges <- bridge.ID
	}
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: clients}}
	ask := func(method, path, body string) string {
		r, err := http.NewRequest(method, server.URL+Base+path, strings.NewReader(body))
		if err != nil {
			b.Fatal(err)
		}
		r.Header.Set("X-Auth-Token", root)
		resp, err := client.Do(r)
		if err != nil || resp.StatusCode >= 300 {
			b.Errorf("%s %s: %v, %v", method, path, resp, err)
			return ""
		}
		if _, err := io.Copy(io.Discard, resp.Body); err != nil { // the next request takes the same connection
			b.Error(err)
		}
		resp.Body.Close()
		return resp.Header.Get("Location")
	}
	b.SetParallelism(clients) // times the number of processors
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			bridge := <-bridges
			at := ask("POST", "/traces", `{"device":"`+Base+`/bridges/`+bridge.String()+`","condition":{}}`)
			path := at[strings.Index(at, "/traces/"):]
			ask("PUT", path+"/enabled", "")
			ask("DELETE", path+"/enabled", "")
			ask("DELETE", path, "")
			bridges <- bridge
		}
	})
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "cycles/s")
	server.Close()
	if err := v.Close(); err != nil {
		b.Error(err)
	}
	if err := db.Close(); err != nil {
		b.Error(err)
	}
}
