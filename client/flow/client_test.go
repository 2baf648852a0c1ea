// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package flow_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/weir-io/weir/client/flow"
)

const id = "0c550000-0000-4000-8000-000000000001"

// hub answers as a hub with one trace request would.
func hub() *httptest.Server {
	mux := http.NewServeMux()
	answer := func(pattern string, status int, body string) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("X-Auth-Token") != "secret" {
				w.WriteHeader(http.StatusUnauthorized)
				_, _ = io.WriteString(w, `{"message":"want a token","code":401}`)
				return
			}
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		})
	}
	answer("POST /midonet-api/traces", 201, `{"id":"`+id+`"}`)
	answer("PUT /midonet-api/traces/{id}/enabled", 204, "")
	answer("DELETE /midonet-api/traces/{id}/enabled", 204, "")
	answer("DELETE /midonet-api/traces/{id}", 204, "")
	answer("GET /midonet-api/traces/{id}/flows", 200, `[{"flowTraceId":"f1","verdict":"Drop","networkSrc":"10.0.0.1","dstPort":80}]`)
	answer("GET /midonet-api/traces", 200, `[{"id":"`+id+`","name":"web","deviceType":"ROUTER","condition":{"nwProto":6},"limit":9223372036854775807}]`)
	answer("GET /midonet-api/traces/{id}", 400, `{"message":"Validation error(s) found","code":400,"violations":[{"property":"limit","message":"got 0"}]}`)
	answer("GET /midonet-api/bridges/{id}", 200, `{"name":"lan"}`)
	answer("GET /midonet-api/hosts", 502, `<html>`)
	answer("GET /midonet-api/topology", 200, `{"bridges":[]}`)
	answer("POST /midonet-api/topology", 204, "")
	answer("POST /midonet-api/simulations", 200, `{"result":"Drop","events":[{"kind":"start"},{"kind":"result"}]}`)
	mux.HandleFunc("POST /midonet-api/login", func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		if user != "alice" || password != "pw" || r.Header.Get("X-Auth-Project") != "red" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_, _ = io.WriteString(w, `{"key":"secret","expires":"2026-11-30T05:00:00Z"}`)
	})
	return httptest.NewServer(mux)
}

func Example() {
	server := hub()
	defer server.Close()
	c, err := flow.New(server.URL, "secret") // or flow.DefaultURL, and the token of weir up
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	ctx := context.Background()
	trace, err := c.CreateTrace(ctx, flow.TraceRequest{
		Name: "web", DeviceType: flow.Router, DeviceID: "7b1f0000-0000-4000-8000-000000000001",
		Condition: flow.Words("proto tcp dst-port 80"), Limit: 10,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := c.EnableTrace(ctx, trace); err != nil {
		fmt.Println(err)
		return
	}
	flows, err := c.Flows(ctx, trace, flow.Query{Limit: 10, Order: flow.Descending})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, f := range flows {
		fmt.Println(f.Verdict, f.NetworkSrc, f.DstPort)
	}
	// Output: Drop 10.0.0.1 80
}

func ExampleError() {
	server := hub()
	defer server.Close()
	c, err := flow.New(server.URL, "secret")
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = c.Trace(context.Background(), id)
	var refusal *flow.Error
	if errors.As(err, &refusal) {
		fmt.Println(refusal.Status, refusal.Violations[0].Property)
	}
	fmt.Println(err)
	// Output:
	// 400 limit
	// limit: got 0 (400)
}

func newClient(t *testing.T, token string) *flow.Client {
	t.Helper()
	server := hub()
	t.Cleanup(server.Close)
	c, err := flow.New(server.URL, token)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestCalls(t *testing.T) {
	c := newClient(t, "secret")
	ctx := t.Context()
	traces, err := c.Traces(ctx, "red")
	if err != nil || len(traces) != 1 || traces[0].Condition.String() != `{"nwProto":6}` || traces[0].Limit != 1<<63-1 {
		t.Errorf("Traces = %+v, %v", traces, err)
	}
	var bridge struct{ Name string }
	if err := c.Get(ctx, &bridge, nil, "bridges", id); err != nil || bridge.Name != "lan" {
		t.Errorf("Get = %+v, %v", bridge, err)
	}
	for name, err := range map[string]error{
		"DisableTrace": c.DisableTrace(ctx, id), "DeleteTrace": c.DeleteTrace(ctx, id),
		"ImportTopology": c.ImportTopology(ctx, strings.NewReader(`{"bridges":[]}`)),
	} {
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if document, err := c.ExportTopology(ctx); err != nil || string(document) != `{"bridges":[]}` {
		t.Errorf("ExportTopology = %s, %v", document, err)
	}
	s, err := c.Simulate(ctx, id, []byte{1})
	if err != nil || s.Result != "Drop" || len(s.Events) != 2 || s.Events[1].Kind != "result" {
		t.Errorf("Simulate = %+v, %v", s, err)
	}
	if b, err := json.Marshal(s.Events); err != nil || string(b) != `[{"kind":"start"},{"kind":"result"}]` {
		t.Errorf("events are written as %s, %v", b, err)
	}
}

func TestRefusals(t *testing.T) {
	c := newClient(t, "wrong")
	_, err := c.Traces(t.Context(), "")
	if refusal, ok := errors.AsType[*flow.Error](err); !ok || refusal.Status != http.StatusUnauthorized {
		t.Errorf("without a token: %v", err)
	}
	c = newClient(t, "secret")
	if err := c.Get(t.Context(), nil, nil, "hosts"); err == nil || !strings.Contains(err.Error(), "not an answer of weir") {
		t.Errorf("another's answer: %v", err)
	}
	for _, part := range []string{"", ".", ".."} {
		if err := c.Delete(t.Context(), "traces", part); err == nil {
			t.Errorf("identifier %q was sent", part)
		}
	}
	for _, at := range []string{"", "localhost:9347", "ftp://x", "http://", ":"} {
		if _, err := flow.New(at, ""); err == nil {
			t.Errorf("URL %q is taken", at)
		}
	}
}

func TestLogin(t *testing.T) {
	c := newClient(t, "")
	if _, err := c.Login(t.Context(), "alice", "no", "red"); err == nil {
		t.Error("login with a wrong password")
	}
	token, err := c.Login(t.Context(), "alice", "pw", "red")
	if err != nil || token.Key != "secret" || token.Expires != time.Date(2026, 11, 30, 5, 0, 0, 0, time.UTC) {
		t.Errorf("Login = %+v, %v", token, err)
	}
	if _, err := c.Traces(t.Context(), ""); err != nil {
		t.Errorf("after the login: %v", err)
	}
}

func TestFollow(t *testing.T) {
	gone := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("follow") != "true" || r.URL.Query().Get("verdict") != "Drop" {
			t.Errorf("asked for %s", r.URL)
		}
		_, _ = io.WriteString(w, `{"flowTraceId":"f1"}`+"\n"+`{"flowTraceId":"f2"}`+"\n")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
		close(gone)
	}))
	defer server.Close()
	c, err := flow.New(server.URL, "")
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for f, err := range c.FollowFlows(t.Context(), id, flow.Query{Verdict: "Drop"}) {
		if err != nil {
			t.Fatal(err)
		}
		if ids = append(ids, f.ID); len(ids) == 2 {
			break
		}
	}
	<-gone // the stream ends with the walk
	if strings.Join(ids, " ") != "f1 f2" {
		t.Errorf("followed %q", ids)
	}
}
