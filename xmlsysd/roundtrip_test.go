// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package xmlsysd

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// drawTape fills a tape with a section: any of its elements and texts, in the
// order of the model, elements of lists several times.
func drawTape(rt *rapid.T, m *Model, section NodeID) *Tape {
	t := new(Tape)
	ids := 0
	attrs := func(n *Node) (at Stamp, all [][]byte) {
		for i := range attrNames {
			if n.Attrs&(1<<i) != 0 {
				ids++
				all = append(all, []byte(fmt.Sprint(ids)+rapid.String().Draw(rt, "attribute")))
			}
		}
		if n.Attrs&AttrTime != 0 {
			at = Stamp{rapid.Int64Range(1, 1<<40).Draw(rt, "s"), rapid.Int32Range(0, 999999).Draw(rt, "us")}
		}
		return at, all
	}
	var draw func(id NodeID)
	draw = func(id NodeID) {
		n := m.Node(id)
		at, values := attrs(n)
		if n.Leaf {
			t.LeafAt(id, at, rapid.SliceOf(rapid.Byte()).Draw(rt, "text"), values...)
			return
		}
		t.Open(id, at, values...)
		if n.Names {
			for _, key := range []string{"MemFree", "Active(anon)", "1G"} {
				if child, ok := m.Named(id, key, ""); ok && rapid.Bool().Draw(rt, key) {
					draw(child)
				}
			}
		}
		for child := range m.Len() {
			c := m.Node(NodeID(child))
			if c.Parent != id || child == 0 || n.Names {
				continue
			}
			most := 1
			if c.Attrs&AttrID != 0 {
				most = 3
			}
			for range rapid.IntRange(0, most).Draw(rt, c.Tag) {
				draw(NodeID(child))
			}
		}
		t.Close()
	}
	draw(section)
	return t
}

// flatten returns the leaves of tapes as a document has them: the way to each
// with attributes, and its text.
func flatten(m *Model, tapes []*Tape) []string {
	var all []string
	for _, t := range tapes {
		var way []string
		for i := range t.Entries() {
			e := &t.Entries()[i]
			if e.Kind == CloseElement {
				way = way[:len(way)-1]
				continue
			}
			n := m.Node(e.Node)
			step := n.Path
			place := 0
			for bit, name := range attrNames {
				if n.Attrs&(1<<bit) != 0 {
					step += fmt.Sprintf(" %s=%q", name, legal(t.Attr(e, place)))
					place++
				}
			}
			if e.Time != (Stamp{}) {
				step += fmt.Sprintf(" tv_sec=%q tv_usec=%q", fmt.Sprint(e.Time.Sec), fmt.Sprint(e.Time.Usec))
			}
			if n.Unit != "" {
				step += fmt.Sprintf(" units=%q", n.Unit)
			}
			if e.Kind == OpenElement {
				way = append(way, step)
				continue
			}
			all = append(all, fmt.Sprintf("%s %s: %q", strings.Join(way, " "), step, legal(t.Text(e.Text))))
		}
	}
	return all
}

// legal is what a document can have of a text, worked out slowly.
func legal(b []byte) string {
	var out strings.Builder
	for _, r := range string(b) {
		if r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0xFFFE || r == 0xFFFF {
			r = '\uFFFD'
		}
		out.WriteRune(r)
	}
	return out.String()
}

// leavesOf returns the leaves of a document as flatten does.
func leavesOf(e Element, path, way string) []string {
	var all []string
	for c := range e.Children() {
		step, below := "", strings.TrimPrefix(path+"/"+c.Name(), "/")
		if !strings.Contains(" system proc proc/net ", " "+below+" ") {
			step = below
		}
		for _, a := range c.Attrs() {
			step += fmt.Sprintf(" %s=%q", a.Name, a.Value)
		}
		leaf := true
		for range c.Children() {
			leaf = false
		}
		if leaf {
			text, _ := c.Text("")
			all = append(all, fmt.Sprintf("%s %s: %q", way, step, text))
			continue
		}
		all = append(all, leavesOf(c, below, strings.TrimPrefix(way+" "+step, " "))...)
	}
	return all
}

// Whatever is on tapes comes out of the document again, with and without white
// space, in the frame and encoding of the wire.
func TestRoundTrip(t *testing.T) {
	m := NewModel()
	var sections []NodeID
	s := NewSelection(m)
	if err := s.Add(true, "all"); err != nil {
		t.Fatal(err)
	}
	for id := range m.Len() {
		if n := m.Node(NodeID(id)); n.Section != "" {
			sections = append(sections, NodeID(id))
			if err := s.Add(true, n.Section); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, sel := range []string{
		"/proc/interrupts/irq/cpu", "/proc/softirqs/softirq/cpu", "/proc/net/dev/interface/speed",
		"/proc/net/dev/interface/broadcast", "/proc/net/dev/interface/ifalias", "/proc/net/dev/interface/duplex",
		"/proc/sys/kernel/poolsize", "/proc/net/nf_conntrack/found", "/proc/net/nf_conntrack/invalid", "/proc/net/nf_conntrack/ignore", "/proc/net/nf_conntrack/insert", "/proc/net/nf_conntrack/insert_failed", "/proc/net/nf_conntrack/drop", "/proc/net/nf_conntrack/early_drop", "/proc/net/nf_conntrack/search_restart",
		"/system/clock/status", "/system/clock/frequency", "/system/clock/constant", "/system/clock/tick", "/system/clock/tai", "/system/clock/pps_frequency", "/system/clock/pps_jitter", "/system/clock/pps_shift", "/system/clock/pps_stability", "/system/clock/jitters", "/system/clock/calibrations", "/system/clock/calibration_errors", "/system/clock/stability_excesses",
		"/proc/net/dev/interface/flags", "/proc/net/dev/interface/link", "/proc/net/dev/interface/link_mode", "/proc/net/dev/interface/group", "/proc/net/dev/interface/type", "/proc/net/dev/interface/queue_length", "/proc/net/dev/interface/carrier", "/proc/net/dev/interface/dormant", "/proc/net/dev/interface/carrier_up", "/proc/net/dev/interface/carrier_down",
		"/system/sensors/sensor/device",
	} {
		if err := s.Add(true, sel); err != nil {
			t.Fatal(err)
		}
	}
	e := NewEncoder(s)
	rapid.Check(t, func(rt *rapid.T) {
		var tapes []*Tape
		first := rapid.IntRange(0, len(sections)-1).Draw(rt, "section")
		for _, id := range sections[first:min(len(sections), first+3)] {
			tapes = append(tapes, drawTape(rt, m, id))
		}
		e.Compact = rapid.Bool().Draw(rt, "compact")
		e.Encoding = Encoding(rapid.IntRange(0, int(Zstd)).Draw(rt, "encoding"))
		body, err := NewReader(bytes.NewReader(encode(e, tapes)), 0).Next()
		if err != nil {
			rt.Fatal(err)
		}
		d, err := ParseDocument(body)
		if err != nil {
			rt.Fatalf("%v in %s", err, body)
		}
		want, got := flatten(m, tapes), leavesOf(d.Root(), "", "")
		for i := range want {
			want[i] = strings.TrimPrefix(want[i], " ")
		}
		for i := range got {
			got[i] = strings.TrimPrefix(got[i], " ")
		}
		if diff := cmp.Diff(want, got); diff != "" {
			rt.Fatalf("(-tape +document):\n%s\n%s", diff, body)
		}
	})
}
