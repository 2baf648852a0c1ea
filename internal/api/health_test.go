// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/weir-io/weir/client"
	"github.com/weir-io/weir/internal/tracestore"
)

// shortStore says that the disk is full.
type shortStore struct{ store }

// ShortOfSpace is always true.
func (shortStore) ShortOfSpace() bool { return true }

// brokenCatalog finds nothing.
type brokenCatalog struct{ catalog }

var errBroken = errors.New("device gone")

// List fails.
func (brokenCatalog) List(context.Context, time.Duration) (*tracestore.Inventory, error) {
	return nil, errBroken
}

// Space fails.
func (brokenCatalog) Space() (tracestore.Space, error) { return tracestore.Space{}, errBroken }

func TestReady(t *testing.T) {
	tests := []struct {
		name   string
		change func(*Options)
		status int
		want   client.Readiness
	}{
		{"ready", nil, 200, client.Readiness{Ready: true}},
		{"no reasons", func(o *Options) { o.NotReady = func() []string { return nil } }, 200, client.Readiness{Ready: true}},
		{
			"stopping", func(o *Options) { o.NotReady = func() []string { return []string{"stopping"} } }, 503,
			client.Readiness{Reasons: []string{"stopping"}},
		},
		{
			"disk short", func(o *Options) { o.Store = shortStore{o.Store} }, 200,
			client.Readiness{Ready: true, Warnings: []string{"disk short: data packets are dropped"}},
		},
		{
			"disk broken", func(o *Options) { o.Catalog = brokenCatalog{o.Catalog} }, 200,
			client.Readiness{Ready: true, Warnings: []string{"disk space not known"}},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t, tt.change)
			answer, body := f.do(http.MethodGet, "/readyz", nil)
			var got client.Readiness
			if err := json.Unmarshal(body, &got); err != nil {
				t.Fatal(err)
			}
			if answer.StatusCode != tt.status {
				t.Errorf("status %d, want %d", answer.StatusCode, tt.status)
			}
			if diff := cmp.Diff(tt.want, got, cmpopts.EquateEmpty(), cmpopts.IgnoreFields(client.Readiness{}, "FreeBytes")); diff != "" {
				t.Errorf("readiness (-want +got):\n%s", diff)
			}
			if known := !strings.Contains(tt.name, "broken"); known != (got.FreeBytes > 0) {
				t.Errorf("free bytes = %d", got.FreeBytes)
			}
			if got := get[client.Health](f, "/healthz"); got.Status != "ok" {
				t.Errorf("health = %+v", got)
			}
		})
	}
}

// What went wrong inside stays inside.
func TestInternalError(t *testing.T) {
	f := newFixture(t, func(o *Options) { o.Catalog = brokenCatalog{o.Catalog} })
	p := f.refused("GET", "/api/v1/sessions", codeInternal, nil)
	if strings.Contains(p.Error(), "device") {
		t.Errorf("problem = %v", p)
	}
	if !strings.Contains(f.log.String(), "device gone") {
		t.Errorf("log = %s", &f.log)
	}
	if _, body := f.do("GET", "/metrics", nil); strings.Contains(string(body), "weir_store_disk_free_bytes") {
		t.Error("an unknown figure is shown")
	}
}

func TestRun(t *testing.T) {
	f := newFixture(t, func(o *Options) { o.Now = time.Now })
	_, st := f.open("s")
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- f.api.Run(ctx) }() // ends with ctx
		synctest.Wait()
		f.packet(st, 0)
		<-time.After(samplePeriod)
		synctest.Wait()
		if r := f.api.rates.stream(st.ID()); r == nil || r.Bytes != 50 {
			t.Errorf("rate after a period = %+v, want 50 bytes/s", r)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run = %v, want nil", err)
		}
	})
}
