// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package api

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weir-io/weir/client"
	"github.com/weir-io/weir/internal/hosts"
)

// statisticsDouble knows a host that is up, and one that is down.
type statisticsDouble struct{}

func (statisticsDouble) Statistics(name string) *client.HostStatistics {
	if name == "up" {
		return &client.HostStatistics{State: "up", Values: map[string]float64{"load1": 1.5}, Alarms: []string{"busy"}}
	}
	return nil
}

func (statisticsDouble) All(values ...string) (map[string]*client.HostStatistics, error) {
	up := &client.HostStatistics{State: "up"}
	for _, name := range values {
		if name != "load1" {
			return nil, fmt.Errorf("%q is no number of a host", name)
		}
		up.Values = map[string]float64{name: 1.5}
	}
	return map[string]*client.HostStatistics{"up": up, "down": {State: "down", Reason: "no answer"}}, nil
}

func (statisticsDouble) Alarms() []client.HostAlarm {
	at := time.Unix(1000, 0).UTC()
	value := 9.5
	return []client.HostAlarm{
		{Time: at, Host: "up", Alarm: "busy", State: "firing", Level: "crit", Value: &value, Note: "much"},
		{Time: at.Add(time.Second), Host: "up", Alarm: "busy", State: "ok", Level: "crit"},
	}
}

func (statisticsDouble) AlarmsAfter(uint64) ([]client.HostAlarm, uint64, <-chan struct{}) {
	return nil, 0, nil
}

func (statisticsDouble) Up(yield func(string, bool)) { yield("up", true); yield("down", false) }

// put registers a host.
func (f *fixture) put(name, body string) (*http.Response, []byte) {
	f.t.Helper()
	return f.do(http.MethodPut, "/api/v1/hosts/"+name, withBody(body))
}

func withBody(body string) func(*http.Request) {
	return func(r *http.Request) {
		r.Header.Set("Content-Type", "application/json")
		r.Body, r.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
	}
}

// A host is registered, listed, shown and removed.
func TestHosts(t *testing.T) {
	f := newFixture(t, nil)
	f.opts.Registry.Configure(hosts.Registration{Name: "down", Address: "192.0.2.1:7887", Group: "rack1"})
	if answer, body := f.put("up", `{"address":":7887","version":"1.2.3"}`); answer.StatusCode != http.StatusOK || !strings.Contains(string(body), `"renew":"30s"`) {
		t.Fatalf("%s: %s", answer.Status, body)
	}
	list := get[client.Page[client.Host]](f, "/api/v1/hosts")
	want := []client.Host{
		{ID: "down", State: client.HostConfigured, Address: "192.0.2.1:7887", Group: "rack1", Since: f.clock, Statistics: &client.HostStatistics{State: "down", Reason: "no answer"}},
		{ID: "up", State: client.HostRegistered, Address: "127.0.0.1:7887", Version: "1.2.3", Since: f.clock, Seen: f.clock, Renew: "30s", Statistics: &client.HostStatistics{State: "up"}},
	}
	if diff := cmp.Diff(want, list.Items); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if h := get[client.Host](f, "/api/v1/hosts/up"); h.Statistics.Values["load1"] != 1.5 || h.Statistics.Alarms[0] != "busy" {
		t.Errorf("%+v", h)
	}
	list = get[client.Page[client.Host]](f, "/api/v1/hosts?values=load1")
	if s := list.Items[1].Statistics; s.Values["load1"] != 1.5 || list.Items[0].Statistics.Values != nil {
		t.Errorf("with numbers: %+v", list.Items)
	}
	f.refused(http.MethodGet, "/api/v1/hosts?values=load1,weight", codeInvalidRequest, nil)
	f.clock = f.clock.Add(time.Minute)
	if h := get[client.Host](f, "/api/v1/hosts/up"); h.State != client.HostLost {
		t.Errorf("after a minute: %+v", h)
	}
	if answer, _ := f.do(http.MethodDelete, "/api/v1/hosts/up", nil); answer.StatusCode != http.StatusNoContent {
		t.Errorf("removed: %s", answer.Status)
	}
	f.refused(http.MethodGet, "/api/v1/hosts/up", codeNoSuchHost, nil)
	f.refused(http.MethodDelete, "/api/v1/hosts/up", codeNoSuchHost, nil)
	f.refused(http.MethodDelete, "/api/v1/hosts/down", codeHostConfigured, nil)
}

func TestHostsRefuse(t *testing.T) {
	f := newFixture(t, nil)
	for _, name := range []string{"a", "b", "c"} {
		if answer, body := f.put(name, "{}"); answer.StatusCode != http.StatusOK {
			t.Fatalf("%s: %s", answer.Status, body)
		}
	}
	f.refused(http.MethodPut, "/api/v1/hosts/d", codeTooManyHosts, withBody("{}"))
	f.refused(http.MethodPut, "/api/v1/hosts/a%20b", codeInvalidRequest, withBody("{}"))
	f.refused(http.MethodPut, "/api/v1/hosts/a", codeAddressNotOwn, withBody(`{"address":":0"}`))
	f.refused(http.MethodPut, "/api/v1/hosts/a", codeInvalidRequest, withBody(`{"address":7887}`))
	if answer, body := f.put("a", `{"address":":1","of_the_future":1}`); answer.StatusCode != http.StatusOK {
		t.Errorf("a newer agent: %s: %s", answer.Status, body)
	}
	f.refused(http.MethodPut, "/api/v1/hosts/a", codeCrossOrigin, func(r *http.Request) {
		withBody("{}")(r)
		r.Header.Set("Origin", "http://elsewhere.example")
		r.Header.Set("Sec-Fetch-Site", "cross-site")
	})
}

func TestHostAlarms(t *testing.T) {
	f := newFixture(t, nil)
	first := get[client.Page[client.HostAlarm]](f, "/api/v1/alarms?limit=1")
	if len(first.Items) != 1 || first.Items[0].State != "ok" || first.Next == "" {
		t.Fatalf("%+v", first)
	}
	second := get[client.Page[client.HostAlarm]](f, "/api/v1/alarms?limit=1&cursor="+first.Next)
	if len(second.Items) != 1 || second.Items[0].State != "firing" || *second.Items[0].Value != 9.5 || second.Next != "" {
		t.Errorf("%+v", second)
	}
}

// weir_host_up is by the answers of those that are asked, and by renewals of others.
func TestHostMetrics(t *testing.T) {
	f := newFixture(t, func(o *Options) { o.Host = nil })
	f.opts.Registry.Configure(hosts.Registration{Name: "down", Address: "192.0.2.1:7887"}, hosts.Registration{Name: "up", Address: "192.0.2.2:7887"})
	f.put("mute", "{}")
	has := func(lines ...string) {
		t.Helper()
		_, body := f.do(http.MethodGet, "/metrics", nil)
		for _, line := range lines {
			if !strings.Contains(string(body), "\n"+line+"\n") {
				t.Errorf("no line %s", line)
			}
		}
	}
	has(`weir_host_up{host="down"} 0`, `weir_host_up{host="up"} 1`, `weir_host_up{host="mute"} 1`, `weir_hosts{state="configured"} 2`,
		`weir_hosts{state="registered"} 1`, `weir_hosts{state="lost"} 0`, "weir_host_registrations_total 1", "weir_host_registrations_refused_total 0")
	f.clock = f.clock.Add(time.Minute)
	has(`weir_host_up{host="mute"} 0`, `weir_hosts{state="lost"} 1`)
}

// Other machines get at hosts, whatever they call the hub, and at nothing else.
func TestHostsHandler(t *testing.T) {
	f := newFixture(t, func(o *Options) { o.Enrol = nil })
	f.put("up", "{}")
	ask := func(path, from, header, value string) (status int, body string) {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://hub.example"+path, nil)
		r.RemoteAddr = from
		if header != "" {
			r.Header.Set(header, value)
		}
		w := httptest.NewRecorder()
		f.api.HostsHandler().ServeHTTP(w, r)
		return w.Code, w.Body.String()
	}
	for _, tt := range []struct {
		path, from, header, value string
		status                    int
		want                      string
	}{
		{"/api/v1/hosts", "127.0.0.1:1", "", "", 200, `"id":"up"`},
		{"/api/v1/hosts/up", "[::1]:1", "", "", 200, `"id":"up"`},
		{"/api/v1/hosts", "192.0.2.1:1", "", "", 403, string(codePeerNotAllowed)},
		{"/api/v1/hosts", "?", "", "", 403, string(codePeerNotAllowed)},
		{"/api/v1/hosts", "127.0.0.1:1", "Origin", "http://x", 403, string(codeCrossOrigin)},
		{"/api/v1/hosts", "127.0.0.1:1", "Sec-Fetch-Site", "none", 403, string(codeCrossOrigin)},
		{"/api/v1/sessions", "127.0.0.1:1", "", "", 404, string(codeNoSuchPath)},
		{"/api/v1/hostsx", "127.0.0.1:1", "", "", 404, string(codeNoSuchPath)},
		{"/metrics", "127.0.0.1:1", "", "", 404, string(codeNoSuchPath)},
	} {
		if status, body := ask(tt.path, tt.from, tt.header, tt.value); status != tt.status || !strings.Contains(body, tt.want) {
			t.Errorf("%s from %s %s: %d %s, want %d %s", tt.path, tt.from, tt.header, status, body, tt.status, tt.want)
		}
	}
}

// Without a registry there are no hosts.
func TestNoHosts(t *testing.T) {
	f := newFixture(t, func(o *Options) { o.Registry = nil })
	f.refused(http.MethodGet, "/api/v1/hosts", codeNoSuchPath, nil)
}
