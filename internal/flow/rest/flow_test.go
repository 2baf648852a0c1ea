// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/weir-io/weir/internal/flow/topology"
)

func TestFlowsAreSelected(t *testing.T) {
	f := newFixture(t)
	id := f.trace(red, "bridges/"+redLAN)
	f.want(http.StatusOK, red, "GET", "/traces/"+id+"/flows?since=1500&until=1970-01-01T00:00:02.5Z&limit=7&order=desc&verdict=drop&host="+host1, "")
	host, _ := topology.ParseID(host1)
	want := Select{
		Since: time.UnixMilli(1500), Until: time.UnixMilli(2500), Limit: 7, Descending: true, Verdict: "drop", Host: host,
	}
	got := f.traces.asked[len(f.traces.asked)-1]
	if !got.Since.Equal(want.Since) || !got.Until.Equal(want.Until) || got.Limit != 7 || !got.Descending || got.Verdict != "drop" || got.Host != host {
		t.Errorf("selected %+v, want %+v", got, want)
	}
	f.want(http.StatusOK, red, "GET", "/traces/"+id+"/flows", "")
	if got := f.traces.asked[len(f.traces.asked)-1]; got != (Select{Limit: 100, Descending: true}) {
		t.Errorf("without parameters selected %+v, want the newest first", got)
	}
	f.want(http.StatusOK, red, "GET", "/traces/"+id+"/flows?order=asc", "")
	if got := f.traces.asked[len(f.traces.asked)-1]; got != (Select{Limit: 100}) {
		t.Errorf("order=asc selected %+v", got)
	}
	for _, query := range []string{"since=x", "until=2026-13-01", "limit=0", "limit=10001", "limit=x", "order=up", "host=x", "follow=maybe"} {
		f.want(http.StatusBadRequest, red, "GET", "/traces/"+id+"/flows?"+query, "")
	}
	f.want(http.StatusNotFound, red, "GET", "/traces/"+absent+"/flows", "")
	f.want(http.StatusNotFound, red, "GET", "/traces/"+id+"/flows/x", "")
	f.want(http.StatusNotFound, red, "GET", "/traces/"+id+"/flows/"+absent, "")
	f.want(http.StatusNotFound, red, "GET", "/traces/"+id+"/flows/"+absent+"/events", "")
	f.want(http.StatusNotAcceptable, red, "GET", "/traces/"+id+"/flows", "", "Accept", "text/html")
}

// What was not kept is told: of a flow that there was more, to administrators how much.
func TestFlowsTellWhatWasNotKept(t *testing.T) {
	f := newFixture(t)
	id := f.trace(red, "bridges/"+redLAN)
	request, _ := topology.ParseID(id)
	port, _ := topology.ParseID(redPort)
	whole, cut := Flow{ID: topology.ID{15: 1}, Ingress: port}, Flow{ID: topology.ID{15: 2}, Ingress: port, Dropped: 7}
	f.traces.flows = map[topology.ID][]Flow{request: {whole, cut}}
	for token, dropped := range map[string]any{root: 7.0, red: nil} {
		list := f.want(http.StatusOK, token, "GET", "/traces/"+id+"/flows", "").array(t)
		if list[0]["incomplete"] != nil || list[0]["eventsDropped"] != nil {
			t.Errorf("a whole flow: %v", list[0])
		}
		if list[1]["incomplete"] != true || list[1]["eventsDropped"] != dropped {
			t.Errorf("one that is cut: %v, want %v dropped", list[1], dropped)
		}
	}
	if one := f.want(http.StatusOK, red, "GET", "/traces/"+id, "").object(t); one["flowsDropped"] != 2.0 {
		t.Errorf("the request: %v", one)
	}
}

func TestFlowsOfWhatIsGoneAreForAdmins(t *testing.T) {
	f := newFixture(t)
	gone, _ := topology.ParseID(absent)
	flow := Flow{ID: topology.ID{15: 1}, Verdict: "drop"}
	f.traces.flows = map[topology.ID][]Flow{gone: {flow}}
	f.want(http.StatusNotFound, red, "GET", "/traces/"+absent+"/flows", "")
	if list := f.want(http.StatusOK, root, "GET", "/traces/"+absent+"/flows", "").array(t); len(list) != 1 {
		t.Errorf("flows: %v", list)
	}
	f.want(http.StatusOK, root, "GET", "/traces/"+absent+"/flows/"+flow.ID.String(), "")
	f.want(http.StatusNoContent, red, "DELETE", "/traces/"+absent, "")
	f.want(http.StatusOK, root, "GET", "/traces/"+absent+"/flows", "")
	f.want(http.StatusNoContent, root, "DELETE", "/traces/"+absent, "")
	f.want(http.StatusNotFound, root, "GET", "/traces/"+absent+"/flows", "")
}

// TestFollow reads a stream until the client goes, which ends it.
func TestFollow(t *testing.T) {
	f := newFixture(t)
	id := f.trace(red, "bridges/"+redLAN)
	request, _ := topology.ParseID(id)
	flow := topology.ID{15: 1}
	f.traces.flows = map[topology.ID][]Flow{request: {{ID: flow}, {ID: topology.ID{15: 2}}}}
	f.traces.events = map[topology.ID][]json.RawMessage{flow: {json.RawMessage(`{"kind":"result","seq":0}`)}}
	ended := make(chan struct{})
	for path, lines := range map[string]int{"/flows": 2, "/flows/" + flow.String() + "/events": 1} {
		ctx, cancel := context.WithCancel(t.Context())
		f.traces.more = func() {
			<-ctx.Done()
			ended <- struct{}{}
		}
		server := httptest.NewServer(f.server)
		r, err := http.NewRequestWithContext(ctx, "GET", server.URL+Base+"/traces/"+id+path+"?follow=true", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Auth-Token", red)
		resp, err := server.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		if kind := resp.Header.Get("Content-Type"); kind != streamType {
			t.Errorf("%s: Content-Type %q", path, kind)
		}
		scanner := bufio.NewScanner(resp.Body)
		for i := range lines {
			if !scanner.Scan() || !json.Valid(scanner.Bytes()) {
				t.Errorf("%s: line %d: %q", path, i, scanner.Text())
			}
		}
		cancel()
		<-ended
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		server.Close()
	}
}

// TestFollowIsCutOff has the store fail while flows are followed: the answer does not end
// as a whole one does.
func TestFollowIsCutOff(t *testing.T) {
	f := newFixture(t)
	id := f.trace(red, "bridges/"+redLAN)
	request, _ := topology.ParseID(id)
	f.traces.flows = map[topology.ID][]Flow{request: {{ID: topology.ID{15: 1}}}}
	f.traces.cut = errors.New("the disk is broken")
	server := httptest.NewServer(f.server)
	defer server.Close()
	r, err := http.NewRequestWithContext(t.Context(), "GET", server.URL+Base+"/traces/"+id+"/flows?follow=true", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Auth-Token", red)
	resp, err := server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if b, err := io.ReadAll(resp.Body); err == nil || strings.Count(string(b), "\n") != 1 {
		t.Errorf("read %q, %v, want one line and an error", b, err)
	}
}

func TestWithoutTracesAndSimulator(t *testing.T) {
	f := newFixture(t)
	id := f.trace(red, "bridges/"+redLAN)
	f.server = New(Options{Inventory: f.inventory, Access: f.server.opts.Access})
	if got := f.want(http.StatusOK, red, "GET", "/traces/"+id+"/flows", ""); got.body != "[]" {
		t.Errorf("flows: %s", got.body)
	}
	f.want(http.StatusNotFound, red, "GET", "/traces/"+id+"/flows/"+absent, "")
	f.want(http.StatusNotFound, red, "GET", "/traces/"+id+"/flows/"+absent+"/events", "")
	f.want(http.StatusNotFound, red, "POST", "/simulations", `{"port":"`+redPort+`","frame":"ffffffffffff0200000000010800"}`)
	if m := f.want(http.StatusOK, red, "GET", "/traces/"+id, "").object(t); len(m["hostStatus"].([]any)) != 0 {
		t.Errorf("hostStatus of no trace store: %v", m)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // the client goes at once, which ends the stream
	for range (noTraces{}).FollowFlows(ctx, topology.ID{}, Select{}) {
		t.Error("a flow came")
	}
	for range (noTraces{}).FollowEvents(ctx, topology.ID{}, topology.ID{}, Select{}) {
		t.Error("an event came")
	}
}

// TestFaultOfTheProgram has the simulator panic: the client gets an answer, and others
// are served.
func TestFaultOfTheProgram(t *testing.T) {
	f := newFixture(t)
	f.traces.result.Result = "panic"
	r := httptest.NewRequest("POST", Base+"/simulations", strings.NewReader(`{"port":"`+redPort+`","frame":"ffffffffffff0200000000010800"}`))
	r.Header.Set("X-Auth-Token", red)
	w := httptest.NewRecorder()
	f.server.ServeHTTP(w, r)
	if w.Code != http.StatusInternalServerError || !strings.Contains(w.Body.String(), `"code":500`) || strings.Contains(w.Body.String(), "simulator") {
		t.Errorf("answer %d %s", w.Code, w.Body)
	}
	f.want(http.StatusOK, red, "GET", "/bridges", "")
}
