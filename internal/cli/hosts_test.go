// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/weir-io/weir/client"
	"github.com/weir-io/weir/internal/peer"
	"github.com/weir-io/weir/internal/wait"
)

// startHub starts "weir up" on ports that the system chooses and returns its URLs,
// for all and for agents of other machines. It ends with the test.
func startHub(t *testing.T, env ...string) (api, agents string) {
	t.Helper()
	cmd := command(t, "weir", "up", "--control", "tcp://127.0.0.1:0", "--data", "tcp://127.0.0.1:0", "--live", "tcp://127.0.0.1:0",
		"--http", "127.0.0.1:0", "--agent", "false", "--state-dir", t.TempDir(), "--log-level", "error")
	cmd.Env = append(os.Environ(), append([]string{"WEIR_XMLSYSD_LISTEN=127.0.0.1:0", "WEIR_HOSTS_LISTEN=127.0.0.1:0", "WEIR_HOSTS_POLL=500ms"}, env...)...)
	cmd.Stderr = os.Stderr
	lines := started(t, cmd, "  traces ")
	for _, line := range lines {
		switch w := strings.Fields(line); {
		case len(w) > 1 && w[0] == "http":
			api = "http://" + w[1]
		case len(w) > 1 && w[0] == "hosts":
			agents = "http://" + w[1]
		}
	}
	return api, agents
}

// started starts a command, and returns the lines that it writes up to one with a
// text. It is ended in order with the test.
func started(t *testing.T, cmd *exec.Cmd, last string) (lines []string) {
	t.Helper()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stopped(t, cmd) })
	for in := bufio.NewScanner(out); in.Scan(); {
		lines = append(lines, in.Text())
		if strings.Contains(in.Text(), last) {
			go func() { _, _ = io.Copy(io.Discard, out) }() // ends with the program
			return lines
		}
	}
	t.Fatalf("no %q in %q", last, lines)
	return nil
}

// stopped ends a command in order, if it has not ended.
func stopped(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if cmd.ProcessState != nil {
		return
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("%s: %v", cmd.Args[1], err)
	}
}

// run runs weir in this process and returns what it prints.
func run(t *testing.T, args ...string) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	if code := Main(append([]string{"weir"}, args...), &stdout, &stderr); code != 0 {
		t.Fatalf("weir %s: exit code %d: %s", strings.Join(args, " "), code, &stderr)
	}
	return stdout.String()
}

// scrape gets a page.
func scrape(t *testing.T, url string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Timeout: wait.Patience}
	defer client.CloseIdleConnections()
	answer, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s, %v", url, answer.Status, err)
	}
	return string(b)
}

// A daemon registers with a hub; the hub asks it; who asks the hub finds both hosts;
// a daemon that ends takes its host back.
func TestHostsOfAHub(t *testing.T) {
	promtool := peer.Need(t, "promtool")
	api, agents := startHub(t)
	own, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	daemon := command(t, "weir", "xmlsysd", "--listen", "127.0.0.1:0", "--hub", agents, "--hub-name", "n2", "--hub-group", "rack1")
	started(t, daemon, "xmlsysd at ")
	up := fmt.Sprintf("\nweir_host_up{host=%q} 1\n", "n2")
	wait.Until(t, "the hub has asked both", func() bool {
		text := scrape(t, api+"/metrics?on=loadavg")
		return strings.Contains(text, up) && strings.Contains(text, "\nweir_load1{host=\"n2\"} ") && strings.Contains(text, fmt.Sprintf("\nweir_load1{host=%q} ", own))
	})
	if node := scrape(t, api+"/metrics/node"); !strings.Contains(node, "\nnode_load1{host=\"n2\"} ") || !strings.Contains(node, "\nnode_load1 ") {
		t.Error("/metrics/node has not both hosts")
	}
	check := command(t, promtool, "check", "metrics")
	check.Stdin = strings.NewReader(scrape(t, api+"/metrics"))
	if out, err := check.CombinedOutput(); err != nil {
		t.Errorf("promtool: %v: %s", err, out)
	}
	for _, url := range []string{api, agents} {
		rows := map[string]bool{}
		for line := range strings.Lines(run(t, "stat", "--hub", url, "-c", "1", "--first", "-d", "0.5", "--format", "jsonl")) {
			var row struct{ Host, State string }
			if err := json.Unmarshal([]byte(line), &row); err != nil {
				t.Fatal(err)
			}
			rows[row.Host] = row.State == "up"
		}
		if len(rows) != 2 || !rows["n2"] || !rows[own] {
			t.Errorf("by %s: hosts that are up %v", url, rows)
		}
	}
	if out := run(t, "hosts", "--api", api); !strings.Contains(out, "n2 ") || !strings.Contains(out, "rack1") || !strings.Contains(out, "registered") || !strings.Contains(out, "configured") {
		t.Errorf("weir hosts:\n%s", out)
	}
	if out := run(t, "hosts", "show", "n2", "--api", api); !strings.Contains(out, "\nload1 ") || !strings.Contains(out, "\nup  ") {
		t.Errorf("weir hosts show:\n%s", out)
	}
	stopped(t, daemon)
	if out := run(t, "hosts", "--api", api); strings.Contains(out, "n2") {
		t.Errorf("n2 is still there:\n%s", out)
	}
}

// A hub that is named and away is a failure, not a mistake of the caller.
func TestHubAway(t *testing.T) {
	for _, command := range []string{"stat", "top"} {
		var stdout, stderr bytes.Buffer
		if code := Main([]string{"weir", command, "--hub", "http://127.0.0.1:1"}, &stdout, &stderr); code != exitFailed || !strings.Contains(stderr.String(), "refused") {
			t.Errorf("%s: exit code %d, %s", command, code, &stderr)
		}
	}
	for _, args := range []string{"stat --hub http://127.0.0.1:1 n1", "top --hub http://127.0.0.1:1 -l", "stat --hub ftp://x", "stat --hub-cert x", "xmlsysd -i 1 --hub http://127.0.0.1:1", "xmlsysd --listen 127.0.0.1:0 --hub x"} {
		var stdout, stderr bytes.Buffer
		if code := Main(append([]string{"weir"}, strings.Fields(args)...), &stdout, &stderr); code != exitUsage || !strings.Contains(stderr.String(), "--hub") {
			t.Errorf("%s: exit code %d, %s", args, code, &stderr)
		}
	}
}

// What is printed of hosts.
func TestHostsTables(t *testing.T) {
	at := time.Now().Add(-2 * time.Second)
	value := 7.5
	list := []client.Host{
		{ID: "a\x1b", State: client.HostConfigured, Address: "10.0.0.1:7887", Statistics: &client.HostStatistics{State: "down", Reason: "no answer"}},
		{ID: "b", State: client.HostLost, Problem: "it does not answer monitors", Seen: at, Version: "1"},
	}
	b := list[0]
	b.Statistics = &client.HostStatistics{State: "up", Alarms: []string{"busy", "hot"}, Values: map[string]float64{"load1": 1.5, "up": 1}}
	mux := http.NewServeMux()
	answer := func(pattern string, v any) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(w).Encode(v) })
	}
	answer("GET /api/v1/hosts", client.Page[client.Host]{Items: list})
	answer("GET /api/v1/hosts/a", b)
	answer("GET /api/v1/alarms", client.Page[client.HostAlarm]{Items: []client.HostAlarm{{Time: at, Host: "a", Alarm: "busy", State: "firing", Level: "crit", Value: &value, Note: "much\tto do"}, {Host: "b", Alarm: "hot", State: "ok", Level: "info"}}})
	removed := ""
	mux.HandleFunc("DELETE /api/v1/hosts/{id}", func(w http.ResponseWriter, r *http.Request) {
		removed = r.PathValue("id")
		w.WriteHeader(http.StatusNoContent)
	})
	server := httptest.NewServer(mux)
	defer server.Close()
	for _, tt := range []struct{ args, want string }{
		{"hosts", "HOST  GROUP  KNOWN       ADDRESS        ANSWERS                      ALARMS  VERSION  SEEN\n" +
			"a?    -      configured  10.0.0.1:7887  down: no answer              -       -        -\n" +
			"b     -      lost        -              it does not answer monitors  -       1        2s\n"},
		{"hosts show a", "HOST  GROUP  KNOWN       ADDRESS        ANSWERS  ALARMS    VERSION  SEEN\n" +
			"a?    -      configured  10.0.0.1:7887  up       busy,hot  -        -\n\nVALUE  IS\nload1  1.5\nup     1\n"},
		{"hosts alarms", "  a     busy   firing  crit   7.5    much?to do"},
		{"hosts alarms --json", `"alarm": "busy"`},
		{"hosts --json", `"state": "lost"`},
		{"hosts show --json a", `"load1": 1.5`},
		{"hosts remove b", ""},
	} {
		out := run(t, append(strings.Fields(tt.args), "--api", server.URL)...)
		if !strings.Contains(out, tt.want) || strings.HasSuffix(tt.want, "\n") && out != tt.want {
			t.Errorf("%s:\n%s\nwant\n%s", tt.args, out, tt.want)
		}
	}
	if removed != "b" {
		t.Errorf("removed %q", removed)
	}
	mux.HandleFunc("GET /api/v1/alarm-tail", func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("after") != "0" {
			t.Errorf("asked for %s", r.URL)
		}
		_, _ = io.WriteString(w, `{"time":"2026-01-02T03:04:05Z","host":"a\u001b","alarm":"busy","state":"firing","level":"crit","value":7.5}`+"\n\n")
	})
	for flag, want := range map[string]string{
		"--follow":        "2026-01-02T03:04:05Z  a?                busy          firing  crit       7.5  -\n",
		"--follow --json": `{"time":"2026-01-02T03:04:05Z","host":"a\u001b","alarm":"busy","state":"firing","level":"crit","value":7.5}` + "\n",
	} {
		var out, errs strings.Builder
		code := Main(append([]string{"weir", "hosts", "alarms", "--api", server.URL}, strings.Fields(flag)...), &out, &errs)
		if code != 1 || out.String() != want || !strings.Contains(errs.String(), "the hub has ended the answer") {
			t.Errorf("%s: exit code %d, %q, %s", flag, code, out.String(), errs.String())
		}
	}
}

func TestStatisticsAddress(t *testing.T) {
	for _, tt := range []struct {
		at   []string
		want string
	}{
		{nil, ""},
		{[]string{"[::1]:1", "127.0.0.1:2"}, "[::1]:1"},
		{[]string{"127.0.0.1:2", "10.0.0.7:3"}, "10.0.0.7:3"},
		{[]string{"127.0.0.1:2", "0.0.0.0:4"}, ":4"},
	} {
		var all []net.Listener
		for _, at := range tt.at {
			address, err := net.ResolveTCPAddr("tcp", at)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, listenerAt{address: address})
		}
		if got := statisticsAddress(all); got != tt.want {
			t.Errorf("%v: %q, want %q", tt.at, got, tt.want)
		}
	}
}

// listenerAt has an address and nothing else.
type listenerAt struct {
	net.Listener
	address net.Addr
}

func (l listenerAt) Addr() net.Addr { return l.address }

func TestSeenFrom(t *testing.T) {
	for _, tt := range []struct{ hub, address, want string }{
		{"http://127.0.0.1:9347", "127.0.0.1:7887", "127.0.0.1:7887"},
		{"https://hub.example:9348", "127.0.0.1:7887", "hub.example:7887"},
		{"https://hub.example:9348", "[::1]:7887", "hub.example:7887"},
		{"https://[2001:db8::1]:9348", "localhost:7887", "[2001:db8::1]:7887"},
		{"https://hub.example:9348", "10.0.0.7:7887", "10.0.0.7:7887"},
		{"https://hub.example:9348", "/run/x.sock", "/run/x.sock"},
		{"https://hub.example:9348", "", ""},
	} {
		if got := seenFrom(tt.hub, tt.address); got != tt.want {
			t.Errorf("%s from %s: %s, want %s", tt.address, tt.hub, got, tt.want)
		}
	}
}
