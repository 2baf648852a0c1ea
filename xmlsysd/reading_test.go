// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package xmlsysd

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// monitor wants what a monitor of a cluster shows.
type monitor struct {
	slots            Slots
	host, load, used Slot
	stat, ctxt       Slot
	cpus, nets       List
	user, tot        Column
	name, rx, tx     Column
}

func newMonitor() *monitor {
	m := new(monitor)
	s := &m.slots
	m.host, m.load = s.Leaf("system/identity/hostname"), s.Leaf("proc/loadavg/load1")
	m.stat, m.ctxt = s.Stamp("proc/stat"), s.Leaf("proc/stat/ctxt")
	m.cpus = s.List("proc/stat/cpu")
	m.user, m.tot = s.Column(m.cpus, "user"), s.Column(m.cpus, "tot")
	m.nets = s.List("proc/net/dev/interface", "devtype", "devid")
	m.name, m.rx, m.tx = s.Column(m.nets, "name"), s.Column(m.nets, "receive/bytes"), s.Column(m.nets, "transmit/bytes")
	m.used = s.Leaf("proc/meminfo/memory/used")
	return m
}

func TestReading(t *testing.T) {
	_, body := sample(t)
	m := newMonitor()
	r := NewReading(&m.slots)
	for range 2 {
		if err := r.Read(body); err != nil {
			t.Fatal(err)
		}
		var got []string
		at, ok := r.Stamp(m.stat)
		ctxt, ok2 := r.Uint(m.ctxt)
		load, ok3 := r.Float(m.load)
		got = append(got, fmt.Sprintf("%s %v %v %v %v %v %v", r.Text(m.host), at, ok, ctxt, ok2, load, ok3))
		for row := range r.Rows(m.cpus) {
			user, ok := r.CellUint(m.cpus, row, m.user)
			got = append(got, fmt.Sprintf("cpu %s %v %v", r.Key(m.cpus, row, 0), user, ok))
		}
		for row := range r.Rows(m.nets) {
			got = append(got, fmt.Sprintf("%s+%s %s %s %s", r.Key(m.nets, row, 0), r.Key(m.nets, row, 1),
				r.CellText(m.nets, row, m.name), r.CellText(m.nets, row, m.rx), r.CellText(m.nets, row, m.tx)))
		}
		want := []string{
			"golem {1016048061 789464} true 8610762 true 0.21 true", "cpu 0 316976 true",
			"lo+ lo 97083646 97083646", "eth+0 eth0 762887796 326138029",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("(-want +got):\n%s", diff)
		}
		if row := r.Row(m.nets, "eth", "0"); row != 1 {
			t.Errorf("eth0 is row %d, want 1", row)
		}
		if row := r.Row(m.nets, "eth", "1"); row != -1 {
			t.Errorf("eth1 is row %d, want -1", row)
		}
	}
	// What a message does not have is not there, whatever the one before had.
	other := []byte(`<xmlsysd new='1'><proc><other><stat tv_sec="1"/><loadavg><load1>9</load1></loadavg></other>` +
		`<loadavg><load5>1</load5><load1/></loadavg><stat tv_sec="x" tv_usec="1"><ctxt>-1</ctxt></stat></proc>` +
		`<system><more/><identity><hostname>a&amp;<!-- -->b</hostname></identity></system></xmlsysd>`)
	if err := r.Read(other); err != nil {
		t.Fatal(err)
	}
	if got := string(r.Text(m.host)); got != "a&b" {
		t.Errorf("host %q, want a&b", got)
	}
	if b := r.Text(m.load); b == nil || len(b) > 0 {
		t.Errorf("load %q, want it there and empty", b)
	}
	if _, ok := r.Float(m.load); ok {
		t.Error("an empty text is a number")
	}
	if r.Text(m.used) != nil || r.Rows(m.cpus) != 0 || r.Rows(m.nets) != 0 {
		t.Error("the reading has what the message does not")
	}
	if _, ok := r.Uint(m.ctxt); ok {
		t.Error("-1 is without sign")
	}
	if _, ok := r.Stamp(m.stat); ok {
		t.Error("x is a time")
	}
}

// An element that closes itself has no text, whatever comes before the end of one
// that has its name.
func TestReadingSameName(t *testing.T) {
	var s Slots
	inner := s.Leaf("a/a")
	r := NewReading(&s)
	if err := r.Read([]byte("<xmlsysd><a><a/>5</a></xmlsysd>")); err != nil {
		t.Fatal(err)
	}
	if got := r.Text(inner); got == nil || len(got) > 0 {
		t.Errorf("text %q, want it there and empty", got)
	}
}

func TestReadingRefuses(t *testing.T) {
	_, body := sample(t)
	m := newMonitor()
	r := NewReading(&m.slots)
	for _, doc := range []string{"", "<html></html>", string(body[:len(body)/2])} {
		if err := r.Read([]byte(doc)); !errors.Is(err, ErrTruncated) && !errors.Is(err, ErrSyntax) {
			t.Errorf("%.20q: error %v", doc, err)
		}
		if r.Text(m.host) != nil || r.Rows(m.cpus) != 0 {
			t.Errorf("%.20q: a reading of what was refused", doc)
		}
	}
	rows := "<xmlsysd><proc><stat>" + strings.Repeat("<cpu/>", maxRows+1) + "</stat></proc></xmlsysd>"
	if err := r.Read([]byte(rows)); !errors.Is(err, ErrTooLong) {
		t.Errorf("too many rows: %v", err)
	}
}

// Neither a reading nor a document is made of a part of a message.
func TestReadingCut(t *testing.T) {
	_, body := sample(t)
	r := NewReading(&newMonitor().slots)
	for n := range len(body) - 1 { // the last byte is a blank
		if err := r.Read(body[:n]); !errors.Is(err, ErrTruncated) {
			t.Fatalf("reading cut after %d bytes: %v", n, err)
		}
		if _, err := ParseDocument(body[:n]); !errors.Is(err, ErrTruncated) {
			t.Fatalf("document cut after %d bytes: %v", n, err)
		}
	}
}

// A reading has what a document has, whatever the message.
func FuzzReading(f *testing.F) {
	_, body := sample(f)
	f.Add(body)
	f.Add([]byte("<xmlsysd><proc><loadavg><load1>1<!-- -->&amp;</load1></loadavg><stat tv_sec='1&#9;'><cpu id='&lt;'/><cpu/></stat></proc></xmlsysd>"))
	m := newMonitor()
	r := NewReading(&m.slots)
	f.Fuzz(func(t *testing.T, doc []byte) {
		err := r.Read(doc)
		d, err2 := ParseDocument(doc)
		if err == nil && err2 != nil {
			t.Fatalf("the reading takes what the document refuses: %v", err2)
		}
		if err != nil || err2 != nil {
			return
		}
		if want, err := d.Text("proc/loadavg/load1"); err == nil && want != string(r.Text(m.load)) {
			t.Fatalf("load %q, the document has %q", r.Text(m.load), want)
		}
		cpus, _ := d.All("proc/stat/cpu")
		if len(cpus) != r.Rows(m.cpus) {
			t.Fatalf("%d rows, the document has %d", r.Rows(m.cpus), len(cpus))
		}
		for i, cpu := range cpus {
			if id, _ := cpu.Attr("id"); id != string(r.Key(m.cpus, i, 0)) {
				t.Fatalf("row %d is %q, the document has %q", i, r.Key(m.cpus, i, 0), id)
			}
			if want, err := cpu.Text("user"); err == nil && want != string(r.CellText(m.cpus, i, m.user)) {
				t.Fatalf("user %q, the document has %q", r.CellText(m.cpus, i, m.user), want)
			}
		}
	})
}

func TestParseUint(t *testing.T) {
	for _, tt := range []struct {
		in   string
		want uint64
		ok   bool
	}{
		{"0", 0, true},
		{" 18446744073709551615\n", 1<<64 - 1, true},
		{"18446744073709551616", 0, false},
		{"99999999999999999999", 0, false},
		{"", 0, false},
		{"-1", 0, false},
		{"1.0", 0, false},
		{"0x1", 0, false},
	} {
		if got, ok := parseUint([]byte(tt.in)); got != tt.want || ok != tt.ok {
			t.Errorf("parseUint(%q) = %d, %v, want %d, %v", tt.in, got, ok, tt.want, tt.ok)
		}
	}
	for _, in := range []string{"inf", "NaN", "1e3", "0x1p1", "", "-", "1-1"} {
		if f, ok := parseFloat([]byte(in)); ok {
			t.Errorf("parseFloat(%q) = %v", in, f)
		}
	}
}

func TestReadingAllocations(t *testing.T) {
	_, body := sample(t)
	escaped := bytes.ReplaceAll(body, []byte("golem"), []byte("go&lt;lem"))
	m := newMonitor()
	r := NewReading(&m.slots)
	for _, doc := range [][]byte{body, escaped} {
		n := testing.AllocsPerRun(100, func() {
			if err := r.Read(doc); err != nil {
				t.Fatal(err)
			}
			r.Uint(m.ctxt)
			r.Float(m.load)
			r.Row(m.nets, "eth", "0")
		})
		if n != 0 {
			t.Errorf("%v allocations for a message, want 0", n)
		}
	}
}

// everything wants all leaves of the message of 2002.
func everything() *Slots {
	m, s := NewModel(), new(Slots)
	lists := map[string]List{}
	for id := range m.Len() {
		n := m.Node(NodeID(id))
		if n.Class != Legacy || id == 0 {
			continue
		}
		if n.Attrs&AttrID != 0 {
			lists[n.Path] = s.List(n.Path)
		}
		if n.Attrs&AttrTime != 0 {
			s.Stamp(n.Path)
		}
		if !n.Leaf {
			continue
		}
		list, below := "", ""
		for path := range lists {
			if rest, ok := strings.CutPrefix(n.Path, path+"/"); ok {
				list, below = path, rest
			}
		}
		if list != "" {
			s.Column(lists[list], below)
		} else {
			s.Leaf(n.Path)
		}
	}
	return s
}

func BenchmarkScan(b *testing.B) {
	_, body := sample(b)
	run := func(name string, f func()) { benchmark(b, name, len(body), f) }
	m := newMonitor()
	some, all := NewReading(&m.slots), NewReading(everything())
	read := func(r *Reading) func() {
		return func() {
			if err := r.Read(body); err != nil {
				b.Fatal(err)
			}
		}
	}
	run("monitor", read(some))
	run("all of it", read(all))
	run("document", func() {
		if _, err := ParseDocument(body); err != nil {
			b.Fatal(err)
		}
	})
	run("encoding.xml", func() {
		d := xml.NewDecoder(bytes.NewReader(body))
		for {
			if _, err := d.RawToken(); errors.Is(err, io.EOF) {
				return
			} else if err != nil {
				b.Fatal(err)
			}
		}
	})
}
