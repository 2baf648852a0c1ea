// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weir-io/weir/internal/api"
	"github.com/weir-io/weir/internal/config"
	"github.com/weir-io/weir/internal/flow/record"
	"github.com/weir-io/weir/internal/flow/rest"
	"github.com/weir-io/weir/internal/flow/ship"
	"github.com/weir-io/weir/internal/flow/topology"
	"github.com/weir-io/weir/internal/wait"
)

// logService is an Elasticsearch and a Splunk in one, as far as they are documented: it
// takes what the answer of a request lets it, and remembers it.
type logService struct {
	*httptest.Server
	hangs bool // it never answers

	mu       sync.Mutex
	answers  []func(w http.ResponseWriter, records int) (taken []int) // guarded by mu; of the next requests
	requests []string                                                 // guarded by mu; path and authorization
	taken    []uint64                                                 // guarded by mu; numbers of records, in their order
}

// newLogService runs a service until the test ends.
func newLogService(t *testing.T, answers ...func(http.ResponseWriter, int) []int) *logService {
	s := &logService{answers: answers}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		if s.hangs {
			<-r.Context().Done()
			return
		}
		s.answer(t, w, r, body)
	}))
	t.Cleanup(s.Close)
	return s
}

// answer answers a request.
func (s *logService) answer(t *testing.T, w http.ResponseWriter, r *http.Request, body []byte) {
	var numbers []uint64
	for text := range bytes.Lines(body) {
		var line struct {
			Create json.RawMessage
			Seq    uint64
			Event  struct{ Seq uint64 }
		}
		if err := json.Unmarshal(text, &line); err != nil {
			t.Errorf("%s: %v", text, err)
		}
		if line.Create == nil {
			numbers = append(numbers, line.Seq+line.Event.Seq)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, r.URL.Path+" "+r.Header.Get("Authorization"))
	if len(s.answers) == 0 {
		s.taken = append(s.taken, numbers...)
		io.WriteString(w, `{"errors":false,"text":"Success","code":0}`)
		return
	}
	answer := s.answers[0]
	s.answers = s.answers[1:]
	for _, i := range answer(w, len(numbers)) {
		s.taken = append(s.taken, numbers[i])
	}
}

// status is an answer of a service that takes nothing.
func status(code int, body string) func(http.ResponseWriter, int) []int {
	return func(w http.ResponseWriter, _ int) []int {
		w.WriteHeader(code)
		io.WriteString(w, body)
		return nil
	}
}

func (s *logService) has() []uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.taken)
}

func (s *logService) asked() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// secret writes a credential to a file.
func secret(t *testing.T, text string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// testClient talks to hubs of tests.
var testClient = &http.Client{Timeout: wait.Patience}

// traced is a flow of a host, and the agent that has traced it.
type traced struct {
	scope *record.Scope
	agent *ship.Hub
}

// newTraced has a trace request made, by who asks, at a hub, and an agent let in.
func newTraced(t *testing.T, accounts, url string, ask func(method, path, body string, want int)) *traced {
	t.Helper()
	const port = "11111111-1111-4111-8111-111111111111"
	host, request := topology.NamedID(topology.KindHost, "h"), topology.ID{15: 7}
	ask("POST", "/topology", `{"bridges":[{"name":"lan"}],"ports":[{"name":"one","id":"`+port+`","device":"lan","host":"h","interface":"a"}]}`, http.StatusNoContent)
	ask("POST", "/traces", `{"id":"`+request.String()+`","name":"n","deviceType":"PORT","deviceId":"`+port+`","condition":{},"enabled":true}`, http.StatusCreated)
	list, err := rest.ReadAccounts(accounts)
	if err == nil {
		err = rest.WriteAccounts(accounts, append(list, rest.Account{Name: "node", Role: rest.Agent, Host: host, Token: "t"}))
	}
	if err != nil {
		t.Fatal(err)
	}
	return &traced{
		scope: &record.Scope{Cookie: 1, Flow: topology.ID{15: 1}, Requests: []topology.ID{request}, Host: host},
		agent: &ship.Hub{URL: url, Token: "t", Host: host, Client: testClient},
	}
}

// report has the agent bring records to the hub.
func (h *traced) report(t *testing.T, from, to int) {
	t.Helper()
	var batch []record.Record
	for i := from; i < to; i++ {
		batch = append(batch, record.Record{Scope: h.scope, Time: time.Now(), Seq: uint64(i), Kind: "rule", Event: json.RawMessage(`{"role":"ingress"}`)})
	}
	if refused, left, err := h.agent.Send(t.Context(), batch); refused > 0 || len(left) > 0 || err != nil {
		t.Fatalf("records %d to %d: %d refused, %d left, %v", from, to, refused, len(left), err)
	}
}

// running runs networks, with a flow that an agent has traced, until stop is called.
func running(t *testing.T, cfg func(*config.Flow)) (f *flows, h *traced, log *logged, stop func()) {
	t.Helper()
	f = newTestFlows(t, t.TempDir(), nil)
	log = new(logged)
	cfg(&f.cfg.Flow)
	var err error
	if f.ships, err = newShips(&f.cfg.Flow, slog.New(slog.NewTextHandler(log, nil))); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	f.open(ctx)
	done := make(chan error, 1)
	go func() { done <- f.run(ctx) }() // received by stop
	server := httptest.NewServer(f)
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { server.Close(); stop() })
	h = newTraced(t, f.file("accounts.json"), server.URL, func(method, path, body string, want int) {
		t.Helper()
		if got := f.ask(t, method, path, body); got.Code != want {
			t.Fatalf("%s %s: %d %s, want %d", method, path, got.Code, got.Body, want)
		}
	})
	return f, h, log, stop
}

// TestRecordsAreShipped has two services, that are busy and refuse some, and a file get
// what an agent records: each record once, though it comes twice.
func TestRecordsAreShipped(t *testing.T) {
	elastic := newLogService(t, status(429, "rejected: ApiKey sesame"), func(w http.ResponseWriter, n int) []int {
		if n != 4 {
			t.Errorf("a request of %d records, want 4", n)
		}
		io.WriteString(w, `{"errors":true,"items":[{"create":{"status":201}},{"create":{"status":400,"error":{"type":"document_parsing_exception","reason":"r"}}},`+
			`{"create":{"status":429,"error":{"type":"es_rejected_execution_exception"}}},{"create":{"status":201}}]}`)
		return []int{0, 3}
	})
	elastic.StartTLS()
	collector := newLogService(t, status(503, `{"text":"Server is busy","code":9}`), func(w http.ResponseWriter, n int) []int {
		w.WriteHeader(http.StatusBadRequest)
		io.WriteString(w, `{"text":"Invalid data format","code":6,"invalid-event-number":1}`)
		return []int{0}
	})
	collector.StartTLS()
	authority := secret(t, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: elastic.Certificate().Raw})))
	key, token, file := secret(t, "sesame\n"), secret(t, "mellon"), filepath.Join(t.TempDir(), "flow-trace.log")
	f, h, log, stop := running(t, func(c *config.Flow) {
		c.ElasticsearchURL, c.ElasticsearchKeyFile, c.SplunkURL, c.SplunkTokenFile, c.ShipCA = elastic.URL, key, collector.URL, token, authority
		c.LogFile = file
	})
	h.report(t, 0, 4)
	h.report(t, 0, 4)
	wait.Until(t, "the services have what they take", func() bool { return len(elastic.has()) == 3 && len(collector.has()) == 3 })
	if got := fmt.Sprint(elastic.has(), collector.has()); got != "[0 3 2] [0 2 3]" {
		t.Errorf("the services have %s, want all but the second record, each once", got)
	}
	if err := os.WriteFile(key, []byte("renewed"), 0o600); err != nil {
		t.Fatal(err)
	}
	h.report(t, 2, 5)
	stop()
	if got := fmt.Sprint(elastic.has(), collector.has()); got != "[0 3 2 4] [0 2 3 4]" {
		t.Errorf("at the end the services have %s", got)
	}
	want := []api.ShipStats{
		{Service: "elasticsearch", Taken: 5, Sent: 4, Refused: 1}, {Service: "splunk", Taken: 5, Sent: 4, Refused: 1}, {Service: "file", Taken: 5, Sent: 5},
	}
	if got := f.ships.stats(); !slices.Equal(got, want) {
		t.Errorf("figures %+v, want %+v", got, want)
	}
	asked := elastic.asked()
	if first, last := asked[0], asked[len(asked)-1]; first != "/_bulk ApiKey sesame" || last != "/_bulk ApiKey renewed" {
		t.Errorf("asked %q first and %q last, want another key", first, last)
	}
	if got := collector.asked()[0]; got != "/services/collector/event Splunk mellon" {
		t.Errorf("asked %q", got)
	}
	if text, err := os.ReadFile(file); err != nil || strings.Count(string(text), " rule role=ingress flow_id="+h.scope.Flow.String()) != 5 {
		t.Errorf("the file has\n%s%v, want 5 lines", text, err)
	}
	if text := log.String(); !strings.Contains(text, "document_parsing_exception") || !strings.Contains(text, "service=splunk") ||
		strings.Contains(text, "sesame") || strings.Contains(text, "mellon") {
		t.Errorf("the log has no reason, or a credential:\n%s", text)
	}
}

// TestServiceThatHangs has a service that never answers hold up neither agents nor, for
// long, the end; what it did not get is told.
func TestServiceThatHangs(t *testing.T) {
	collector := newLogService(t)
	collector.hangs = true
	collector.Start()
	f, h, log, stop := running(t, func(c *config.Flow) { c.SplunkURL, c.SplunkTokenFile = collector.URL, secret(t, "t") })
	for i := range 5 {
		h.report(t, 100*i, 100*i+100)
	}
	if got, want := f.ships.stats(), []api.ShipStats{{Service: "splunk", Taken: 500, Waiting: 500}}; !slices.Equal(got, want) {
		t.Errorf("figures %+v, want %+v", got, want)
	}
	stop()
	if got, want := f.ships.stats(), []api.ShipStats{{Service: "splunk", Taken: 500, Lost: 500}}; !slices.Equal(got, want) {
		t.Errorf("figures at the end %+v, want %+v", got, want)
	}
	if text := log.String(); !strings.Contains(text, "before the end") || !strings.Contains(text, "records=500") {
		t.Errorf("the log does not tell what is lost:\n%s", text)
	}
}

// TestServiceMovesAway has a service point to another one, which gets no credential.
func TestServiceMovesAway(t *testing.T) {
	other := newLogService(t)
	other.Start()
	elastic := newLogService(t, func(w http.ResponseWriter, _ int) []int {
		w.Header().Set("Location", other.URL+"/_bulk")
		w.WriteHeader(http.StatusTemporaryRedirect)
		return nil
	})
	elastic.Start()
	_, h, _, stop := running(t, func(c *config.Flow) { c.ElasticsearchURL, c.ElasticsearchKeyFile = elastic.URL, secret(t, "sesame") })
	h.report(t, 0, 1)
	wait.Until(t, "it is sent again", func() bool { return len(elastic.has()) == 1 })
	stop()
	if got := other.asked(); len(got) > 0 {
		t.Errorf("the other one is asked %q", got)
	}
}

func TestShippingMisconfigured(t *testing.T) {
	for want, change := range map[string]func(*config.Flow){
		"flow.elasticsearch_key_file": func(c *config.Flow) { c.ElasticsearchURL, c.ElasticsearchKeyFile = "http://h", "/none" },
		"flow.splunk_token_file":      func(c *config.Flow) { c.SplunkURL, c.SplunkTokenFile = "http://h", secret(t, "user sesame") },
		"is empty":                    func(c *config.Flow) { c.SplunkURL, c.SplunkTokenFile = "http://h", secret(t, "\n") },
		"flow.ship_ca":                func(c *config.Flow) { c.ShipCA = secret(t, "sesame") },
		"flow.log_file":               func(c *config.Flow) { c.LogFile = filepath.Join(t.TempDir(), "none", "log") },
		"no regular file":             func(c *config.Flow) { c.LogFile = t.TempDir() },
	} {
		cfg := config.Default()
		change(&cfg.Flow)
		if _, err := newShips(&cfg.Flow, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "sesame") {
			t.Errorf("%v, want an error with %s and without what a file has", err, want)
		}
	}
}

// TestShippingOfTheConfiguration runs a hub as it is configured: a record that is reported
// to it is with the service when the hub has ended, and metrics tell of it.
func TestShippingOfTheConfiguration(t *testing.T) {
	elastic := newLogService(t)
	elastic.Start()
	for _, on := range []bool{true, false} {
		cfg := configured(t)
		if on {
			cfg.Flow.ElasticsearchURL = elastic.URL
		}
		hub, err := New(cfg, slog.New(slog.NewTextHandler(t.Output(), nil)))
		if err != nil {
			t.Fatal(err)
		}
		hub.UseNetworks()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		ready, done := make(chan Addresses, 1), make(chan error, 1)
		go func() { done <- hub.Run(ctx, func(at Addresses) { ready <- at }) }() // received below
		at := <-ready
		url := "http://" + at.HTTP[0]
		ask := func(method, path, body string, want int) string {
			t.Helper()
			r, err := http.NewRequestWithContext(t.Context(), method, url+path, strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("X-Auth-Token", at.Networks.Token)
			if body != "" {
				r.Header.Set("Content-Type", "application/json")
			}
			resp, err := testClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			text, err := io.ReadAll(resp.Body)
			if err != nil || resp.StatusCode != want {
				t.Fatalf("%s %s: %d %s %v, want %d", method, path, resp.StatusCode, text, err, want)
			}
			return string(text)
		}
		accounts := filepath.Join(cfg.Hub.StateDir, "flow", "accounts.json")
		h := newTraced(t, accounts, url, func(method, path, body string, want int) {
			t.Helper()
			ask(method, "/midonet-api"+path, body, want)
		})
		h.report(t, 0, 2)
		metrics := ask("GET", "/metrics", "", http.StatusOK)
		if got := strings.Contains(metrics, `weir_flow_ship_taken_total{service="elasticsearch"} 2`); got != on {
			t.Errorf("metrics tell of records: %v, want %v", got, on)
		}
		if !on && strings.Contains(metrics, "weir_flow_ship") {
			t.Error("metrics of services that there are none of")
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if got := elastic.has(); !slices.Equal(got, []uint64{0, 1}) {
			t.Errorf("the service has %v, want both records, of the first hub", got)
		}
	}
}
