// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

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
		`{"records":{}}`:   "",
		`{"records":[1]}`:  "records[0]",
		`{"records":[{}]}`: "records[0]",
		`{"records":[` + recordOf(other, id, time.Now(), "") + `]}`: "records[0].host",
		`{"records":[1` + strings.Repeat(",1", 1000) + `]}`:         "records",
		`{"status":[{"request":"` + id + `","hits":-1}]}`:           "status[0].hits",
		`{"status":[{"request":"x","hits":1}]}`:                     "",
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
