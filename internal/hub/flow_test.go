// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/weir-io/weir/internal/config"
	"github.com/weir-io/weir/internal/flow/inventory"
	"github.com/weir-io/weir/internal/flow/packet"
	"github.com/weir-io/weir/internal/flow/record"
	"github.com/weir-io/weir/internal/flow/rest"
	"github.com/weir-io/weir/internal/flow/ship"
	"github.com/weir-io/weir/internal/flow/topology"
)

// newTestFlows returns the networks of a state directory.
func newTestFlows(t *testing.T, dir string, change func(*config.Config)) *flows {
	t.Helper()
	cfg := config.Default()
	cfg.Hub.StateDir = dir
	if change != nil {
		change(cfg)
	}
	f, err := newFlows(cfg, slog.New(slog.NewTextHandler(t.Output(), nil)))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// ask makes a request as the first administrator.
func (f *flows) ask(t *testing.T, method, path, body string) *httptest.ResponseRecorder {
	t.Helper()
	token, err := os.ReadFile(f.access.TokenFile)
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(method, "/midonet-api"+path, strings.NewReader(body))
	r.Header.Set("X-Auth-Token", strings.TrimSpace(string(token)))
	w := httptest.NewRecorder()
	f.ServeHTTP(w, r)
	return w
}

func TestNetworksOutliveTheHub(t *testing.T) {
	dir := t.TempDir()
	for i, want := range []string{"", `"name":"lan"`} {
		f := newTestFlows(t, dir, nil)
		if (f.access.Token != "") != (i == 0) {
			t.Errorf("start %d tells the token %q", i, f.access.Token)
		}
		ctx, cancel := context.WithCancel(t.Context())
		f.open(ctx)
		done := make(chan error, 1)
		go func() { done <- f.run(ctx) }()
		if got := f.ask(t, "GET", "/bridges", ""); got.Code != http.StatusOK || !strings.Contains(got.Body.String(), want) {
			t.Errorf("start %d: %d %s, want %q", i, got.Code, got.Body, want)
		}
		if i == 0 {
			if got := f.ask(t, "POST", "/bridges", `{"name":"lan"}`); got.Code != http.StatusCreated {
				t.Errorf("POST: %d %s", got.Code, got.Body)
			}
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// TestNetworksWithoutTheirStore starts while another hub has the store.
func TestNetworksWithoutTheirStore(t *testing.T) {
	dir := t.TempDir()
	first := newTestFlows(t, dir, nil)
	first.open(t.Context())
	second := newTestFlows(t, dir, nil)
	ctx, cancel := context.WithCancel(t.Context())
	second.open(ctx)
	if got := second.ask(t, "GET", "/bridges", ""); got.Code != http.StatusServiceUnavailable || !strings.Contains(got.Body.String(), `"code":503`) {
		t.Errorf("without a store: %d %s", got.Code, got.Body)
	}
	done := make(chan error, 2)
	go func() { done <- second.run(ctx) }()
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if err := first.run(ctx); err != nil {
		t.Error(err)
	}
}

// TestDryRunOnTheNetworks imports a topology and has a frame go to a station that a
// bridge has been told of.
func TestDryRunOnTheNetworks(t *testing.T) {
	f := newTestFlows(t, t.TempDir(), nil)
	ctx, cancel := context.WithCancel(t.Context())
	f.open(ctx)
	defer func() {
		cancel()
		if err := f.run(ctx); err != nil {
			t.Error(err)
		}
	}()
	const (
		one = "11111111-1111-4111-8111-111111111111"
		two = "22222222-2222-4222-8222-222222222222"
	)
	document := `{"bridges":[{"name":"lan"}],"ports":[
		{"name":"one","id":"` + one + `","device":"lan","host":"h","interface":"a"},
		{"name":"two","id":"` + two + `","device":"lan","host":"h","interface":"b"},
		{"name":"three","device":"lan","host":"h","interface":"c"}]}`
	if got := f.ask(t, "POST", "/topology", document); got.Code != http.StatusNoContent {
		t.Fatalf("import: %d %s", got.Code, got.Body)
	}
	body := `{"port":"` + one + `","frame":"0200000000020200000000010800450000140000000040110000 0a000001 0a000002"}`
	got := f.ask(t, "POST", "/simulations", body)
	if got.Code != http.StatusOK || !strings.Contains(got.Body.String(), `"result":"flood"`) {
		t.Errorf("to a station that is not known: %d %s", got.Code, got.Body)
	}
	f.learnStation(t, two)
	got = f.ask(t, "POST", "/simulations", body)
	if got.Code != http.StatusOK || strings.Contains(got.Body.String(), `"result":"flood"`) || !strings.Contains(got.Body.String(), two) {
		t.Errorf("to a station that is known: %d %s", got.Code, got.Body)
	}
	if got := f.ask(t, "POST", "/simulations", `{"port":"`+one+`","frame":"0200"}`); got.Code != http.StatusBadRequest {
		t.Errorf("short frame: %d %s", got.Code, got.Body)
	}
}

// learnStation notes where 02:00:00:00:00:02 is, as an agent does.
func (f *flows) learnStation(t *testing.T, port string) {
	t.Helper()
	id, err := topology.ParseID(port)
	if err != nil {
		t.Fatal(err)
	}
	lan := topology.NamedID(topology.KindBridge, "lan")
	e := inventory.MACEntry{MAC: packet.MAC{2, 0, 0, 0, 0, 2}, Port: id}
	if err := f.inventory.AddMAC(t.Context(), nil, lan, e); err != nil {
		t.Fatal(err)
	}
}

// TestFlowTracesAreServed has the archive of a hub take what agents record.
func TestFlowTracesAreServed(t *testing.T) {
	f := newTestFlows(t, t.TempDir(), nil)
	ctx, cancel := context.WithCancel(t.Context())
	f.open(ctx)
	defer func() {
		cancel()
		if err := f.run(ctx); err != nil {
			t.Error(err)
		}
	}()
	const port = "11111111-1111-4111-8111-111111111111"
	if got := f.ask(t, "POST", "/topology", `{"bridges":[{"name":"lan"}],"ports":[{"name":"one","id":"`+port+`","device":"lan","host":"h","interface":"a"}]}`); got.Code != http.StatusNoContent {
		t.Fatalf("import: %d %s", got.Code, got.Body)
	}
	request := topology.ID{15: 7}
	body := `{"id":"` + request.String() + `","name":"n","deviceType":"PORT","deviceId":"` + port + `","condition":{}}`
	if got := f.ask(t, "POST", "/traces", body); got.Code != http.StatusCreated {
		t.Fatalf("POST: %d %s", got.Code, got.Body)
	}
	scope := &record.Scope{Flow: topology.ID{15: 1}, Requests: []topology.ID{request}, Host: topology.NamedID(topology.KindHost, "h")}
	now := time.Now()
	if err := f.archive.Append(ctx, []record.Record{
		{Scope: scope, Time: now, Seq: 0, Kind: "start", Event: json.RawMessage(`{"role":"ingress","inputPort":"` + port + `"}`)},
		{Scope: scope, Time: now, Seq: 1, Kind: "result", Event: json.RawMessage(`{"role":"ingress","outcome":"Drop"}`)},
	}); err != nil {
		t.Fatal(err)
	}
	at := "/traces/" + request.String() + "/flows"
	for path, want := range map[string]string{
		at: `"verdict":"Drop"`, at + "?verdict=Forward": `[]`, at + "/" + scope.Flow.String(): `"ingressPort":"` + port,
		at + "/" + scope.Flow.String() + "/events": `"outcome":"Drop"`, "/traces/" + request.String(): `"hostStatus":[]`,
	} {
		if got := f.ask(t, "GET", path, ""); got.Code != http.StatusOK || !strings.Contains(got.Body.String(), want) {
			t.Errorf("GET %s: %d %s, want %s", path, got.Code, got.Body, want)
		}
	}
	if got := f.ask(t, "GET", at+"/"+port, ""); got.Code != http.StatusNotFound {
		t.Errorf("a flow that is not there: %d %s", got.Code, got.Body)
	}
	f.ask(t, "DELETE", "/ports/"+port, "") // and the request with it: what it has traced stays
	if got := f.ask(t, "GET", at, ""); got.Code != http.StatusOK {
		t.Errorf("flows of a request that is gone: %d %s", got.Code, got.Body)
	}
	f.ask(t, "DELETE", "/traces/"+request.String(), "")
	if got := f.ask(t, "GET", at, ""); got.Code != http.StatusNotFound {
		t.Errorf("flows of a request that is deleted: %d %s", got.Code, got.Body)
	}
}

// TestRecordsReachTheArchive ships records to a hub as an agent does.
func TestRecordsReachTheArchive(t *testing.T) {
	f := newTestFlows(t, t.TempDir(), nil)
	ctx, cancel := context.WithCancel(t.Context())
	f.open(ctx)
	defer func() {
		cancel()
		if err := f.run(ctx); err != nil {
			t.Error(err)
		}
	}()
	const port = "11111111-1111-4111-8111-111111111111"
	host, request := topology.NamedID(topology.KindHost, "h"), topology.ID{15: 7}
	if got := f.ask(t, "POST", "/topology", `{"bridges":[{"name":"lan"}],"ports":[{"name":"one","id":"`+port+`","device":"lan","host":"h","interface":"a"}]}`); got.Code != http.StatusNoContent {
		t.Fatalf("import: %d %s", got.Code, got.Body)
	}
	if got := f.ask(t, "POST", "/traces", `{"id":"`+request.String()+`","name":"n","deviceType":"PORT","deviceId":"`+port+`","condition":{},"enabled":true}`); got.Code != http.StatusCreated {
		t.Fatalf("POST: %d %s", got.Code, got.Body)
	}
	accounts := f.file("accounts.json")
	list, err := rest.ReadAccounts(accounts)
	if err == nil {
		err = rest.WriteAccounts(accounts, append(list, rest.Account{Name: "node", Role: rest.Agent, Host: host, Token: "t"}))
	}
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(f)
	defer server.Close()
	agent := &ship.Hub{URL: server.URL, Token: "t", Host: host, Client: server.Client()}
	proto := uint8(17)
	scope := &record.Scope{
		Cookie: 1, Flow: topology.ID{15: 1}, Requests: []topology.ID{request, {1}}, Host: host,
		Header: record.Header{EtherType: 0x800, Src: netip.MustParseAddr("10.0.0.1"), Proto: &proto},
	}
	batch := []record.Record{
		{Scope: scope, Time: time.Now(), Seq: 0, Kind: "start", Event: json.RawMessage(`{"role":"ingress","inputPort":"` + port + `"}`)},
		{Scope: scope, Time: time.Now(), Seq: 1, Kind: "result", Event: json.RawMessage(`{"role":"ingress","outcome":"Drop"}`)},
	}
	for range 2 { // the second time it is there already
		if refused, left, err := agent.Send(ctx, batch); refused > 0 || len(left) > 0 || err != nil {
			t.Fatalf("Send: %d refused, %d left, %v", refused, len(left), err)
		}
	}
	at := "/traces/" + request.String() + "/flows"
	for path, want := range map[string]string{
		at: `"networkProto":17,"networkSrc":"10.0.0.1","flowTraceId":"` + scope.Flow.String(), at + "/" + scope.Flow.String() + "/events": `"outcome":"Drop"}]`,
	} {
		if got := f.ask(t, "GET", path, ""); got.Code != http.StatusOK || !strings.Contains(got.Body.String(), want) || strings.Count(got.Body.String(), `"seq":1`) > 1 {
			t.Errorf("GET %s: %d %s, want %s once", path, got.Code, got.Body, want)
		}
	}
	agent.Token = "another"
	if _, left, err := agent.Send(ctx, batch); len(left) != 2 || err == nil {
		t.Errorf("with a wrong token: %d left, %v, want both, to be sent again", len(left), err)
	}
	if got := f.ask(t, "POST", "/hosts/"+host.String()+"/records", `{"status":[{"request":"`+request.String()+`","hits":3,"limitReached":true}]}`); got.Code != http.StatusNoContent {
		t.Errorf("status: %d %s", got.Code, got.Body)
	}
	count := `"hostStatus":[{"host":"` + host.String() + `","hits":3,"limitReached":true}]`
	if got := f.ask(t, "GET", "/traces/"+request.String(), ""); !strings.Contains(got.Body.String(), count) {
		t.Errorf("%s, want %s", got.Body, count)
	}
	f.ask(t, "DELETE", "/traces/"+request.String()+"/enabled", "")
	if got := f.ask(t, "GET", "/traces/"+request.String(), ""); !strings.Contains(got.Body.String(), `"hostStatus":[]`) {
		t.Errorf("disabled: %s, want no counts", got.Body)
	}
	if got := f.ask(t, "GET", at, ""); !strings.Contains(got.Body.String(), scope.Flow.String()) {
		t.Errorf("disabled: %s, want what was traced to stay", got.Body)
	}
}
