// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// networksHub answers as a hub with a trace request and a traced flow, and records what
// is sent.
type networksHub struct {
	*httptest.Server
	sent []string
}

func newNetworksHub(t *testing.T) *networksHub {
	t.Helper()
	h := new(networksHub)
	mux := http.NewServeMux()
	answer := func(pattern string, status int, body string) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("X-Auth-Token") != "secret" {
				w.WriteHeader(http.StatusUnauthorized)
				_, _ = io.WriteString(w, `{"message":"want a token","code":401}`)
				return
			}
			b, _ := io.ReadAll(r.Body)
			h.sent = append(h.sent, strings.TrimSpace(r.Method+" "+r.URL.String()+" "+string(b)))
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		})
	}
	trace := `{"id":"t1","name":"web\u001b[2J","tenantId":"red","deviceType":"ROUTER","deviceId":"r1","condition":{"nwProto":6},"limit":10,"enabled":true,
		"creationTimestampMs":0,"warning":"rule missing","hostStatus":[{"host":"h1","hits":10,"limitReached":true}]}`
	flow := `{"flowTraceId":"f1","time":"2026-11-29T05:00:00Z","verdict":"Drop","networkSrc":"10.0.0.1","srcPort":1000,"networkDst":"10.0.0.2","dstPort":80,"networkProto":6}`
	answer("POST /midonet-api/traces", 201, `{"id":"t1"}`)
	answer("GET /midonet-api/traces", 200, "["+trace+"]")
	answer("GET /midonet-api/traces/t1", 200, trace)
	answer("PUT /midonet-api/traces/t1/enabled", 204, "")
	answer("DELETE /midonet-api/traces/t1/enabled", 204, "")
	answer("DELETE /midonet-api/traces/t1", 204, "")
	mux.HandleFunc("GET /midonet-api/traces/t1/flows", func(w http.ResponseWriter, r *http.Request) {
		h.sent = append(h.sent, r.Method+" "+r.URL.String())
		if r.URL.Query().Get("follow") == "true" {
			_, _ = io.WriteString(w, flow+"\n"+`{"flowTraceId":"f2","verdict":"Forward","redacted":true}`+"\n")
			return
		}
		_, _ = io.WriteString(w, "["+flow+"]")
	})
	answer("GET /midonet-api/traces/t1/flows/{flow}/events", 200, `[{"seq":0,"run":1,"kind":"start","device":"b1","inputPort":"p1",
		"match":{"ethSrc":"02:00","ethDst":"02:01","etherType":2048,"networkSrc":"10.0.0.1","networkDst":"10.0.0.2","networkProto":6,"srcPort":1000,"dstPort":80}},
		{"seq":1,"kind":"port-in","device":"b1","port":"p1"},{"seq":2,"kind":"chain","device":"b1","chain":"c1","name":"in\u001b","direction":"in"},
		{"seq":3,"kind":"rule","chain":"c1","position":1,"type":"trace"},
		{"seq":4,"kind":"rule","chain":"c1","position":2,"type":"snat","matched":true,"applied":true,"result":"ACCEPT","change":{"from":"10.0.0.1:1","to":"10.1.0.1:2"}},
		{"seq":5,"kind":"learn","device":"b1","mac":"02:00","port":"p1","result":"new"},
		{"seq":6,"kind":"restart","reason":"trace","request":"t1"},{"seq":7,"kind":"redacted"},
		{"seq":8,"kind":"result","outcome":"Drop","outputs":[{"port":"p2"}],"dropReason":{"rule":"x\u001b","chain":"c1","device":"b1","position":3}}]`)
	answer("GET /midonet-api/bridges/b1", 200, `{"name":"web"}`)
	answer("GET /midonet-api/bridges/{id}", 404, `{"message":"there is none","code":404}`)
	answer("GET /midonet-api/ports/p1", 200, `{"id":"p1"}`)
	answer("GET /midonet-api/ports/p2", 200, `{"name":"uplink"}`)
	answer("GET /midonet-api/ports/{id}", 404, `{"message":"there is none","code":404}`)
	answer("GET /midonet-api/routers/{id}", 404, `{"message":"there is none","code":404}`)
	answer("POST /midonet-api/simulations", 200, `{"result":"needs-arp","events":[{"seq":0,"run":1,"kind":"start","device":"r1","inputPort":"p1"},
		{"seq":1,"kind":"rule","device":"r1","chain":"c1","name":"in\u001b","position":2,"type":"drop","matched":true,"result":"CONTINUE"}]}`)
	answer("POST /midonet-api/topology", 204, "")
	answer("GET /midonet-api/topology", 200, `{"bridges":[{"name":"lan"}],"ports":[
		{"name":"a","device":"lan","workload":{"mac":"02:00:00:00:00:01","address":"10.0.0.1/24"}},
		{"name":"b","device":"lan","workload":{"mac":"02:00:00:00:00:02","address":"10.0.0.2/24"}}]}`)
	h.Server = httptest.NewServer(mux)
	t.Cleanup(h.Close)
	return h
}

// run runs "weir flow" with arguments; HUB stands for the hub.
func (h *networksHub) run(t *testing.T, args ...string) (string, error) {
	t.Helper()
	root := newRootCommand()
	var out strings.Builder
	root.SetOut(&out)
	root.SetErr(&out)
	root.SetArgs(append([]string{"flow"}, append(args, "--api", h.URL, "--token", "secret")...))
	err := root.ExecuteContext(t.Context())
	return out.String(), err
}

func TestFlowTrace(t *testing.T) {
	h := newNetworksHub(t)
	for _, tt := range []struct {
		args   string
		sent   string
		prints []string
	}{
		{
			"trace create --name web --router r1 proto tcp dst-port 80 src !10.0.0.0/8 --limit 10 --enable",
			`POST /midonet-api/traces {"name":"web","deviceType":"ROUTER","deviceId":"r1","condition":"proto tcp dst-port 80 src !10.0.0.0/8","limit":10,"enabled":true}`,
			[]string{"t1\n"},
		},
		{"trace list --tenant red", "GET /midonet-api/traces?tenant_id=red", []string{"t1  web?[2J  red", "router r1", "enabled", `{"nwProto":6}`}},
		{"trace create --name web --port p1 --json", `POST /midonet-api/traces {"name":"web","deviceType":"PORT","deviceId":"p1","condition":{},"limit":9223372036854775807,"enabled":false}`, []string{`"id": "t1"`}},
		{"trace list -o json", "GET /midonet-api/traces", []string{`"limit": 10`}},
		{"trace flows t1 --json", "GET /midonet-api/traces/t1/flows?limit=100", []string{`"flowTraceId": "f1"`}},
		{"trace events t1 f1 --json", "GET /midonet-api/traces/t1/flows/f1/events?limit=100", []string{`"kind": "rule"`}},
		{"trace follow t1 --json", "GET /midonet-api/traces/t1/flows?follow=true", []string{`"flowTraceId":"f1"`}},
		{"trace list --json", "GET /midonet-api/traces", []string{`"limit": 10`}},
		{"trace show t1", "GET /midonet-api/traces/t1", []string{"enabled, rule missing", "host h1", "10 flows, the limit"}},
		{"trace show t1 --json", "GET /midonet-api/traces/t1", []string{`"warning": "rule missing"`}},
		{"trace enable t1", "PUT /midonet-api/traces/t1/enabled", nil},
		{"trace disable t1", "DELETE /midonet-api/traces/t1/enabled", nil},
		{"trace delete t1", "DELETE /midonet-api/traces/t1", nil},
		{
			"trace flows t1 --verdict Drop --since 2026-01-01T00:00:00Z --oldest --limit 5",
			"GET /midonet-api/traces/t1/flows?limit=5&order=asc&since=2026-01-01T00%3A00%3A00Z&verdict=Drop",
			[]string{"f1  Drop  10.0.0.1:1000 > 10.0.0.2:80 tcp\n"},
		},
		{"trace flows t1 -o tree", "GET /midonet-api/traces/t1/flows?limit=100", []string{"f1  Drop", "\n  run 1: ", "rule 3 of chain in? at web\n"}},
		{"trace flows t1 -o json", "GET /midonet-api/traces/t1/flows?limit=100", []string{`"flowTraceId": "f1"`}},
		{"trace events t1 f1 --newest", "GET /midonet-api/traces/t1/flows/f1/events?limit=100&order=desc", nil},
		{"trace events t1 f1", "GET /midonet-api/traces/t1/flows/f1/events?limit=100", []string{"  rule chain=c1 position=2 type=snat matched=true applied=true result=ACCEPT", `dropReason={"chain"`}},
		{"trace events t1 f1 -o tree", "GET /midonet-api/traces/t1/flows/f1/events?limit=100", []string{
			"  run 1: 02:00 > 02:01, type 0x0800, 10.0.0.1 > 10.0.0.2, protocol 6, 1000 > 80\n    in by port p1 of web\n",
			"      inbound filter of web: chain in?\n        rule 1 of chain in? (trace): no match\n",
			"        rule 2 of chain in? (snat): 10.0.0.1:1 becomes 10.1.0.1:2: ACCEPT\n",
			"      learn device=web port=p1 result=new mac=02:00\n", "    starts again: trace t1\n    another tenant's device\n",
			"  Drop, out by port uplink: rule 3 of chain in? at web\n",
		}},
		{"trace events t1 f1 -o json", "GET /midonet-api/traces/t1/flows/f1/events?limit=100", []string{`"kind": "rule"`}},
		{"trace follow t1", "GET /midonet-api/traces/t1/flows?follow=true", []string{"f1  Drop", "f2  Forward  another tenant's device\n"}},
		{"trace follow t1 -o json", "GET /midonet-api/traces/t1/flows?follow=true", []string{`"flowTraceId":"f1"`}},
		{"simulate --port p1 --frame 02:00", `POST /midonet-api/simulations {"frame":"0200","port":"p1"}`, []string{"  run 1: headers unknown\n    rule 2 of chain in? (drop): matches, does not apply: CONTINUE\n  needs-arp\n"}},
		{"simulate --port p1 --frame 0200 --json", `POST /midonet-api/simulations {"frame":"0200","port":"p1"}`, []string{`{"result":"needs-arp","events":[{`}},
		{"simulate --src a --dst b", "GET /midonet-api/topology", []string{"in by port a of lan", "Forward: delivered\n"}},
		{"topology export", "GET /midonet-api/topology", []string{"{\n  \"bridges\": [\n"}},
	} {
		h.sent = nil
		out, err := h.run(t, strings.Fields(tt.args)...)
		if err != nil {
			t.Errorf("%s: %v", tt.args, err)
		}
		if len(h.sent) == 0 || h.sent[0] != tt.sent {
			t.Errorf("%s sent %q, want %q", tt.args, h.sent, tt.sent)
		}
		for _, want := range tt.prints {
			if !strings.Contains(out, want) {
				t.Errorf("%s: no %q in\n%s", tt.args, want, out)
			}
		}
		if strings.Contains(out, "\x1b") {
			t.Errorf("%s lets control characters through: %q", tt.args, out)
		}
	}
}

func TestFlowTraceUsage(t *testing.T) {
	h := newNetworksHub(t)
	for _, args := range []string{
		"trace create --router r1", "trace create --name n", "trace create --name n --router r1 --bridge b1", "trace create --name n --router r1 --limit 0",
		"trace show", "trace enable", "trace flows t1 -o xml", "trace events t1 f1 -o xml", "trace flows t1 --since yesterday", "trace flows t1 --limit 0", "trace events t1 f1 --limit 10001",
		"trace list -o tree", "trace show t1 -o xml", "trace flows t1 --json=x", "trace create --name n --router r1 -o xml", "dump", "local list", "topology import", "topology export x",
		"simulate", "simulate --port p1", "simulate --frame 0200", "simulate --port p1 --frame 0x", "simulate --src a",
	} {
		if out, err := h.run(t, strings.Fields(args)...); err == nil {
			t.Errorf("%s: no error, printed %s", args, out)
		}
	}
	if len(h.sent) != 0 {
		t.Errorf("wrong commands have sent %q", h.sent)
	}
}

// Commands that are refused tell what they are for all the same.
func TestFlowRefusedHelp(t *testing.T) {
	h := newNetworksHub(t)
	for _, args := range []string{"dump --help", "local add -h"} {
		if out, err := h.run(t, strings.Fields(args)...); err != nil || !strings.Contains(out, "the command is refused") {
			t.Errorf("%s: %v, printed %s", args, err, out)
		}
	}
}

func TestPrintable(t *testing.T) {
	const in, want = "caf\u00e9 \u202egnp\u2066.\u2028\x1b[2J\n\u009b", "caf\u00e9 ?gnp?.??[2J??"
	if got := printable(in); got != want {
		t.Errorf("printable(%q) = %q, want %q", in, got, want)
	}
}

func TestFlowTopologyImport(t *testing.T) {
	h := newNetworksHub(t)
	file := filepath.Join(t.TempDir(), "net.json")
	if err := os.WriteFile(file, []byte(`{"bridges":[{"name":"lan"}],"ports":[{"name":"p","device":"lan"}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := h.run(t, "topology", "import", file)
	if err != nil || !strings.Contains(out, "1 bridges, 0 routers, 1 ports, 0 chains") {
		t.Errorf("import: %v, %s", err, out)
	}
	var sent any
	if err := json.Unmarshal([]byte(strings.TrimPrefix(h.sent[0], "POST /midonet-api/topology ")), &sent); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"bridges": []any{map[string]any{"name": "lan"}}, "ports": []any{map[string]any{"name": "p", "device": "lan"}}}
	if diff := cmp.Diff(want, sent); diff != "" {
		t.Errorf("sent (-want +got):\n%s", diff)
	}
	if err := os.WriteFile(file, []byte(`{"ports":[{"name":"p","device":"nowhere"}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	h.sent = nil
	if _, err := h.run(t, "topology", "import", file); err == nil || !strings.Contains(err.Error(), "ports[0].device") || len(h.sent) != 0 {
		t.Errorf("import of what is wrong: %v, sent %q", err, h.sent)
	}
}

func TestNetworksToken(t *testing.T) {
	state := t.TempDir()
	t.Setenv("WEIR_HUB_STATE_DIR", state)
	t.Setenv("WEIR_CONFIG", "")
	t.Setenv(tokenVariable, "")
	n := new(networksFlag)
	if _, err := n.find(); err == nil || !strings.Contains(err.Error(), tokenVariable) {
		t.Errorf("without a token: %v", err)
	}
	if err := os.Mkdir(filepath.Join(state, "flow"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(state, "flow", "token"), []byte("of the file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"of the file", "of the environment", "of the flag"} {
		switch want {
		case "of the environment":
			t.Setenv(tokenVariable, want)
		case "of the flag":
			n.token = want
		}
		if got, err := n.find(); got != want || err != nil {
			t.Errorf("token %q, %v, want %q", got, err, want)
		}
	}
}
