// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/weir-io/weir/client"
	feedclient "github.com/weir-io/weir/client/feed"
)

// Each code of feeds has its status, and its message goes along.
func TestFeedCodes(t *testing.T) {
	f := newFeedAPI(t, 3)
	for code, want := range map[feedclient.Code]int{
		feedclient.CodeNotFound: 404, feedclient.CodeExists: 409, feedclient.CodeBusy: 409, feedclient.CodeAborted: 410,
		feedclient.CodeDenied: 403, feedclient.CodeBadArgument: 400, feedclient.CodeUnsupported: 422,
		feedclient.CodeLimit: 429, feedclient.CodeStore: 503,
	} {
		e := feedclient.Errorf(code, "what is wrong")
		e.Holder, e.Aborted = &feedclient.Lease{UID: 12}, &feedclient.Abort{Reason: "size", First: 3, Last: 9}
		f.feeds.refuse = fmt.Errorf("beside: %w", e)
		w := f.do("POST", "/api/v1/feeds", `{"source":"/srv","name":"new"}`)
		var p client.Problem
		err := json.Unmarshal(w.Body.Bytes(), &p)
		if err != nil || w.Code != want || p.Status != want || p.Code != string(code) || p.Detail != "what is wrong" {
			t.Errorf("%s: got status %d, %s, %v, want %d with its message", code, w.Code, w.Body, err, want)
		}
		if p.Holder == nil || p.Holder.UID != 12 || p.Aborted == nil || p.Aborted.Reason != "size" || p.Aborted.Last != 9 {
			t.Errorf("%s: got %s, want who reads the feed and what was lost", code, w.Body)
		}
	}
	f.feeds.closed = feedclient.Errorf(feedclient.CodeStore, "no feeds are served: /srv is full")
	for path, want := range map[string]string{
		"/api/v1/feeds": "no feeds are served: /srv is full", "/api/v1/feed-sources": "no feeds are served: /srv is full",
		"/healthz": `"warnings":["feeds: no feeds are served: /srv is full"]`, "/metrics": "\nweir_feed_store_open 0\n",
	} {
		w := f.do("GET", path)
		if api := strings.HasPrefix(path, "/api"); !strings.Contains(w.Body.String(), want) || api && w.Code != 503 || !api && w.Code != 200 {
			t.Errorf("GET %s while nobody serves feeds: status %d, %s; want %s", path, w.Code, w.Body, want)
		}
	}
	f.feeds.closed = nil
	if w := f.do("GET", "/metrics"); !strings.Contains(w.Body.String(), "\nweir_feed_store_open 1\n") {
		t.Errorf("GET /metrics while feeds are served: %s", w.Body)
	}
	before := f.feeds.lists
	f.do("GET", "/healthz")
	if f.feeds.lists != before {
		t.Error("GET /healthz asked about every feed, of which there may be thousands")
	}
	f.feeds.refuse = errors.New("secret")
	if w := f.do("POST", "/api/v1/feeds", `{"source":"/srv","name":"new"}`); w.Code != 500 || strings.Contains(w.Body.String(), "secret") {
		t.Errorf("another error: got %d, %s, want 500 without the error", w.Code, w.Body)
	}
}
