// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/weir-io/weir/internal/hoststat"
)

// files are those of a fixture by path below its directory, which has proc, sys and
// root. A text that begins with "-> " makes a link.
type files map[string]string

// write makes the fixture and returns the options of an engine for it.
func (f files) write(t testing.TB) hoststat.Options {
	t.Helper()
	dir := t.TempDir()
	for _, root := range []string{"proc", "sys", "root"} {
		if err := os.Mkdir(filepath.Join(dir, root), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for path, content := range f {
		path = filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if target, ok := strings.CutPrefix(content, "-> "); ok {
			if err := os.Symlink(target, path); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return hoststat.Options{
		ProcRoot: filepath.Join(dir, "proc"), SysRoot: filepath.Join(dir, "sys"), Root: filepath.Join(dir, "root"), MinInterval: -1,
	}
}

// newServer returns a server on an engine of its own.
func newServer(t testing.TB, o hoststat.Options) *Server {
	t.Helper()
	e, err := hoststat.New(o)
	if err != nil {
		t.Fatal(err)
	}
	s := New(Options{Engine: e, Root: o.Root})
	t.Cleanup(func() {
		s.Close()
		e.Close()
	})
	return s
}

// get asks a view and returns the answer.
func get(t testing.TB, h http.Handler, path string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// exposition asks a view for its text.
func exposition(t testing.TB, h http.Handler, query string) string {
	t.Helper()
	w := get(t, h, "/metrics"+query)
	if w.Code != http.StatusOK {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	return w.Body.String()
}

// scraped are samples by name and labels, and types by name.
type scraped struct {
	samples map[string]float64
	types   map[string]string
}

// parse reads an exposition with Prometheus' own parser.
func parse(t testing.TB, exposition string) scraped {
	t.Helper()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(exposition))
	if err != nil {
		t.Fatalf("not an exposition: %v", err)
	}
	s := scraped{map[string]float64{}, map[string]string{}}
	for name, f := range families {
		s.types[name] = f.GetType().String()
		for _, m := range f.GetMetric() {
			if m.TimestampMs != nil {
				t.Errorf("%s has a time stamp", name)
			}
			key := seriesOf(name, m)
			if _, twice := s.samples[key]; twice {
				t.Errorf("%s comes twice", key)
			}
			if sum := m.GetSummary(); sum != nil {
				for _, q := range sum.GetQuantile() {
					s.samples[fmt.Sprintf("%s|quantile=%v", key, q.GetQuantile())] = q.GetValue()
				}
				s.samples[name+"_count"], s.samples[name+"_sum"] = float64(sum.GetSampleCount()), sum.GetSampleSum()
				continue
			}
			s.samples[key] = m.GetGauge().GetValue() + m.GetCounter().GetValue() + m.GetUntyped().GetValue()
		}
	}
	return s
}

// seriesOf writes a name with its labels in their order.
func seriesOf(name string, m *dto.Metric) string {
	labels := map[string]string{}
	for _, l := range m.GetLabel() {
		labels[l.GetName()] = l.GetValue()
	}
	var b strings.Builder
	b.WriteString(name)
	for _, l := range slices.Sorted(maps.Keys(labels)) {
		b.WriteString("|" + l + "=" + labels[l])
	}
	return b.String()
}

// want compares samples; a value of absent wants none.
func (s scraped) want(t testing.TB, wanted map[string]float64) {
	t.Helper()
	for series, v := range wanted {
		got, ok := s.samples[series]
		switch {
		case v == none && ok:
			t.Errorf("%s = %v, want none", series, got)
		case v != none && !ok:
			t.Errorf("%s is missing, want %v", series, v)
		case v != none && !near(got, v):
			t.Errorf("%s = %v, want %v", series, got, v)
		}
	}
}

// none is the value of a sample that must not be there.
const none = -98765.4321

func near(a, b float64) bool {
	d := a - b
	return d == 0 || max(d, -d) <= 1e-9*max(a, -a, b, -b)
}
