// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package xmlsysd

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/weir-io/weir/internal/peer"
)

// xmllint returns what xmllint says of a message under the schema.
func xmllint(t *testing.T, message []byte) (string, error) {
	t.Helper()
	_, body, _ := bytes.Cut(message, []byte("\n\n"))
	file := filepath.Join(t.TempDir(), "message.xml")
	if err := os.WriteFile(file, body, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), peer.Need(t, "xmllint"), "--noout", "--schema", "testdata/xmlsysd.xsd", file).CombinedOutput()
	return string(out), err
}

// fullTapes make a message of everything that the model has.
func fullTapes(m *Model) []*Tape {
	var tapes []*Tape
	var fill func(t *Tape, id NodeID)
	fill = func(t *Tape, id NodeID) {
		n := m.Node(id)
		var attrs [][]byte
		for i := range attrNames {
			if n.Attrs&(1<<i) != 0 {
				attrs = append(attrs, []byte("1"))
			}
		}
		var at Stamp
		if n.Attrs&AttrTime != 0 {
			at = Stamp{1016048061, 7}
		}
		if n.Leaf {
			text := "1"
			if n.Path == "system/time" {
				text = "2:34:21 pm"
			}
			t.LeafAt(id, at, []byte(text), attrs...)
			return
		}
		t.Open(id, at, attrs...)
		if n.Names {
			child, _ := m.Named(id, "Active(anon)", "bytes")
			fill(t, child)
		} else {
			for child := range m.Len() {
				if c := m.Node(NodeID(child)); c.Parent == id && child > 0 {
					fill(t, NodeID(child))
				}
			}
		}
		t.Close()
	}
	for id := range m.Len() {
		if n := m.Node(NodeID(id)); n.Section != "" || n.Path == "proc/file" {
			t := new(Tape)
			fill(t, NodeID(id))
			tapes = append(tapes, t)
		}
	}
	return tapes
}

// fullSelection selects everything that the model has.
func fullSelection(t *testing.T, m *Model) *Selection {
	t.Helper()
	s := NewSelection(m)
	for _, sel := range []string{
		"all", "cgroups", "sessions", "tasks", "triggers", "sockstates", "/proc/interrupts/irq/cpu", "/proc/softirqs/softirq/cpu",
		"/proc/net/dev/interface/speed", "/proc/net/dev/interface/broadcast", "/proc/net/dev/interface/ifalias",
		"/proc/net/dev/interface/duplex",
		"/proc/sys/kernel/poolsize", "/proc/net/nf_conntrack/found", "/proc/net/nf_conntrack/invalid", "/proc/net/nf_conntrack/ignore", "/proc/net/nf_conntrack/insert", "/proc/net/nf_conntrack/insert_failed", "/proc/net/nf_conntrack/drop", "/proc/net/nf_conntrack/early_drop", "/proc/net/nf_conntrack/search_restart",
		"/system/clock/status", "/system/clock/frequency", "/system/clock/constant", "/system/clock/tick", "/system/clock/tai", "/system/clock/pps_frequency", "/system/clock/pps_jitter", "/system/clock/pps_shift", "/system/clock/pps_stability", "/system/clock/jitters", "/system/clock/calibrations", "/system/clock/calibration_errors", "/system/clock/stability_excesses",
		"/proc/net/dev/interface/flags", "/proc/net/dev/interface/link", "/proc/net/dev/interface/link_mode", "/proc/net/dev/interface/group", "/proc/net/dev/interface/type", "/proc/net/dev/interface/queue_length", "/proc/net/dev/interface/carrier", "/proc/net/dev/interface/dormant", "/proc/net/dev/interface/carrier_up", "/proc/net/dev/interface/carrier_down",
		"/system/sensors/sensor/device", "raw:sys/vm/*",
	} {
		if err := s.Add(true, sel); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// The tree agrees with the schema: elements, their order, attributes and units.
func TestSchema(t *testing.T) {
	m := NewModel()
	_, body := sample(t)
	old, full, nothing := NewSelection(m), fullSelection(t, m), NewSelection(m)
	old.Init()
	tapes := fullTapes(m)
	for _, tt := range []struct {
		name  string
		sel   *Selection
		tapes []*Tape
	}{{"2002", old, tapesOf(t, m, body)}, {"all of the model", full, tapes}, {"init of the model", old, tapes}, {"nothing", nothing, tapes}} {
		e := NewEncoder(tt.sel)
		for _, e.Compact = range []bool{false, true} {
			for _, e.Init = range []bool{false, true} {
				if out, err := xmllint(t, encode(e, tt.tapes)); err != nil {
					t.Errorf("%s: %v: %s", tt.name, err, out)
				}
			}
		}
	}
	// The schema is one that messages can fail.
	e := NewEncoder(full)
	if out, err := xmllint(t, encode(e, append(tapes[:1:1], tapes[:1]...))); err == nil {
		t.Errorf("a section twice is valid: %s", out)
	}
}

// A full message has each leaf of the model.
func TestFullMessage(t *testing.T) {
	m := NewModel()
	tapes := fullTapes(m)
	message := encode(NewEncoder(fullSelection(t, m)), tapes)
	_, body, _ := bytes.Cut(message, []byte("\n\n"))
	d, err := ParseDocument(body)
	if err != nil {
		t.Fatal(err)
	}
	for id := range m.Len() {
		n := m.Node(NodeID(id))
		if n.Names || id == 0 {
			continue
		}
		if _, err := d.Find(n.Path); err != nil {
			t.Error(err)
		}
	}
}
