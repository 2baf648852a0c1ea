// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"bytes"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/weir-io/weir/internal/hoststat"
	"github.com/weir-io/weir/internal/hoststat/collect"
	"github.com/weir-io/weir/xmlsysd"
)

// messageOf returns the body of a message that a daemon sends who asks for what is
// shown.
func messageOf(t testing.TB, e *hoststat.Engine) []byte {
	t.Helper()
	sel := xmlsysd.NewSelection(e.Model())
	for _, selector := range Selectors() {
		if err := sel.Add(true, selector); err != nil {
			t.Fatal(err)
		}
	}
	s := e.NewSession()
	defer s.Close()
	samples := s.Sample(t.Context(), sel.Wants, nil)
	defer samples.Release()
	enc := xmlsysd.NewEncoder(sel)
	enc.Compact = true
	enc.Begin()
	for _, p := range samples.Parts() {
		enc.Add(p.Tape)
	}
	_, body, _ := bytes.Cut(enc.Finish(), []byte("\n\n"))
	return bytes.Clone(body)
}

// fleetServer shows the host of a fixture, and others by their messages.
func fleetServer(t testing.TB, e *hoststat.Engine, root string, messages map[string][]byte) *Server {
	t.Helper()
	s := New(Options{Engine: e, Root: root, Fleet: func(yield func(string, []byte) bool) {
		for _, name := range slices.Sorted(maps.Keys(messages)) {
			if !yield(name, messages[name]) {
				return
			}
		}
	}})
	t.Cleanup(s.Close)
	return s
}

// Another host's samples are those that it would show itself, with its name, in the
// same families.
func TestFleet(t *testing.T) {
	o := devices().write(t)
	e := newTestEngine(t, o)
	body := messageOf(t, e)
	s := fleetServer(t, e, o.Root, map[string][]byte{`a"1`: body, "b": body, "liar": []byte("<xmlsysd><proc>")})
	for name, view := range map[string]http.Handler{"native": s.Native, "node": s.Node} {
		text := exposition(t, view, "")
		got := parse(t, text) // which refuses a family that is there twice
		own, others := 0, 0
		for series, v := range got.samples {
			name, labels, _ := strings.Cut(series, "|")
			if strings.Contains(series, "|host=") {
				others++
				continue
			}
			switch {
			case strings.HasPrefix(name, "node_os_"), strings.HasSuffix(name, "_disk_info"), strings.HasPrefix(name, "node_uname"), strings.HasPrefix(name, "node_time_zone"): // of files that no section has
			case strings.HasPrefix(name, "node_arp"), strings.HasPrefix(name, "node_selinux"), strings.HasPrefix(name, "node_textfile"), isOwn(series): // likewise
			case slices.ContainsFunc(slices.Concat(ofExporter, deviceNames), func(p string) bool { return strings.HasPrefix(name, p) && !isInMessages(name) }): // likewise
			case slices.ContainsFunc(slices.Concat(liveCollectors[:], collect.Names()), func(c string) bool { return labels == "collector="+c }):
			case strings.Contains(labels, "filesystem"): // there are none, so a message has none
			case strings.Contains(name, "time_seconds"), strings.Contains(name, "duration_seconds"), strings.Contains(name, "_timex_"), strings.Contains(name, "clock"):
			default:
				own++
				for _, host := range []string{`a"1`, "b"} {
					parts := append(strings.Split(labels, "|"), "host="+host)
					if labels == "" {
						parts = parts[1:]
					}
					slices.Sort(parts)
					got.want(t, map[string]float64{name + "|" + strings.Join(parts, "|"): v})
				}
			}
		}
		if own < 100 || others < 2*own || strings.Contains(text, "liar") {
			t.Errorf("%s: %d series of this host, %d of two others", name, own, others)
		}
	}
}

// What another host names differently comes in families of its own, and a selection
// holds for all hosts.
func TestFleetSelection(t *testing.T) {
	o := host().write(t)
	e, err := hoststat.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	const body = `<xmlsysd><system><host tv_sec="5" tv_usec="7"><page_size units="bytes">65536</page_size></host><clock tv_sec="6" tv_usec="500000"><synchronized>1</synchronized></clock></system>` +
		`<proc><meminfo tv_sec="5" tv_usec="7"><detail><Odd units="bytes">5</Odd></detail></meminfo><net><sockstat tv_sec="5" tv_usec="7"><tcp><mem>2</mem></tcp></sockstat></net>` +
		`<loadavg tv_sec="5" tv_usec="7"><load1>3.5</load1></loadavg></proc></xmlsysd>`
	s := fleetServer(t, e, o.Root, map[string][]byte{"arm": []byte(body)})
	parse(t, exposition(t, s.Node, "")).want(t, map[string]float64{
		"node_memory_Odd_bytes|host=arm": 5, "node_memory_Odd_bytes": none, "node_sockstat_TCP_mem_bytes|host=arm": 131072,
		"node_load1|host=arm": 3.5, "node_load1": .2, "node_time_seconds|host=arm": 5.000007,
	})
	parse(t, exposition(t, s.Node, "?on=loadavg")).want(t, map[string]float64{
		"node_memory_Odd_bytes|host=arm": none, "node_load1|host=arm": 3.5, "node_load1": .2,
	})
}

// Two thousand hosts are shown, and their buffers not kept.
func TestFleetOfMany(t *testing.T) {
	o := host().write(t)
	e, err := hoststat.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	body := messageOf(t, e)
	s := New(Options{Engine: e, Root: o.Root, Fleet: func(yield func(string, []byte) bool) {
		for i := range 2000 {
			if !yield("n"+string(rune('0'+i%10))+strings.Repeat("x", i/10), body) {
				return
			}
		}
	}})
	t.Cleanup(s.Close)
	text := exposition(t, s.Node, "?on=loadavg&on=stat&on=dev&on=diskstats")
	if n := strings.Count(text, "\nnode_load1{host="); n != 2000 {
		t.Errorf("%d hosts, want 2000", n)
	}
	if w := s.views[1].free[0]; len(text) < maxKept || cap(w.more)+cap(w.fleet.scrape.bufs[0]) > maxKept {
		t.Errorf("%d bytes shown, %d kept", len(text), cap(w.more))
	}
}
