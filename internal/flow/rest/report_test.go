// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weir-io/weir/internal/flow/record"
	"github.com/weir-io/weir/internal/flow/topology"
)

// recordOf is a record of a host as an agent sends it.
func recordOf(host, requests string, at time.Time, members string) string {
	return fmt.Sprintf(`{"time":%q,"level":"DEBUG","msg":"start","cookie":"[cookie:7]","flowTraceId":"00000000-0000-0000-0000-000000000001",
		"traceRequestId":%q,"host":%q,"etherType":2048,"networkSrc":"10.0.0.1","seq":0,"kind":"start"%s}`, at.Format(time.RFC3339Nano), requests, host, members)
}

// TestReport has an agent send records and how it counts.
func TestReport(t *testing.T) {
	f := newFixture(t)
	id := f.trace(red, "bridges/"+redLAN)
	request, _ := topology.ParseID(id)
	at := "/hosts/" + host1 + "/records"
	now := time.Now()
	old, future := now.Add(-time.Hour), now.Add(24*time.Hour)
	body := `{"records":[` + strings.Join([]string{
		recordOf(host1, absent+","+id, old, `,"role":"ingress","x":[1]`),
		recordOf(host1, absent, old, ""), // of a request that is gone
		recordOf(host1, id, future, ""),
	}, ",") + `],"status":[{"request":"` + id + `","hits":5,"limitReached":true},{"request":"` + absent + `","hits":1}]}`
	f.want(http.StatusNoContent, agent1, "POST", at, body)
	kept := f.traces.kept
	if len(kept) != 2 || !slices.Equal(kept[0].Scope.Requests, []topology.ID{request}) || string(kept[0].Event) != `{"role":"ingress","x":[1]}` ||
		!kept[0].Time.Equal(old.Truncate(0)) {
		t.Fatalf("kept %+v, want two of the request, the first as it was", kept)
	}
	if kept[1].Time.Before(now) || kept[1].Time.After(time.Now()) {
		t.Errorf("a record of tomorrow has the time %v, want now", kept[1].Time)
	}
	host, _ := topology.ParseID(host1)
	if got := f.traces.status; len(got) != 1 || !slices.Equal(got[request], []HostStatus{{host, 5, true}}) {
		t.Errorf("status %v, want that of the request", got)
	}
	f.want(http.StatusNoContent, agent1, "POST", at, `{}`)
	f.want(http.StatusNoContent, root, "POST", at, `{"records":[]}`)
	f.want(http.StatusNoContent, agent1, "POST", at, `{"records":[`+recordOf(host1, id, now, `,"hex":"`+strings.Repeat("00", 2<<20)+`"`)+`]}`)
}

func TestReportIsRefused(t *testing.T) {
	f := newFixture(t)
	id := f.trace(red, "bridges/"+redLAN)
	at := "/hosts/" + host1 + "/records"
	for _, token := range []string{red, redUser, blue} {
		f.want(http.StatusForbidden, token, "POST", at, `{}`)
	}
	f.want(http.StatusUnauthorized, "", "POST", at, `{}`)
	f.want(http.StatusNotFound, agent1, "POST", "/hosts/"+absent+"/records", `{}`)
	f.want(http.StatusMethodNotAllowed, agent1, "GET", at, "")
	for _, path := range []string{"/", "/hosts", "/traces", "/traces/" + id + "/flows", "/topology"} {
		f.want(http.StatusForbidden, agent1, "GET", path, "")
	}
	f.want(http.StatusForbidden, agent1, "PUT", "/traces/"+id+"/enabled", "")
	other := f.create(root, "/tunnel_zones", `{"name":"z"}`) // any id that is not the host's
	for body, property := range map[string]string{
		`{"records":{}}`:   "records",
		`{"records":[1]}`:  "records[0]",
		`{"records":[{}]}`: "records[0]",
		`{"records":[` + recordOf(other, id, time.Now(), "") + `]}`: "records[0].host",
		`{"records":[1` + strings.Repeat(",1", 1000) + `]}`:         "records",
		`{"status":[{"request":"` + id + `","hits":-1}]}`:           "status[0].hits",
		`{"status":[{"request":"x","hits":1}]}`:                     "status[0].request",
		`{"status":[{"request":"` + id + `","hits":"1"}]}`:          "status.hits",
		`{"status":7}`: "status",
	} {
		got := f.want(http.StatusBadRequest, agent1, "POST", at, body)
		if want := fmt.Sprintf(`"violations":[{"property":%q`, property); !strings.Contains(got.body, want) {
			t.Errorf("%.60s: %s, want %s", body, got.body, want)
		}
	}
	if len(f.traces.kept) > 0 {
		t.Errorf("kept %+v of what was refused", f.traces.kept)
	}
}

// TestAgentOfAnotherHost has an agent send for a host that is not its own.
func TestAgentOfAnotherHost(t *testing.T) {
	f := newFixture(t)
	document := `{"bridges":[{"name":"b2"}],"ports":[{"name":"p2","device":"b2","host":"h2","interface":"x"}]}`
	f.want(http.StatusNoContent, root, "POST", "/topology", document)
	f.want(http.StatusForbidden, agent1, "POST", "/hosts/"+named(topology.KindHost, "h2")+"/records", `{}`)
}

// TestCountsBeginAnew changes what hosts count by, which makes what they have said old.
func TestCountsBeginAnew(t *testing.T) {
	f := newFixture(t)
	id := f.trace(red, "bridges/"+redLAN)
	request, _ := topology.ParseID(id)
	body := func(limit int, enabled bool) string {
		return fmt.Sprintf(`{"name":"n","deviceType":"BRIDGE","deviceId":%q,"condition":{},"limit":%d,"enabled":%v}`, redLAN, limit, enabled)
	}
	for _, step := range []struct {
		method, path, body string
		anew               bool
	}{
		{"PUT", "/enabled", "", true},
		{"PUT", "/enabled", "", false},
		{"DELETE", "/enabled", "", true},
		{"DELETE", "/enabled", "", false},
		{"PUT", "", body(5, false), true},
		{"PUT", "", body(5, false), false},
		{"PUT", "", body(5, true), true},
		{"PUT", "", strings.Replace(body(5, true), "{}", `{"nwProto":6}`, 1), true},
		{"PUT", "", strings.Replace(strings.Replace(body(5, true), "{}", `{"nwProto":6}`, 1), `"n"`, `"m"`, 1), false},
	} {
		f.traces.status = map[topology.ID][]HostStatus{request: {{Hits: 1}}}
		f.want(http.StatusNoContent, red, step.method, "/traces/"+id+step.path, step.body)
		if anew := len(f.traces.status) == 0; anew != step.anew {
			t.Errorf("%s %s %s: counts begin anew: %v, want %v", step.method, step.path, step.body, anew, step.anew)
		}
	}
}

// lateTraces is a store that a request is deleted from while what a host has said of it is on
// the way there.
type lateTraces struct {
	*memoryTraces
	late    func()        // before anything is kept
	deleted chan struct{} // closed when the store has forgotten the request
}

func (l lateTraces) Append(ctx context.Context, records []record.Record) error {
	l.late()
	return l.memoryTraces.Append(ctx, records)
}

func (l lateTraces) SetStatus(ctx context.Context, request topology.ID, s HostStatus) error {
	l.late()
	return l.memoryTraces.SetStatus(ctx, request, s)
}

func (l lateTraces) Delete(_ context.Context, request topology.ID) error {
	l.kept = nil
	delete(l.status, request)
	close(l.deleted)
	return nil
}

// TestLateReport has a request deleted between when a report finds it there and when the
// report is kept: nothing of it stays.
func TestLateReport(t *testing.T) {
	for what, body := range map[string]string{
		"records": `{"records":[RECORD]}`,
		"status":  `{"status":[{"request":"ID","hits":5}]}`,
	} {
		t.Run(what, func(t *testing.T) {
			f := newFixture(t)
			id := f.trace(red, "bridges/"+redLAN)
			body := strings.NewReplacer("RECORD", recordOf(host1, id, time.Now(), ""), "ID", id).Replace(body)
			store := lateTraces{memoryTraces: f.traces, deleted: make(chan struct{})}
			over := make(chan struct{})
			store.late = func() {
				go func() { // ended by the answer; over says so
					defer close(over)
					f.want(http.StatusNoContent, red, "DELETE", "/traces/"+id, "")
				}()
				select {
				case <-store.deleted:
				case <-time.After(200 * time.Millisecond): // it waits for the report, as it must
				}
			}
			f.server.opts.Traces = store
			f.want(http.StatusNoContent, agent1, "POST", "/hosts/"+host1+"/records", body)
			<-over
			if len(f.traces.kept) > 0 || len(f.traces.status) > 0 {
				t.Errorf("kept %v and %v of a request that is deleted", f.traces.kept, f.traces.status)
			}
		})
	}
}

// TestChosenIDBeginsEmpty makes a request with an id that another had, which went with its
// device: what that has traced is not the new one's. One that is there keeps its own.
func TestChosenIDBeginsEmpty(t *testing.T) {
	f := newFixture(t)
	request, _ := topology.ParseID(absent)
	left := map[topology.ID][]Flow{request: {{ID: topology.ID{15: 1}}}}
	f.traces.flows = map[topology.ID][]Flow{request: left[request]}
	body := `{"id":"` + absent + `","device":"http://hub.example:8181/midonet-api/bridges/` + blueLAN + `","condition":{}}`
	f.want(http.StatusForbidden, red, "POST", "/traces", body)
	if len(f.traces.flows[request]) != 1 {
		t.Error("a request that is refused has taken what was left")
	}
	f.want(http.StatusCreated, blue, "POST", "/traces", body)
	if got := f.want(http.StatusOK, blue, "GET", "/traces/"+absent+"/flows", "").array(t); len(got) != 0 {
		t.Errorf("a new request has %v of another", got)
	}
	f.traces.flows[request] = left[request]
	f.want(http.StatusConflict, blue, "POST", "/traces", body)
	f.want(http.StatusConflict, red, "POST", "/traces", strings.Replace(body, blueLAN, redLAN, 1))
	if got := f.want(http.StatusOK, blue, "GET", "/traces/"+absent+"/flows", "").array(t); len(got) != 1 {
		t.Errorf("a request has %v after another was refused with its id, want its flow", got)
	}
}
