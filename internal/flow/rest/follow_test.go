// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"iter"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weir-io/weir/internal/flow/topology"
)

// endless is a trace store whose streams go on until their contexts end.
type endless struct{ *memoryTraces }

func (e endless) FollowFlows(ctx context.Context, _ topology.ID, _ Select) iter.Seq2[Flow, error] {
	return func(yield func(Flow, error) bool) {
		if yield(Flow{}, nil) {
			<-ctx.Done()
		}
	}
}

func (e endless) FollowEvents(ctx context.Context, _, _ topology.ID, _ Select) iter.Seq2[json.RawMessage, error] {
	return func(yield func(json.RawMessage, error) bool) {
		if yield(json.RawMessage(`{"kind":"result"}`), nil) {
			<-ctx.Done()
		}
	}
}

// TestStreamsEndWithTheRight has streams open while what allows them ends: they are cut
// off.
func TestStreamsEndWithTheRight(t *testing.T) {
	change := func(old, with string) func(*testing.T, *fixture, string) {
		return func(t *testing.T, f *fixture, _ string) {
			text := strings.Replace(fixtureAccounts, old, with, 1)
			if err := os.WriteFile(f.accounts, []byte(text), 0o600); err != nil || text == fixtureAccounts {
				t.Fatalf("accounts not changed: %v", err)
			}
		}
	}
	// both has blue's networks for red as well, which its own request does not need.
	both := strings.Replace(fixtureAccounts, `"name": "red", "role": "tenant_admin", "tenants": ["red"]`, `"name": "red", "role": "tenant_admin", "tenants": ["red", "blue"]`, 1)
	for name, end := range map[string]func(*testing.T, *fixture, string){
		"revoked": change(`"token": "token-of-red",`, `"token": "token-of-someone",`),
		"role":    change(`"name": "red", "role": "tenant_admin", "tenants": ["red"]`, `"name": "red", "role": "agent", "host": "`+host1+`"`),
		"tenant":  change(`"name": "red", "role": "tenant_admin", "tenants": ["red"]`, `"name": "red", "role": "tenant_admin", "tenants": ["blue"]`),
		"one of two tenants": func(t *testing.T, f *fixture, _ string) {
			if err := os.WriteFile(f.accounts, []byte(fixtureAccounts), 0o600); err != nil || both == fixtureAccounts {
				t.Fatalf("accounts not changed: %v", err)
			}
		},
		"deleted": func(t *testing.T, f *fixture, id string) {
			f.want(http.StatusNoContent, root, "DELETE", "/traces/"+id, "")
		},
		"expired": nil, // by the clock of the accounts
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			if name == "one of two tenants" {
				if err := os.WriteFile(f.accounts, []byte(both), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			var passed atomic.Int64
			access, err := NewAccounts(f.accounts, time.Hour, func() time.Time { return time.Now().Add(time.Duration(passed.Load())) }, f.server.opts.Log)
			if err != nil {
				t.Fatal(err)
			}
			f.server.opts.Access, f.server.opts.Traces, f.server.opts.Recheck = access, endless{f.traces}, time.Millisecond
			id, flow := f.trace(red, "bridges/"+redLAN), topology.ID{15: 1}
			f.traces.flows = map[topology.ID][]Flow{}
			request, _ := topology.ParseID(id)
			f.traces.flows[request] = []Flow{{ID: flow}}
			token := red
			if end == nil {
				login, ok := access.Login(t.Context(), "red", "der", "")
				if !ok {
					t.Fatal("no login")
				}
				token = login.Key
				end = func(*testing.T, *fixture, string) { passed.Store(int64(2 * time.Hour)) }
			}
			server := httptest.NewServer(f.server)
			defer server.Close()
			open := func(ctx context.Context, token, path string) *bufio.Reader {
				r, err := http.NewRequestWithContext(ctx, "GET", server.URL+Base+"/traces/"+id+path+"?follow=true", nil)
				if err != nil {
					t.Fatal(err)
				}
				r.Header.Set("X-Auth-Token", token)
				resp, err := server.Client().Do(r)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { resp.Body.Close() })
				body := bufio.NewReader(resp.Body)
				if line, err := body.ReadString('\n'); err != nil || resp.StatusCode != http.StatusOK {
					t.Fatalf("%s: %d %q, %v", path, resp.StatusCode, line, err)
				}
				return body
			}
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			streams := []*bufio.Reader{open(ctx, token, "/flows"), open(ctx, token, "/flows/"+flow.String()+"/events")}
			end(t, f, id)
			for _, s := range streams {
				if rest, err := io.ReadAll(s); err == nil || len(rest) > 0 || ctx.Err() != nil {
					t.Errorf("read %q, %v, want that the stream is cut off", rest, err)
				}
			}
		})
	}
}
