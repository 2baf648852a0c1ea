// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package api

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/weir-io/weir/internal/hosts"
)

// paths is the part of the document that names the operations.
type paths struct {
	OpenAPI string                                `json:"openapi"`
	Paths   map[string]map[string]json.RawMessage `json:"paths"`
}

func TestDocumentHasEveryRoute(t *testing.T) {
	f := newFixture(t, nil)
	_, body := f.do(http.MethodGet, "/openapi.json", nil)
	var doc paths
	if err := json.Unmarshal(body, &doc); err != nil {
		t.Fatal(err)
	}
	var documented []string
	for path, operations := range doc.Paths {
		for method := range operations {
			documented = append(documented, strings.ToUpper(method)+" "+path)
		}
	}
	routes := slices.Clone(f.api.router.routes)
	slices.Sort(routes)
	slices.Sort(documented)
	if diff := cmp.Diff(routes, documented); diff != "" {
		t.Errorf("routes and document differ (-routes +document):\n%s", diff)
	}
	if len(routes) != 45 || !strings.HasPrefix(doc.OpenAPI, "3.1") {
		t.Errorf("%d routes in a document of version %s", len(routes), doc.OpenAPI)
	}
}

// Each status that an operation documents names codes of the table, and each
// reference leads somewhere.
func TestDocumentIsConsistent(t *testing.T) {
	f := newFixture(t, nil)
	_, body := f.do(http.MethodGet, "/openapi.json", nil)
	var doc struct {
		Paths map[string]map[string]struct {
			Responses map[string]struct {
				Description string
				Content     map[string]json.RawMessage
			}
		}
		Components struct{ Schemas map[string]json.RawMessage }
	}
	if err := json.Unmarshal(body, &doc); err != nil {
		t.Fatal(err)
	}
	for path, operations := range doc.Paths {
		for method, op := range operations {
			for status, r := range op.Responses {
				if _, problem := r.Content["application/problem+json"]; !problem {
					continue
				}
				for name := range strings.SplitSeq(r.Description, ", ") {
					if row := rowOf(code(name)); strconv.Itoa(row.Status) != status {
						t.Errorf("%s %s: code %s is documented with status %s, has %d", method, path, name, status, row.Status)
					}
				}
			}
		}
	}
	const ref = `"$ref":"#/components/schemas/`
	compact := strings.NewReplacer(" ", "", "\n", "").Replace(string(body))
	for part := range strings.SplitSeq(compact, ref) {
		name, _, _ := strings.Cut(part, `"`)
		if _, ok := doc.Components.Schemas[name]; !ok && !strings.HasPrefix(part, "{") {
			t.Errorf("reference to %s, which is not there", name)
		}
	}
	if strings.Contains(string(body), "ErrorModel") || strings.Contains(string(body), "$schema") {
		t.Error("the document has what the framework adds by itself")
	}
}

func TestDocumentIsFresh(t *testing.T) {
	f := newFixture(t, nil)
	answer, body := f.do(http.MethodGet, "/openapi.json", nil)
	if got := answer.Header.Get("Content-Type"); got != "application/openapi+json" {
		t.Errorf("Content-Type is %s", got)
	}
	fresh(t, "openapi.json", string(body))
	if answer, body := f.do(http.MethodGet, "/openapi.yaml", nil); answer.StatusCode != 200 || !strings.Contains(string(body), "openapi: 3.1") {
		t.Errorf("YAML: %s %.60s", answer.Status, body)
	}
}

func TestErrorTable(t *testing.T) {
	var b strings.Builder
	b.WriteString("# Errors of the HTTP interface\n\n" +
		"Written by `go test ./internal/api -update` from `internal/api/errors.json`; do not edit. A test keeps it fresh.\n\n" +
		"A refusal is an RFC 9457 problem, `application/problem+json`, with the members `code` and `number` beside `type`\n" +
		"(`urn:weir:error:CODE`), `title`, `status`, `detail` and, for faults of parameters, `errors`. Codes and numbers do not change.\n\n" +
		"| number | code | status | title | meaning |\n|---|---|---|---|---|\n")
	codes, numbers := map[code]bool{}, map[int]bool{}
	for _, row := range errorRows() {
		if codes[row.Code] || numbers[row.Number] {
			t.Errorf("code %s or number %d stands twice", row.Code, row.Number)
		}
		codes[row.Code], numbers[row.Number] = true, true
		if http.StatusText(row.Status) == "" || row.Title == "" || row.Meaning == "" {
			t.Errorf("row %+v is not complete", row)
		}
		fmt.Fprintf(&b, "| %d | `%s` | %d | %s | %s |\n", row.Number, row.Code, row.Status, row.Title, row.Meaning)
	}
	for _, c := range declaredCodes(t) {
		if !codes[code(c)] {
			t.Errorf("code %s is in no row", c)
		}
		delete(codes, code(c))
	}
	for c := range codes {
		t.Errorf("row %s has no constant", c)
	}
	fresh(t, "errors.md", b.String())
}

// declaredCodes reads the constants of problem.go.
func declaredCodes(t *testing.T) []string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "problem.go", nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	var codes []string
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || len(spec.Names) != 1 || !strings.HasPrefix(spec.Names[0].Name, "code") || len(spec.Values) != 1 {
			return true
		}
		if lit, ok := spec.Values[0].(*ast.BasicLit); ok {
			text, err := strconv.Unquote(lit.Value)
			if err != nil {
				t.Fatal(err)
			}
			codes = append(codes, text)
		}
		return true
	})
	if len(codes) == 0 {
		t.Fatal("no code was found")
	}
	return codes
}

func TestMetricsAreClean(t *testing.T) {
	f := newFixture(t, nil)
	_, st := f.open("s")
	f.packet(st, 0)
	st.Stats().LastArrival.Store(f.clock.UnixNano())
	problems, err := testutil.GatherAndLint(f.api.registry)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

func TestMetricsDocument(t *testing.T) {
	f := newFixture(t, nil)
	_, st := f.open("s")
	f.packet(st, 0)
	st.Stats().LastArrival.Store(f.clock.UnixNano())          // absent before the first packet
	f.opts.Registry.Configure(hosts.Registration{Name: "n1"}) // absent without hosts
	families, err := f.api.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	b.WriteString("# Metrics\n\n" +
		"Written by `go test ./internal/api -update` from the metrics themselves; do not edit. A test keeps it fresh.\n\n" +
		"`GET /metrics` of the HTTP listener answers in Prometheus' text format, or in that of OpenMetrics where the host is shown, too, and it is\n" +
		"asked for. All figures are taken when they are asked for. No label of the hub's own holds a session, a stream or an address, and but for `weir_host_up` none a host, and there are as many feeds and sources as were made: the number of series does not grow with use. Sessions and streams have their figures at\n" +
		"`/api/v1/sessions`. Beside these there are the usual figures of the Go runtime (`go_…`) and of the process (`process_…`).\n\n" +
		"| metric | type | labels | meaning |\n|---|---|---|---|\n")
	own := 0
	for _, family := range families {
		name := family.GetName()
		if strings.HasPrefix(name, "go_") || strings.HasPrefix(name, "process_") {
			continue
		}
		if !strings.HasPrefix(name, "weir_") {
			t.Errorf("metric %s does not begin with weir_", name)
		}
		own++
		var labels []string
		for _, l := range family.GetMetric()[0].GetLabel() {
			labels = append(labels, "`"+l.GetName()+"`")
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", name, strings.ToLower(family.GetType().String()), strings.Join(labels, ", "), family.GetHelp())
	}
	if want := len(newCollector(f.api).metrics); own != want {
		t.Errorf("%d metrics were gathered of %d: the document lacks some", own, want)
	}
	freshBefore(t, "metrics.md", "\n## Host\n", b.String())
}

func TestMetricsValues(t *testing.T) {
	f := newFixture(t, nil)
	_, st := f.open("s")
	f.packet(st, 0)
	st.Stats().LastArrival.Store(f.clock.Add(-3 * time.Second).UnixNano())
	answer, body := f.do(http.MethodGet, "/metrics", nil)
	if answer.StatusCode != 200 || !strings.HasPrefix(answer.Header.Get("Content-Type"), "text/plain") {
		t.Fatalf("GET /metrics: %s %s", answer.Status, answer.Header.Get("Content-Type"))
	}
	for _, want := range []string{
		"weir_relay_sessions 1", "weir_relay_streams 2", "weir_relay_packets_total 1", "weir_relay_packet_bytes_total 100",
		"weir_relay_discarded_events 9", `weir_relay_connections{kind="control"} 3`, `weir_relay_connections{kind="data"} 2`,
		"weir_relay_connections_refused_total 7", "weir_relay_pending_packets 5", "weir_live_viewers 4", "weir_relay_lag_seconds 3",
		"weir_store_short_of_space 0", `weir_build_info{go="go1.26",revision="",version="1.2.3"} 1`, "weir_store_open_files_limit 100",
		"weir_retention_removed_chunks_total 0", `weir_live_requests_total{command="GET_PACKET"} 0`, "go_goroutines ", "process_open_fds ",
	} {
		if !strings.Contains(string(body), "\n"+want) {
			t.Errorf("no line %q", want)
		}
	}
}

// With a host to show, the hub's own figures come with it, in either format.
func TestMetricsWithHost(t *testing.T) {
	f := newFixture(t, nil)
	_, body := f.do(http.MethodGet, "/metrics", nil)
	if !strings.HasPrefix(string(body), "# first\n# HELP go_") || !strings.HasSuffix(string(body), "\nweir_load1 1\n") {
		t.Errorf("%.60q … %q", body, body[max(0, len(body)-60):])
	}
	if !strings.Contains(string(body), "\n# TYPE weir_relay_packets_total counter\n") {
		t.Error("no counter in the text format")
	}
	_, body = f.do(http.MethodGet, "/metrics", func(r *http.Request) { r.Header.Set("Accept", "application/openmetrics-text") })
	if !strings.Contains(string(body), "\n# TYPE weir_relay_packets counter\n") || strings.Contains(string(body), "# EOF") {
		t.Error("no counter in OpenMetrics, or an end in the middle")
	}
	for status, want := range map[string]code{"400": codeInvalidRequest, "503": codeTooManyScrapes, "405": codeMethodNotAllowed, "500": codeInternal} {
		f.refused(http.MethodGet, "/metrics/node?status="+status, want, nil)
	}
	f.refused(http.MethodPost, "/metrics/node", codeMethodNotAllowed, nil)
}

// Without a host the hub's own figures are there alone.
func TestMetricsWithoutHost(t *testing.T) {
	f := newFixture(t, func(o *Options) { o.Host = nil })
	answer, body := f.do(http.MethodGet, "/metrics", nil)
	if answer.StatusCode != http.StatusOK || !strings.Contains(string(body), "\nweir_relay_sessions 0") {
		t.Errorf("%s: %.80s", answer.Status, body)
	}
	f.refused(http.MethodGet, "/metrics/node", codeNoSuchPath, nil)
}

// Without the services that the hub may leave out, their metrics are absent.
func TestMetricsOfLessServices(t *testing.T) {
	f := newFixture(t, func(o *Options) { o.Relay, o.Live, o.Files = nil, nil, nil })
	_, body := f.do(http.MethodGet, "/metrics", nil)
	for _, name := range []string{"weir_relay_connections", "weir_live_", "weir_store_open_files", "weir_relay_lag_seconds", "weir_relay_pending"} {
		if strings.Contains(string(body), "\n"+name) {
			t.Errorf("%s is there", name)
		}
	}
	if !strings.Contains(string(body), "\nweir_relay_sessions 0") {
		t.Error("weir_relay_sessions is not there")
	}
}
