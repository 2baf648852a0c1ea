// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/weir-io/weir/internal/hoststat"
	"github.com/weir-io/weir/xmlsysd"
)

func TestNegotiate(t *testing.T) {
	for _, c := range []struct {
		accept []string
		want   format
	}{
		{nil, text},
		{[]string{"*/*"}, text},
		{[]string{"text/plain"}, text},
		{[]string{"application/openmetrics-text"}, openMetrics},
		{[]string{"application/openmetrics-text; version=1.0.0; charset=utf-8"}, openMetrics},
		{[]string{"application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"}, openMetrics},
		{[]string{"text/plain;q=0.9", "application/openmetrics-text;version=0.0.1;q=0.8"}, text},
		{[]string{"application/openmetrics-text;q=0.5,*/*;q=0.9"}, text},
		{[]string{"application/openmetrics-text;version=2.0.0,*/*;q=0.1"}, text},
		{[]string{"application/openmetrics-text;q=0"}, text},
		{[]string{"application/openmetrics-text;q=NaN"}, text},
		{[]string{"Application/OpenMetrics-Text ; Version=\"1.0.0\""}, openMetrics},
		{[]string{";;=,,q=1"}, text},
	} {
		if got := negotiate(c.accept); got != c.want {
			t.Errorf("negotiate(%q) = %v, want %v", c.accept, got, c.want)
		}
	}
	for accept, want := range map[string]bool{
		"": false, "gzip": true, "deflate, GZIP;q=0.1": true, "gzip;q=0": false, "*": true, "gzip;q=0, *": false, "br": false, "gzip;q=x": false,
	} {
		if got := wantsGzip([]string{accept}); got != want {
			t.Errorf("wantsGzip(%q) = %v, want %v", accept, got, want)
		}
	}
}

func TestGzip(t *testing.T) {
	s := newServer(t, host().write(t))
	for range 2 { // the second time with what the first has left
		w := get(t, s.Native, "/metrics", "Accept-Encoding", "gzip")
		r, err := gzip.NewReader(w.Body)
		if err != nil || w.Header().Get("Content-Encoding") != "gzip" {
			t.Fatalf("%v, headers %v", err, w.Header())
		}
		b, err := io.ReadAll(r)
		if err != nil || !strings.Contains(string(b), "\nweir_load1 0.20\n") {
			t.Errorf("%v in %d bytes", err, len(b))
		}
	}
}

func TestHead(t *testing.T) {
	s := newServer(t, host().write(t))
	r := httptest.NewRequestWithContext(t.Context(), http.MethodHead, "/metrics", nil)
	w := httptest.NewRecorder()
	s.Native.ServeHTTP(w, r)
	if w.Code != http.StatusOK || w.Body.Len() > 0 || w.Header().Get("Content-Length") == "" {
		t.Errorf("%d with %d bytes, %v", w.Code, w.Body.Len(), w.Header())
	}
}

func TestSelection(t *testing.T) {
	s := newServer(t, host().write(t))
	query := func(pairs ...string) string {
		q := "?"
		for i := 0; i < len(pairs); i += 2 {
			q += "&" + pairs[i] + "=" + url.QueryEscape(pairs[i+1])
		}
		return strings.Replace(q, "?&", "?", 1)
	}
	const load, ctxt = "weir_load1", "weir_context_switches_total"
	const sda, dm = "weir_disk_io_now|device=sda", "weir_disk_io_now|device=dm-0"
	const rx, tx = "weir_network_receive_bytes_total|device=eth0", "weir_network_transmit_bytes_total|device=eth0"
	for _, c := range []struct {
		query   string
		yes, no []string
	}{
		{"", []string{load, ctxt, sda, rx}, nil},
		{query("on", "loadavg"), []string{load, "weir_section_up|section=proc/loadavg"}, []string{ctxt, sda, rx, "weir_section_up|section=proc/stat"}},
		{query("off", "loadavg"), []string{ctxt, sda, rx}, []string{load}},
		{query("on", "/proc/diskstats/disk[id=s*]"), []string{sda}, []string{dm, load}},
		{query("on", "diskstats", "off", "disk[id=dm*]"), []string{sda}, []string{dm, load}},
		{query("on", "proc/net/dev/interface/receive"), []string{rx}, []string{tx, load}},
		{query("on", `~^proc/(loadavg/load1$|stat/ctxt)`), []string{load, ctxt}, []string{"weir_load15", rx}},
		{query("off", "all", "on", "loadavg"), []string{load}, []string{ctxt}},
	} {
		got := parse(t, exposition(t, s.Native, c.query))
		for _, series := range c.yes {
			if _, ok := got.samples[series]; !ok {
				t.Errorf("%s: %s is missing", c.query, series)
			}
		}
		for _, series := range c.no {
			if _, ok := got.samples[series]; ok {
				t.Errorf("%s: %s is there", c.query, series)
			}
		}
	}
	for _, bad := range []string{
		query("on", "no/such"), query("on", ""), query("on", "~("), query("on", "raw:sys/vm/*"), "?x=1", "?on=%zz", "?on=" + strings.Repeat("a", 5000),
		"?" + strings.Repeat("on=loadavg[id=1]&", 200),
	} {
		if w := get(t, s.Native, "/metrics"+bad); w.Code != http.StatusBadRequest || w.Body.Len() == 0 {
			t.Errorf("%.40s: status %d", bad, w.Code)
		}
	}
	if w := get(t, s.Native, "/metrics"); w.Code != http.StatusOK {
		t.Errorf("status %d after refused ones", w.Code)
	}
}

func TestMethod(t *testing.T) {
	s := newServer(t, host().write(t))
	w := httptest.NewRecorder()
	s.Node.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/metrics/node", nil))
	if w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "GET, HEAD" {
		t.Errorf("%d, %v", w.Code, w.Header())
	}
}

// TestLimit holds as many scrapes as are allowed, and then one more.
func TestLimit(t *testing.T) {
	e, err := hoststat.New(host().write(t))
	if err != nil {
		t.Fatal(err)
	}
	arrived, leave := make(chan struct{}), make(chan struct{})
	s := New(Options{Engine: e, More: func(b []byte, _ bool) ([]byte, error) {
		arrived <- struct{}{}
		<-leave
		return append(b, "# more\n"...), nil
	}})
	var group sync.WaitGroup
	for range maxScrapes {
		group.Go(func() {
			if w := get(t, s.Native, "/metrics"); w.Code != http.StatusOK || !strings.HasPrefix(w.Body.String(), "# more\n# HELP") {
				t.Errorf("%d: %.40s", w.Code, w.Body)
			}
		})
		<-arrived
	}
	w := get(t, s.Native, "/metrics")
	if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
		t.Errorf("one too many: status %d, %v", w.Code, w.Header())
	}
	if w := get(t, s.Node, "/metrics/node"); w.Code != http.StatusOK {
		t.Errorf("the other view: status %d", w.Code)
	}
	close(leave)
	group.Wait()
	s.Close()
	e.Close()
	if w := get(t, s.Native, "/metrics"); w.Code != http.StatusServiceUnavailable {
		t.Errorf("closed: status %d", w.Code)
	}
}

// TestConcurrent has scrapes grow the plans at the same time.
func TestConcurrent(t *testing.T) {
	s := newServer(t, hoststat.Options{MinInterval: -1})
	var group sync.WaitGroup
	for i := range maxScrapes {
		group.Go(func() {
			for range 20 {
				h := []http.Handler{s.Native, s.Node}[i%2]
				if w := get(t, h, "/metrics"); w.Code != http.StatusOK || w.Body.Len() < 10000 {
					t.Errorf("%d with %d bytes", w.Code, w.Body.Len())
				}
			}
		})
	}
	group.Wait()
}

// TestHung gives a view tapes as the engine does when one section hangs that has an
// old sample, one has failed in parts, and one has nothing.
func TestHung(t *testing.T) {
	s := newServer(t, host().write(t))
	m := s.views[0].plan.model
	tape := func(leaves ...string) *xmlsysd.Tape {
		tp := new(xmlsysd.Tape)
		for i := 0; i < len(leaves); i += 2 {
			tp.Leaf(m.Must(leaves[i]), []byte(leaves[i+1]))
		}
		return tp
	}
	const at = "system/errors/error/"
	parts := []hoststat.Part{
		{Node: m.Must("system/errors"), Tape: tape(
			at+"path", "proc/loadavg", at+"code", "ETIMEDOUT", at+"path", "proc/stat", at+"code", "EPARSE",
			at+"path", "proc/diskstats", at+"code", "ETIMEDOUT", at+"path", "no/such", at+"code", "EIO")},
		{Node: m.Must("proc/stat"), Tape: tape("proc/stat/ctxt", "5")},
		{Node: m.Must("proc/loadavg"), Tape: tape("proc/loadavg/load1", "0.5")},
		{Node: m.Must("proc/uptime"), Tape: tape("proc/uptime/up", "12.25")},
	}
	w, err := s.views[0].take()
	if err != nil {
		t.Fatal(err)
	}
	defer s.views[0].give(w)
	got := parse(t, string(w.scrape.write(parts, text, nil)))
	got.want(t, map[string]float64{
		"weir_context_switches_total":               5,
		"weir_load1":                                none,
		"weir_uptime_seconds":                       12.25,
		"weir_section_up|section=proc/stat":         0,
		"weir_section_up|section=proc/loadavg":      0,
		"weir_section_up|section=proc/diskstats":    0,
		"weir_section_up|section=proc/uptime":       1,
		"weir_section_up|section=proc/net/sockstat": none,
	})
}

// TestAllocations bounds what a scrape allocates, without what a server of HTTP
// does.
func TestAllocations(t *testing.T) {
	for name, o := range map[string]hoststat.Options{"this host": {MinInterval: -1}, "fixture": host().write(t)} {
		s := newServer(t, o)
		for i, v := range s.views {
			w, err := v.take()
			if err != nil {
				t.Fatal(err)
			}
			var more []byte
			run := func() { more = w.scrape.run(t.Context(), text, nil, more[:0]) }
			run()
			got := testing.AllocsPerRun(50, run)
			t.Logf("%s, view %d: %v allocations, %d bytes", name, i, got, len(more))
			if got > 4 {
				t.Errorf("%s, view %d: %v allocations, want at most 4", name, i, got)
			}
			v.give(w)
		}
	}
}

// BenchmarkScrape is what a scrape costs without HTTP, the reading of the kernel
// included.
func BenchmarkScrape(b *testing.B) {
	s := newServer(b, hoststat.Options{MinInterval: -1})
	for i, name := range []string{"native", "node"} {
		b.Run(name, func(b *testing.B) {
			w, err := s.views[i].take()
			if err != nil {
				b.Fatal(err)
			}
			defer s.views[i].give(w)
			var more []byte
			b.ReportAllocs()
			for b.Loop() {
				more = w.scrape.run(b.Context(), text, nil, more[:0])
			}
			b.ReportMetric(float64(len(more)), "bytes")
		})
	}
}
