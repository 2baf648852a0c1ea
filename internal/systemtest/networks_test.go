// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package systemtest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/weir-io/weir/client/flow"
	"github.com/weir-io/weir/internal/peer"
	"github.com/weir-io/weir/internal/store/storetest"
)

// Devices of the guide's document, and a packet from web1 to db1 that its filter drops.
const (
	webBridge = "b1000000-0000-4000-8000-000000000001"
	web1      = "a1000000-0000-4000-8000-000000000001"
	webToDB   = "020000000101020000000111" + "0800" + "4500002800000000400663bb0a00010b0a00020b" + "9c40005000000000000000005002000000000000"
)

// networks is a hub that serves virtual networks.
type networks struct {
	*process
	*flow.Client
	config string
}

// startNetworks starts weir up with a configuration file, and returns when it is ready.
func (m *machine) startNetworks(config string) *networks {
	m.Helper()
	file := filepath.Join(m.dir, "weir.toml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		m.Fatal(err)
	}
	h := &networks{process: m.startNotifying(m.weir(), "up", "--config="+file), config: config}
	token, err := os.ReadFile(filepath.Join(m.dir, "state", "flow", "token"))
	if err != nil {
		m.Fatal(err)
	}
	if h.Client, err = flow.New("http://127.0.0.1:9347", strings.TrimSpace(string(token))); err != nil {
		m.Fatal(err)
	}
	m.Cleanup(h.Client.Close)
	return h
}

// restart starts a hub anew, with the configuration that the ended one had.
func (h *networks) restart() *networks {
	h.m.Helper()
	again := h.m.startNetworks(h.config)
	h.m.until("the hub serves again", again.serves)
	return again
}

// importNetworks brings the networks of the guide in.
func (m *machine) importNetworks() {
	m.Helper()
	path, err := filepath.Abs(filepath.Join(root, "docs", "guide", "two-tenants.json"))
	if err != nil {
		m.Fatal(err)
	}
	m.run(m.weir(), "flow", "topology", "import", path)
}

// status returns the status of an answer; 0 stands for success.
func status(err error) int {
	if refused, ok := errors.AsType[*flow.Error](err); ok {
		return refused.Status
	}
	if err != nil {
		return -1
	}
	return 0
}

// serves tells whether the hub answers.
func (h *networks) serves() bool {
	var bridges []struct{}
	return h.Get(h.m.Context(), &bridges, nil, "bridges") == nil
}

// export returns all networks as a document.
func (h *networks) export() string {
	h.m.Helper()
	document, err := h.ExportTopology(h.m.Context())
	if err != nil {
		h.m.Fatal(err)
	}
	return string(document)
}

// traceRules returns the requests whose rules are in the filter of a bridge, in order.
func (h *networks) traceRules(bridge string) (requests []string) {
	h.m.Helper()
	var device struct {
		InboundFilterID string `json:"inboundFilterId"`
	}
	if err := h.Get(h.m.Context(), &device, nil, "bridges", bridge); err != nil {
		h.m.Fatal(err)
	}
	if device.InboundFilterID == "" {
		return nil
	}
	var rules []struct {
		Type      string `json:"type"`
		RequestID string `json:"requestId"`
	}
	if err := h.Get(h.m.Context(), &rules, nil, "chains", device.InboundFilterID, "rules"); err != nil {
		h.m.Fatal(err)
	}
	for _, r := range rules {
		if r.Type == "trace" {
			requests = append(requests, r.RequestID)
		}
	}
	return requests
}

// wantWhole checks that the requests that say so, and no others, have a rule.
func (h *networks) wantWhole(bridge string) {
	h.m.Helper()
	all, err := h.Traces(h.m.Context(), "")
	if err != nil {
		h.m.Fatal(err)
	}
	var enabled []string
	for _, r := range all {
		if r.Enabled {
			enabled = append(enabled, r.ID)
		}
		if r.Warning != "" {
			h.m.Errorf("request %s: %s", r.ID, r.Warning)
		}
	}
	rules := h.traceRules(bridge)
	slices.Sort(enabled)
	slices.Sort(rules)
	if !slices.Equal(enabled, rules) {
		h.m.Errorf("enabled are the requests\n%v\nthere are rules of\n%v", enabled, rules)
	}
}

// switcher enables and disables requests until it is stopped.
type switcher struct {
	hub  *networks
	stop context.CancelFunc
	done sync.WaitGroup

	mu    sync.Mutex
	codes map[int]int // guarded by mu
}

// startSwitching has a worker for each request.
func (h *networks) startSwitching(requests []string) *switcher {
	ctx, stop := context.WithCancel(h.m.Context())
	s := &switcher{hub: h, stop: stop, codes: make(map[int]int)}
	for _, id := range requests {
		s.done.Go(func() {
			for ctx.Err() == nil {
				s.note(h.EnableTrace(h.m.Context(), id))
				s.note(h.DisableTrace(h.m.Context(), id))
			}
		})
	}
	return s
}

func (s *switcher) note(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.codes[status(err)]++
}

func (s *switcher) seen(code int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.codes[code]
}

// end waits for the workers and returns how often there was each answer.
func (s *switcher) end() map[int]int {
	s.stop()
	s.done.Wait()
	return s.codes
}

// A hub on ZooKeeper starts before it, serves as soon as it is there, says so when it is
// not, and leaves nothing half written, whichever of the two is killed in the middle.
func TestNetworksOnZooKeeper(t *testing.T) {
	peer.Need(t, "java")
	isolated(t, func(m *machine) {
		z := storetest.StartZooKeeper(m.T)
		z.Kill()
		config := fmt.Sprintf("[flow]\nstore = %q\n", "zookeeper://"+z.Addr)
		h := m.startNetworks(config)
		var bridges []struct{}
		if err := h.Get(m.Context(), &bridges, nil, "bridges"); status(err) != http.StatusServiceUnavailable {
			m.Errorf("before ZooKeeper is there: %v, want 503", err)
		}
		z.Start()
		m.until("the hub has found ZooKeeper", h.serves)
		m.importNetworks()
		imported := h.export()

		var requests []string
		for range 8 {
			id, err := h.CreateTrace(m.Context(), flow.TraceRequest{DeviceType: flow.Bridge, DeviceID: webBridge, Limit: 10, Name: "n"})
			if err != nil {
				m.Fatal(err)
			}
			requests = append(requests, id)
		}
		s := h.startSwitching(requests)
		m.until("requests are switched", func() bool { return s.seen(0) > 50 })
		z.Kill()
		m.until("all are refused", func() bool { return s.seen(http.StatusServiceUnavailable) > len(requests) })
		if _, err := h.Create(m.Context(), map[string]string{"name": "lost"}, "bridges"); status(err) != http.StatusServiceUnavailable {
			m.Errorf("a write without ZooKeeper: %v, want 503", err)
		}
		if h.serves() {
			m.Error("a read without ZooKeeper was answered")
		}
		before := s.seen(0)
		z.Start()
		m.until("requests are switched again", func() bool { return s.seen(0) > before+50 })
		codes := s.end()
		for _, code := range slices.Sorted(maps.Keys(codes)) {
			if code != 0 && code != http.StatusServiceUnavailable {
				m.Errorf("%d answers of status %d", codes[code], code)
			}
		}
		h.wantWhole(webBridge)

		s = h.startSwitching(requests)
		m.until("requests are switched", func() bool { return s.seen(0) > 50 })
		h.kill()
		s.end()
		h = h.restart()
		h.wantWhole(webBridge)
		if err := h.EnableTrace(m.Context(), requests[0]); err != nil {
			m.Fatal(err)
		}
		h.kill()
		h = h.restart()
		h.wantWhole(webBridge)
		h.wantTraced(z, requests[0])
		for _, id := range requests {
			if err := h.DeleteTrace(m.Context(), id); err != nil {
				m.Error(err)
			}
		}
		if got := h.export(); got != imported {
			m.Errorf("all requests are deleted, and the networks are\n%s\nand were\n%s", got, imported)
		}
		h.stop()
	})
}

// wantTraced checks that packets are traced for a request: in a dry run, and in
// ZooKeeper's own shell.
func (h *networks) wantTraced(z *storetest.ZooKeeper, id string) {
	h.m.Helper()
	if got := h.traceRules(webBridge); !slices.Contains(got, id) {
		h.m.Errorf("trace rules are of %v, want one of %s", got, id)
	}
	out := h.m.run(h.m.weir(), "flow", "simulate", "--port", web1, "--frame", webToDB)
	if !strings.Contains(out, id) || !strings.Contains(out, "web-in") {
		h.m.Errorf("a dry run without request %s or chain web-in:\n%s", id, out)
	}
	node := z.Shell("get", "/midonet/v1/traces/"+id)
	rule := regexp.MustCompile(`"enabledRule":"([-0-9a-f]+)"`).FindStringSubmatch(node)
	if rule == nil {
		h.m.Fatalf("ZooKeeper's shell shows no enabledRule:\n%s", node)
	}
	if got := z.Shell("get", "/midonet/v1/rules/"+rule[1]); !strings.Contains(got, id) {
		h.m.Errorf("ZooKeeper's shell shows as the rule of %s:\n%s", id, got)
	}
}

// What the guide types does what the guide says: two tenants, curl, a dry run that names
// the rule, and nothing for the other tenant.
func TestNetworksGuide(t *testing.T) {
	peer.Need(t, "curl")
	text, err := os.ReadFile(filepath.Join(root, "docs", "guide", "trace-a-flow.md"))
	if err != nil {
		t.Fatal(err)
	}
	isolated(t, func(m *machine) {
		var blocks []string
		for _, found := range shellBlock.FindAllStringSubmatch(string(text), -1) {
			blocks = append(blocks, found[1])
		}
		if len(blocks) != 5 || strings.TrimSpace(blocks[0]) != "weir up" {
			m.Fatalf("the guide has %d blocks of commands, want a start, an import, a request, curl's and a dry run", len(blocks))
		}
		h := m.startNetworks("")
		shell := func(script string) string {
			cmd := m.command("PATH="+m.programs+":"+os.Getenv("PATH"), "sh", "-e", "-c", script)
			cmd.Dir = filepath.Join(root, "docs", "guide")
			out, err := cmd.CombinedOutput()
			if err != nil {
				m.Errorf("%s\n%v: %s", script, err, out)
			}
			return string(out)
		}
		tokens := regexp.MustCompile(`(?m)^[0-9a-f]{32}$`).FindAllString(shell(blocks[1]), -1)
		if len(tokens) != 2 {
			m.Fatalf("%d tokens of two tenants", len(tokens))
		}
		as := func(token, script string) string { return "WEIR_TOKEN=" + token + "\nexport WEIR_TOKEN\n" + script }
		rest := strings.ReplaceAll(strings.Join(blocks[2:], "\n"), "export WEIR_TOKEN=...", ":")
		out := shell(as(tokens[0], strings.ReplaceAll(rest, "curl ", "curl -sS ")))
		created := regexp.MustCompile(`\{"id":"([-0-9a-f]{36})"\}`).FindStringSubmatch(out)
		if created == nil || !strings.Contains(out, `"dropReason":{"chain":`) || !strings.Contains(out, `"position":4`) {
			m.Fatalf("no request is made, or no rule named:\n%s", out)
		}
		tree := shell(as(tokens[0], "weir flow simulate --port "+web1+" --frame "+webToDB))
		printed := regexp.MustCompile("(?s)```\n(  run 2.*?)```").FindStringSubmatch(string(text))
		if printed == nil || !strings.HasSuffix(tree, printed[1]) {
			m.Errorf("weir flow simulate prints\n%s\nthe guide has\n%v", tree, printed)
		}
		api := "http://127.0.0.1:9347/midonet-api"
		out = shell(as(tokens[1], fmt.Sprintf(`API=%s
			for path in traces bridges routers ports chains traces/%s traces/%[2]s/enabled bridges/%s ports/%s; do
				curl -sS -w ' %%{http_code}\n' -H "X-Auth-Token: $WEIR_TOKEN" $API/$path
			done`, api, created[1], webBridge, web1)))
		if strings.Count(out, " 200\n") != 5 || strings.Count(out, " 403\n") != 4 {
			m.Errorf("the other tenant gets\n%s", out)
		}
		for _, foreign := range []string{"red", "web1", "10.0.2.", "02:00:00:00:01:", "02:00:00:00:02:", "web-in"} {
			if strings.Contains(out, foreign) {
				m.Errorf("the other tenant reads %q:\n%s", foreign, out)
			}
		}
		h.stop()
	})
}
