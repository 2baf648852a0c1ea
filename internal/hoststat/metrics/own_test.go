// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	client "github.com/prometheus/client_golang/prometheus/collectors"
	dto "github.com/prometheus/client_model/go"

	"github.com/weir-io/weir/internal/hoststat"
)

// clients are what Prometheus' own library says of this process.
func clients(t *testing.T) map[string]*dto.MetricFamily {
	t.Helper()
	r := prometheus.NewRegistry()
	r.MustRegister(client.NewGoCollector(), client.NewProcessCollector(client.ProcessCollectorOpts{}))
	list, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	families := make(map[string]*dto.MetricFamily)
	for _, f := range list {
		families[f.GetName()] = f
	}
	return families
}

// What the program shows of itself is what Prometheus' library would show of it.
func TestOwnAgainstClient(t *testing.T) {
	o := newOwn(new(answers))
	t.Cleanup(o.close)
	runtime.GC()
	before := clients(t)
	ours := parse(t, string(o.append(nil, text)))
	behind := clients(t)
	for _, f := range ofProcess[:10] {
		if _, ok := ours.types[f.name]; !ok {
			t.Errorf("%s is missing", f.name)
		}
	}
	for name, kind := range ours.types {
		low, high := before[name], behind[name]
		switch {
		case strings.HasPrefix(name, "promhttp_"):
			continue
		case low == nil && name == "go_memstats_lookups_total": // the library does not show it any more
			continue
		case low == nil || high == nil || low.GetType().String() != kind:
			t.Errorf("%s is %s, the library has %v", name, kind, low)
			continue
		case kind == "SUMMARY":
			if n := float64(low.GetMetric()[0].GetSummary().GetSampleCount()); ours.samples[name+"_count"] < n || n == 0 {
				t.Errorf("%s: %v, want %v", name, ours.samples[name+"_count"], n)
			}
			continue
		case name == "go_info":
			ours.want(t, map[string]float64{"go_info|version=" + runtime.Version(): 1})
			continue
		}
		a, b := valueOf(low.GetMetric()[0]), valueOf(high.GetMetric()[0])
		if kind == "GAUGE" && !slices.Contains([]string{"process_start_time_seconds", "process_max_fds", "process_virtual_memory_max_bytes"}, name) {
			a, b = min(a, b)/2-10, max(a, b)*2+10 // other tests run
		}
		const tick = 0.03 // the library has the CPU time in those, cut off, of user and system
		if v := ours.samples[name]; v < a-tick || v > b+tick && !near(v, b) {
			t.Errorf("%s = %v, want %v … %v", name, v, a, b)
		}
	}
}

func valueOf(m *dto.Metric) float64 {
	return m.GetGauge().GetValue() + m.GetCounter().GetValue() + m.GetUntyped().GetValue()
}

// To show oneself costs no memory.
func TestOwnAllocates(t *testing.T) {
	o := newOwn(new(answers))
	t.Cleanup(o.close)
	for _, f := range []format{text, openMetrics} {
		b := o.append(nil, f)
		runtime.GC()
		b = o.append(b[:0], f) // after it there is room for the pauses
		if n := testing.AllocsPerRun(100, func() { b = o.append(b[:0], f) }); n != 0 {
			t.Errorf("%v allocations, want none", n)
		}
	}
}

func TestAnswers(t *testing.T) {
	s := newServer(t, host().write(t))
	const requests = "promhttp_metric_handler_requests_total|code="
	for range 3 {
		exposition(t, s.Node, "?on=loadavg")
	}
	get(t, s.Node, "/metrics/node?on=[") // refused for what it asks, which node_exporter does not count
	parse(t, exposition(t, s.Node, "")).want(t, map[string]float64{
		requests + "200": 3, requests + "500": 0, requests + "503": 0, "promhttp_metric_handler_requests_in_flight": 1,
		"promhttp_metric_handler_errors_total|cause=encoding": 0,
	})
	v := s.views[1]
	var taken []*worker
	for range maxScrapes {
		w, err := v.take()
		if err != nil {
			t.Fatal(err)
		}
		taken = append(taken, w)
	}
	if code := get(t, s.Node, "/metrics/node").Code; code != http.StatusServiceUnavailable {
		t.Errorf("status %d of one too many", code)
	}
	for _, w := range taken {
		v.give(w)
	}
	parse(t, exposition(t, s.Node, "")).want(t, map[string]float64{requests + "200": 4, requests + "503": 1})
}

func TestStartOf(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	host := write("host", "cpu 1 2\nbtime 1000\nprocesses 7\n")
	const process = "7 (a) b) S 1 7 7 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 250 0 0"
	for content, want := range map[string]float64{process: 1002.5, "": 0, "7 (a) S 1": 0, strings.Replace(process, "250", "x", 1): 0} {
		if got := startOf(write("process", content), host); got != want {
			t.Errorf("%q: %v, want %v", content, got, want)
		}
	}
	if got := startOf(write("process", process), write("none", "cpu 1\n")); got != 0 {
		t.Errorf("without the time of the boot: %v", got)
	}
	if got := startOf(dir+"/nothing", host); got != 0 {
		t.Errorf("without a process: %v", got)
	}
}

// A host whose figures are of files, and a process of this one: what they are of is
// told apart.
func TestOwnSelected(t *testing.T) {
	s := newServer(t, hoststat.Options{})
	for query, want := range map[string]bool{"": true, "?on=agent": true, "?on=loadavg": false, "?off=agent": false} {
		if got := strings.Contains(exposition(t, s.Node, query), "\ngo_goroutines "); got != want {
			t.Errorf("%q: %v, want %v", query, got, want)
		}
	}
	if strings.Contains(exposition(t, s.Native, ""), "promhttp_") {
		t.Error("weir's names have some of node_exporter's among them")
	}
}
