// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package xmlsysd

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The message of 2002 comes out as its daemon wrote it, to the byte.
func TestEncodeSample(t *testing.T) {
	message, body := sample(t)
	m := NewModel()
	tapes := tapesOf(t, m, body)
	s := NewSelection(m)
	s.Init()
	e := NewEncoder(s)
	for range 2 { // the second time into used buffers
		if diff := cmp.Diff(string(message), string(encode(e, tapes))); diff != "" {
			t.Fatalf("message of 2002 (-want +got):\n%s", diff)
		}
	}
}

func TestEncodeForms(t *testing.T) {
	m := NewModel()
	tapes := tapesOf(t, m, []byte(`<xmlsysd><system><identity><hostname>h</hostname><hostip>127.0.0.1</hostip></identity></system>`+
		`<proc><stat tv_sec="5" tv_usec="7"><ctxt>1</ctxt></stat><net><dev tv_sec="1" tv_usec="0"><interface id="0" devtype="a&quot;&#9;" devid="1">`+
		`<name>a&lt;&amp;&gt;&quot;&#13;</name></interface></dev></net><version>6.18</version></proc></xmlsysd>`))
	for _, tt := range []struct {
		name          string
		on            string
		init, compact bool
		want          string
	}{
		{"nothing", "", true, false, "<xmlsysd init=\"1\">\n</xmlsysd>\n"},
		{"nothing compact", "", false, true, "<xmlsysd></xmlsysd>\n"},
		{
			"what a scanner asks for", "identity version", true, false, "<xmlsysd init=\"1\">\n  <system>\n    <identity>\n" +
				"      <hostname>h</hostname>\n      <hostip>127.0.0.1</hostip>\n    </identity>\n  </system>\n" +
				"  <proc>\n    <version>6.18</version>\n  </proc>\n</xmlsysd>\n",
		},
		{
			"compact", "stat dev", false, true, `<xmlsysd><proc><stat tv_sec="5" tv_usec="7"><ctxt>1</ctxt></stat><net>` +
				`<dev tv_sec="1" tv_usec="0"><interface id="0" devtype="a&quot;&#9;" devid="1"><name>a&lt;&amp;&gt;"&#13;</name></interface></dev></net></proc></xmlsysd>` + "\n",
		},
		{"no element without a leaf", "/proc/stat/page /proc/net/dev/interface[id=1]", false, true, "<xmlsysd></xmlsysd>\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := NewSelection(m)
			for _, sel := range strings.Fields(tt.on) {
				if err := s.Add(true, sel); err != nil {
					t.Fatal(err)
				}
			}
			e := NewEncoder(s)
			e.Init, e.Compact = tt.init, tt.compact
			want := fmt.Sprintf("Content-Length: %d\n\n%s%s", len(declaration+tt.want), declaration, tt.want)
			if diff := cmp.Diff(want, string(encode(e, tapes))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestEncoderCut(t *testing.T) {
	_, body := sample(t)
	m := NewModel()
	tapes := tapesOf(t, m, body)
	s := NewSelection(m)
	s.Init()
	e := NewEncoder(s)
	for n := range tapes {
		want := string(encode(e, tapes[:n]))
		e.Begin()
		for _, tape := range tapes[:n] {
			e.Add(tape)
		}
		mark := e.Mark()
		for _, tape := range tapes[n:] {
			e.Add(tape)
		}
		e.Cut(mark)
		if got := string(e.Finish()); got != want {
			t.Errorf("cut behind %d tapes: %s, want %s", n, got, want)
		}
	}
}

func TestEncodeAllocations(t *testing.T) {
	_, body := sample(t)
	m := NewModel()
	tapes := tapesOf(t, m, body)
	for _, tt := range []struct {
		name string
		on   []string
		enc  Encoding
	}{
		{"2002", []string{"legacy"}, Plain},
		{"predicates", []string{"legacy", "interface[devtype=l*]", "cpu[id=[0-9]]", "interface[id=[!7]]"}, Plain},
		{"gzip", []string{"legacy"}, Gzip},
		{"zstd", []string{"legacy"}, Zstd},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := NewSelection(m)
			for _, sel := range tt.on {
				if err := s.Add(true, sel); err != nil {
					t.Fatal(err)
				}
			}
			e := NewEncoder(s)
			e.Encoding = tt.enc
			encode(e, tapes)
			if n := testing.AllocsPerRun(100, func() { encode(e, tapes) }); n != 0 {
				t.Errorf("%v allocations for a message, want 0", n)
			}
		})
	}
}

func TestEscape(t *testing.T) {
	for _, tt := range []struct{ in, text, attr string }{
		{"", "", ""},
		{"plain", "plain", "plain"},
		{"a)\n<\x01&\xff S 1", "a)\n&lt;\uFFFD&amp;\uFFFD S 1", "a)&#10;&lt;\uFFFD&amp;\uFFFD S 1"},
		{"\r\t\"'>", "&#13;\t\"'&gt;", "&#13;&#9;&quot;'&gt;"},
		{"é\uFFFD\U0001F600\x7f", "é\uFFFD\U0001F600\x7f", "é\uFFFD\U0001F600\x7f"},
		{"\uFFFE\uFFFF\x00", "\uFFFD\uFFFD\uFFFD", "\uFFFD\uFFFD\uFFFD"},
		{"\xed\xa0\x80\xc3", "\uFFFD\uFFFD\uFFFD\uFFFD", "\uFFFD\uFFFD\uFFFD\uFFFD"}, // a surrogate, a cut rune
	} {
		if got := string(appendText(nil, []byte(tt.in))); got != tt.text {
			t.Errorf("appendText(%q) = %q, want %q", tt.in, got, tt.text)
		}
		if got := string(appendAttr([]byte("x"), []byte(tt.in))); got != "x"+tt.attr {
			t.Errorf("appendAttr(%q) = %q, want %q", tt.in, got, "x"+tt.attr)
		}
	}
}

func BenchmarkEncode(b *testing.B) {
	_, body := sample(b)
	m := NewModel()
	small := tapesOf(b, m, body)
	large := []*Tape{vmstat(m, 1000)}
	for _, bb := range []struct {
		name  string
		tapes []*Tape
	}{{"2002", small}, {"1000 leaves", large}} {
		s := NewSelection(m)
		if err := s.Add(true, "all"); err != nil {
			b.Fatal(err)
		}
		e := NewEncoder(s)
		benchmark(b, bb.name, len(encode(e, bb.tapes)), func() { encode(e, bb.tapes) })
	}
}

// vmstat makes a tape of as many leaves.
func vmstat(m *Model, leaves int) *Tape {
	t := new(Tape)
	id := m.Must("proc/vmstat")
	t.Open(id, Stamp{1, 2})
	for i := range leaves {
		leaf, _ := m.Named(id, fmt.Sprintf("nr_counter_%d", i), "")
		t.Leaf(leaf, bytes.Repeat([]byte("7"), 1+i%9))
	}
	t.Close()
	return t
}
