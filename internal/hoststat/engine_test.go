// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package hoststat

import (
	"testing"

	"github.com/weir-io/weir/xmlsysd"
)

func all(xmlsysd.NodeID) bool { return true }

// classes wants the leaves of classes up to one, and what is above such.
func classes(m *xmlsysd.Model, most xmlsysd.Class) func(xmlsysd.NodeID) bool {
	wanted := make([]bool, m.Len())
	for id := range wanted {
		n := m.Node(xmlsysd.NodeID(id))
		if !n.Leaf && !n.Names || n.Class > most {
			continue
		}
		for at := xmlsysd.NodeID(id); ; at = m.Node(at).Parent {
			if wanted[at] = true; at == xmlsysd.Root {
				break
			}
		}
	}
	return func(id xmlsysd.NodeID) bool { return int(id) < len(wanted) && wanted[id] }
}

func newEngine(t testing.TB, o Options) *Engine {
	t.Helper()
	e, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return e
}

func newSession(t testing.TB, e *Engine) *Session {
	t.Helper()
	s := e.NewSession()
	t.Cleanup(s.Close)
	return s
}

func TestSampleOfThisHost(t *testing.T) {
	e := newEngine(t, Options{Expose: Expose{true, true, true, true}})
	s := newSession(t, e)
	samples := s.Sample(t.Context(), all, nil)
	defer samples.Release()
	last := xmlsysd.Root
	for _, p := range samples.Parts() {
		if p.Node <= last {
			t.Errorf("%s is not in the order of a message", e.Model().Node(p.Node).Path)
		}
		last = p.Node
		for _, line := range flat(t, e.Model(), p.Tape) {
			t.Log(line)
		}
	}
}

func BenchmarkSample(b *testing.B) {
	for _, set := range []struct {
		name string
		most xmlsysd.Class
	}{{"2002", xmlsysd.Legacy}, {"default", xmlsysd.Cheap}, {"all", xmlsysd.Costly}} {
		b.Run(set.name, func(b *testing.B) {
			e := newEngine(b, Options{MinInterval: -1})
			s := newSession(b, e)
			wants := classes(e.Model(), set.most)
			b.ReportAllocs()
			for b.Loop() {
				s.Sample(b.Context(), wants, nil).Release()
			}
		})
	}
}
