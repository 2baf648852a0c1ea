// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package xmlsysd

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// bodyOf writes tapes as the body of a message with all that is on them.
func bodyOf(t testing.TB, m *Model, tapes []*Tape) []byte {
	t.Helper()
	s := NewSelection(m)
	for _, selector := range []string{
		"all", "system/cgroups", "system/sessions", "proc/tasks", "triggers", "sockstates", "/proc/interrupts/irq/cpu", "/proc/softirqs/softirq/cpu", "/proc/net/dev/interface/speed",
		"/proc/net/dev/interface/broadcast", "/proc/net/dev/interface/ifalias", "/proc/net/dev/interface/duplex",
		"/proc/sys/kernel/poolsize", "/proc/net/nf_conntrack/found", "/proc/net/nf_conntrack/invalid", "/proc/net/nf_conntrack/ignore", "/proc/net/nf_conntrack/insert", "/proc/net/nf_conntrack/insert_failed", "/proc/net/nf_conntrack/drop", "/proc/net/nf_conntrack/early_drop", "/proc/net/nf_conntrack/search_restart",
		"/system/clock/status", "/system/clock/frequency", "/system/clock/constant", "/system/clock/tick", "/system/clock/tai", "/system/clock/pps_frequency", "/system/clock/pps_jitter", "/system/clock/pps_shift", "/system/clock/pps_stability", "/system/clock/jitters", "/system/clock/calibrations", "/system/clock/calibration_errors", "/system/clock/stability_excesses",
		"/proc/net/dev/interface/flags", "/proc/net/dev/interface/link", "/proc/net/dev/interface/link_mode", "/proc/net/dev/interface/group", "/proc/net/dev/interface/type", "/proc/net/dev/interface/queue_length", "/proc/net/dev/interface/carrier", "/proc/net/dev/interface/dormant", "/proc/net/dev/interface/carrier_up", "/proc/net/dev/interface/carrier_down",
		"/system/sensors/sensor/device",
	} {
		if err := s.Add(true, selector); err != nil {
			t.Fatal(err)
		}
	}
	_, body, _ := bytes.Cut(encode(NewEncoder(s), tapes), []byte("\n\n"))
	return bytes.Clone(body)
}

// What is on tapes is on them again after it was written and read.
func TestTapesRoundTrip(t *testing.T) {
	m := NewModel()
	var sections []NodeID
	for id := range m.Len() {
		if n := m.Node(NodeID(id)); n.Section != "" {
			sections = append(sections, NodeID(id))
		}
	}
	read := NewTapes(NewModel())
	rapid.Check(t, func(rt *rapid.T) {
		var tapes []*Tape
		first := rapid.IntRange(0, len(sections)-1).Draw(rt, "section")
		for _, id := range sections[first:min(len(sections), first+3)] {
			tapes = append(tapes, drawTape(rt, m, id))
		}
		body := bodyOf(t, m, tapes)
		if err := read.Read(body); err != nil {
			rt.Fatalf("%v in %s", err, body)
		}
		var again []*Tape
		for _, s := range read.Sections() {
			again = append(again, s.Tape)
		}
		if diff := cmp.Diff(string(body), string(bodyOf(t, read.model, again))); diff != "" {
			rt.Fatalf("(-written +written again):\n%s", diff)
		}
	})
}

// The message of 2002 has the tapes that another parser makes of it.
func TestTapesOfTheSample(t *testing.T) {
	_, body := sample(t)
	m := NewModel()
	r := NewTapes(m)
	if err := r.Read(body); err != nil {
		t.Fatal(err)
	}
	want := tapesOf(t, m, body)
	if len(r.Sections()) != len(want) {
		t.Fatalf("%d sections, want %d", len(r.Sections()), len(want))
	}
	for i, s := range r.Sections() {
		if diff := cmp.Diff(flatten(m, want[i:i+1]), flatten(m, []*Tape{s.Tape})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", m.Node(s.Node).Path, diff)
		}
	}
}

// What the model does not know is left out, wherever it is.
func TestTapesLeaveOut(t *testing.T) {
	m := NewModel()
	r := NewTapes(m)
	const body = `<xmlsysd><x><stat><ctxt>1</ctxt></stat></x><proc><y/><stat new="1" tv_sec="5" tv_usec="7"><z><ctxt>2</ctxt></z><ctxt>3<q>4</q></ctxt>` +
		`<intr at="1">8</intr></stat><vmstat tv_sec="x"><nr_a>5</nr_a><b-c units="k">6</b-c><nr_a>9</nr_a></vmstat><version>v</version><z/></proc></xmlsysd>`
	for range 2 { // the second time with what was learned
		if err := r.Read([]byte(body)); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, s := range r.Sections() {
			got = append(got, flatten(m, []*Tape{s.Tape})...)
		}
		want := []string{
			`proc/stat tv_sec="5" tv_usec="7" proc/stat/ctxt: ""`, `proc/stat tv_sec="5" tv_usec="7" proc/stat/intr: "8"`,
			`proc/vmstat proc/vmstat/nr_a: "5"`, `proc/vmstat proc/vmstat/b_c units="k": "6"`, `proc/vmstat proc/vmstat/nr_a: "9"`, ` proc/version: "v"`,
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}

// A host that names more than a kernel does adds no nodes without end.
func TestTapesBoundNames(t *testing.T) {
	m := NewModel()
	r := NewTapes(m)
	for round := range 4 {
		var b strings.Builder
		b.WriteString("<xmlsysd><proc><vmstat>")
		for i := range 4000 {
			fmt.Fprintf(&b, "<n%d_%d>1</n%d_%d>", round, i, round, i)
		}
		b.WriteString("</vmstat></proc></xmlsysd>")
		if err := r.Read([]byte(b.String())); err != nil {
			t.Fatal(err)
		}
	}
	if n := m.Len(); n > maxNamed+1000 {
		t.Errorf("%d nodes", n)
	}
}

func TestTapesRefuse(t *testing.T) {
	r := NewTapes(NewModel())
	for _, body := range []string{"", "<xmlsysd>", "<other/>", "<!DOCTYPE x><xmlsysd/>", "<xmlsysd></proc></xmlsysd>", "<xmlsysd>&x;</xmlsysd>"} {
		if err := r.Read([]byte(body)); !errors.As(err, new(*ProtocolError)) || len(r.Sections()) > 0 {
			t.Errorf("%q: %v, %d sections", body, err, len(r.Sections()))
		}
	}
}

func TestTapesCut(t *testing.T) {
	_, body := sample(t)
	r := NewTapes(NewModel())
	for n := range len(body) - 1 { // without the last line feed it is whole
		if err := r.Read(body[:n]); err == nil {
			t.Fatalf("%d of %d bytes: no error", n, len(body))
		}
	}
}

func FuzzTapes(f *testing.F) {
	_, body := sample(f)
	f.Add(body)
	f.Add([]byte(`<xmlsysd><proc><file path="/proc/x"><line id="0"><field id="1">a</field></line></file><vmstat><a>1</a></vmstat></proc></xmlsysd>`))
	f.Fuzz(func(t *testing.T, body []byte) {
		m := NewModel()
		r := NewTapes(m)
		if r.Read(body) != nil {
			return
		}
		for _, s := range r.Sections() {
			depth := 0
			for i := range s.Tape.Entries() {
				switch s.Tape.Entries()[i].Kind {
				case OpenElement:
					depth++
				case CloseElement:
					depth--
				}
				if depth < 0 {
					t.Fatal("an element ends that has not begun")
				}
			}
			if depth != 0 {
				t.Fatalf("%s: %d elements are open at the end", m.Node(s.Node).Path, depth)
			}
		}
	})
}
