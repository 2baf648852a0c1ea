// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package statsource

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/ctf/schema"
	"github.com/weir-io/weir/xmlsysd"
)

// tapeOf makes a tape of a text: a line is an element below the one that is
// indented less, with its attributes in brackets and behind an equals sign the text
// of a leaf. A time, in us of the day, is in braces.
func tapeOf(t testing.TB, m *xmlsysd.Model, text string) *xmlsysd.Tape {
	t.Helper()
	tape := new(xmlsysd.Tape)
	var open []string // paths
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		body := strings.TrimLeft(line, " ")
		for depth := (len(line) - len(body)) / 2; len(open) > depth; open = open[:len(open)-1] {
			tape.Close()
		}
		head, value, isLeaf := strings.Cut(body, "=")
		var at xmlsysd.Stamp
		if tag, us, ok := strings.Cut(head, "{"); ok {
			head = tag
			n := int64(0)
			if _, err := fmt.Sscanf(us, "%d}", &n); err != nil {
				t.Fatal(err)
			}
			at = xmlsysd.Stamp{Sec: n / 1e6, Usec: int32(n % 1e6)}
		}
		var attrs [][]byte
		tag, list, keyed := strings.Cut(strings.TrimSuffix(head, "]"), "[")
		if keyed {
			for a := range strings.SplitSeq(list, ",") {
				attrs = append(attrs, []byte(a))
			}
		}
		path := tag
		if len(open) > 0 {
			path = open[len(open)-1] + "/" + tag
		}
		id, ok := m.Find(path)
		if !ok {
			parent := m.Must(path[:strings.LastIndexByte(path, '/')])
			if id, ok = m.Named(parent, tag, ""); !ok {
				t.Fatalf("no element %s", path)
			}
		}
		if isLeaf {
			tape.LeafAt(id, at, []byte(value), attrs...)
			continue
		}
		tape.Open(id, at, attrs...)
		open = append(open, path)
	}
	for range open {
		tape.Close()
	}
	return tape
}

// text writes an event: its name, its time, its values.
func (ev *event) text(p *plan) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s @%d:", p.of(ev.node).Path, ev.at)
	for i := range ev.tokens {
		k := &ev.tokens[i]
		n := p.of(k.node)
		switch {
		case k.seq:
			fmt.Fprintf(&b, " %s(%d)", n.field, k.n)
		case k.key && k.kind == xmlsysd.Text:
			fmt.Fprintf(&b, " [%s]", k.text)
		case k.key:
			fmt.Fprintf(&b, " [%d]", k.n)
		case k.kind == xmlsysd.Text:
			fmt.Fprintf(&b, " %s=%s", n.field, k.text)
		case k.kind == xmlsysd.Integer:
			fmt.Fprintf(&b, " %s=%d", n.field, int64(k.n))
		default:
			fmt.Fprintf(&b, " %s=%d", n.field, k.n)
		}
	}
	return b.String()
}

// walkOf walks a tape with a selection.
func walkOf(t testing.TB, m *xmlsysd.Model, tape *xmlsysd.Tape, selectors ...string) (lines []string, sigs [][]xmlsysd.NodeID) {
	t.Helper()
	sel := xmlsysd.NewSelection(m)
	for _, s := range selectors {
		if err := sel.Add(true, s); err != nil {
			t.Fatal(err)
		}
	}
	w := &walker{plan: newPlan(m), wants: sel.Wants, selects: sel.Selects}
	w.emit = func(ev *event) {
		lines = append(lines, ev.text(w.plan))
		sigs = append(sigs, slices.Clone(ev.sig))
	}
	w.walk(tape, 1000_000, 5000) // 5 ms of the day are 1 ms of the clock
	return lines, sigs
}

func TestWalk(t *testing.T) {
	const irqs = `proc/interrupts
  irq[24]
    total=7
    source=IO-APIC
    cpu[0]
      count=3
    cpu[1]
      count=4
  irq[ERR]
    total=0
`
	for _, tt := range []struct{ name, tape, selectors, want string }{
		{"a section of leaves", "proc/loadavg\n  load1=0.05\n  running=3\n", "loadavg", "proc/loadavg @1000000: load1=4587366580439587226 running=3"},
		{"a leaf", "system/users=3\n", "users", "system/users @1000000: users=3"},
		{"objects come before what is around them", `proc/stat
  cpu[0]
    user=1
    idle=2
  cpu[3]
    user=3
  page
    in=4
  ctxt=5
`, "stat", "proc/stat/cpu @1000000: [0] user=1 idle=2\nproc/stat/cpu @1000000: [3] user=3\nproc/stat @1000000: page_in=4 ctxt=5"},
		{"a time of its own", "proc/pressure\n  cpu{5250}\n    some\n      total=1\n  io{4999}\n    some\n      total=2\n", "pressure", "proc/pressure/cpu @1250000: some_total_us=1\nproc/pressure/io @999000: some_total_us=2"},
		{"the time within its us", "proc/uptime{5000}\n  up=1\n", "uptime", "proc/uptime @1000000: up_s=4607182418800017408"},
		{"keys", "proc/net/dev\n  interface[1,eth,0]\n    name=eth0\n  interface[0,lo,]\n    name=lo\n", "dev", "proc/net/dev/interface @1000000: [1] [eth] [0] name=eth0\nproc/net/dev/interface @1000000: [0] [lo] name=lo"},
		{"empty texts are none", "proc/net/dev\n  interface[1,eth,0]\n    name=eth0\n    ip=\n", "dev", "proc/net/dev/interface @1000000: [1] [eth] [0] name=eth0"},
		{"no number where one belongs", "proc/loadavg\n  load1=x\n  running=-3\n  threads=7\n", "loadavg", "proc/loadavg @1000000: threads=7"},
		{"nothing of an object", "proc/stat\n  cpu[0]\n    user=x\n  ctxt=1\n", "stat", "proc/stat @1000000: ctxt=1"},
		{"a key that is no number", "proc/stat\n  cpu[x]\n    user=1\n  ctxt=1\n", "stat", "proc/stat @1000000: ctxt=1"},
		{"negative", "proc/net/snmp\n  tcp\n    MaxConn=-1\n", "snmp", "proc/net/snmp @1000000: tcp_MaxConn=-1"},
		{"texts are cleaned", "proc/swaps\n  swapdev[/a\xff]\n    type=x\x00y\n", "swaps", "proc/swaps/swapdev @1000000: [/a\ufffd] type=x\ufffdy"},
		{"what is selected", "proc/stat\n  cpu[0]\n    user=1\n    idle=2\n  ctxt=1\n", "proc/stat/cpu/idle", "proc/stat/cpu @1000000: [0] idle=2"},
		{"which are selected", "proc/stat\n  cpu[0]\n    user=1\n  cpu[1]\n    user=2\n", "cpu[id=1]", "proc/stat/cpu @1000000: [1] user=2"},
		{"a list that is not wanted", irqs, "interrupts", "proc/interrupts/irq @1000000: [24] total=7 source=IO-APIC\nproc/interrupts/irq @1000000: [ERR] total=0"},
		{"a list", irqs, "interrupts /proc/interrupts/irq/cpu", "proc/interrupts/irq @1000000: [24] total=7 source=IO-APIC cpu(2) [0] count=3 [1] count=4\nproc/interrupts/irq @1000000: [ERR] total=0 cpu(0)"},
		{"only a list", irqs, "/proc/interrupts/irq/cpu", "proc/interrupts/irq @1000000: [24] cpu(2) [0] count=3 [1] count=4"},
		{"which of a list", irqs, "/proc/interrupts/irq/cpu[id=1]/count", "proc/interrupts/irq @1000000: [24] cpu(1) [1] count=4"},
		{"elements are alike", `proc/net/dev
  interface[1,eth,0]
    addresses
      address[0]
        ip=::1
        prefix=128
      address[1]
        ip=
        prefix=0
      address[2]
        ip=::2
        prefix=x
      address[3]
        prefix=7
  interface[2,eth,1]
    name=eth1
    addresses
`, "dev", "proc/net/dev/interface @1000000: [1] [eth] [0] addresses_address(1) [0] ip=::1 prefix=128\nproc/net/dev/interface @1000000: [2] [eth] [1] name=eth1 addresses_address(0)"},
		{"objects within objects", `proc/file[/proc/a]
  line[0]
    field[0]=x
    field[1]=y
  line[1]
    field[0]=z
  line[2]
`, "raw:*", "proc/file/line @1000000: [/proc/a] [0] field(2) [0] field=x [1] field=y\nproc/file/line @1000000: [/proc/a] [1] field(1) [0] field=z"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := xmlsysd.NewModel()
			tape := tapeOf(t, m, tt.tape)
			lines, _ := walkOf(t, m, tape, strings.Fields(tt.selectors)...)
			if got := strings.Join(lines, "\n"); got != tt.want {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
		})
	}
}

// Events with the same fields have the same signature, others have another one.
func TestSignatures(t *testing.T) {
	m := xmlsysd.NewModel()
	const a = "proc/net/dev\n  interface[0,lo,]\n    name=lo\n"
	const b = "proc/net/dev\n  interface[7,dummy,]\n    name=x\n"
	const c = "proc/net/dev\n  interface[1,eth,0]\n    name=eth0\n"
	const d = "proc/net/dev\n  interface[0,lo,]\n    name=lo\n    mtu=7\n"
	const e = "proc/net/dev\n  interface[0,lo,]\n    name=lo\n    addresses\n"
	const f = "proc/net/dev\n  interface[0,lo,]\n    name=lo\n    addresses\n      address[0]\n        ip=1\n        prefix=1\n"
	var sigs [][]xmlsysd.NodeID
	for _, text := range []string{a, b, c, d, e, f} {
		_, s := walkOf(t, m, tapeOf(t, m, text), "dev")
		sigs = append(sigs, s...)
	}
	for i, want := range []int{0, 0, 2, 3, 4, 4} {
		if at := slices.IndexFunc(sigs, func(s []xmlsysd.NodeID) bool { return slices.Equal(s, sigs[i]) }); at != want {
			t.Errorf("event %d has the fields of event %d, want those of %d", i, at, want)
		}
	}
}

// FuzzWalk walks tapes of any elements with any selection: each event can be
// written in the class that is made for it.
func FuzzWalk(f *testing.F) {
	f.Add([]byte{1, 2, 3, 4, 5, 6, 7, 8}, "all")
	f.Add([]byte("\x50\x51\x01\x52\x01\x03\x00\x00"), "proc/stat")
	random := rand.New(rand.NewPCG(1, 2))
	for i := range 24 {
		script := make([]byte, 1+random.IntN(2000))
		for k := range script {
			script[k] = byte(random.Uint32())
		}
		f.Add(script, []string{"all", "/proc/interrupts/irq/cpu", "tasks", "default", "raw:*", "dev"}[i%6])
	}
	f.Fuzz(func(t *testing.T, script []byte, selector string) {
		m := xmlsysd.NewModel()
		sel := xmlsysd.NewSelection(m)
		if sel.Add(true, selector) != nil {
			return
		}
		b := ctf.NewBuilder(ctf.BuilderOptions{})
		stream, err := b.Stream(ctf.LargeHeader)
		if err != nil {
			t.Fatal(err)
		}
		drop := ctf.PacketFunc(func([]byte, ctf.PacketInfo) error { return nil })
		out, err := ctf.NewStreamWriter(stream.Class(), drop, ctf.StreamOptions{})
		if err != nil {
			t.Fatal(err)
		}
		all := shapes{plan: newPlan(m)}
		w := &walker{plan: newPlan(m), wants: sel.Wants, selects: sel.Selects}
		w.emit = func(ev *event) {
			sh := all.find(ev)
			if sh == nil {
				if sh, err = all.add(ev, func(name string, fields []ctf.Field) (*schema.Event, int, error) {
					class, err := stream.Event(name, schema.NoLogLevel, fields...)
					return class, 1, err
				}); err != nil {
					t.Fatal(err)
				}
			}
			if err := ev.write(out.Event(sh.class, max(ev.at, out.Now()))); err != nil {
				t.Fatal(err)
			}
		}
		w.walk(scriptedTape(m, script), 1, 1)
	})
}

// scriptedTape makes a tape by a script: of a section each element, in the order of
// the model, some of them several times or not at all, with odd texts.
func scriptedTape(m *xmlsysd.Model, script []byte) *xmlsysd.Tape {
	next := func() (c byte) {
		if len(script) > 0 {
			c, script = script[0], script[1:]
		}
		return c
	}
	texts := []string{"1", "0", "", "x", "-5", "0.5", "a\x00\xff", "18446744073709551615"}
	tape := new(xmlsysd.Tape)
	var element func(id xmlsysd.NodeID)
	element = func(id xmlsysd.NodeID) {
		n := m.Node(id)
		var attrs [][]byte
		for _, k := range keyNames {
			if n.Attrs&k.attr != 0 {
				attrs = append(attrs, []byte(texts[next()%4]))
			}
		}
		if n.Leaf {
			tape.LeafAt(id, xmlsysd.Stamp{}, []byte(texts[int(next())%len(texts)]), attrs...)
			return
		}
		tape.Open(id, xmlsysd.Stamp{Sec: int64(next())}, attrs...)
		for i := range m.Len() {
			if c := m.Node(xmlsysd.NodeID(i)); i > 0 && c.Parent == id {
				times := next() % 3
				if c.Attrs&identity == 0 {
					times = min(times, 1) // there is one of it
				}
				for ; times > 0 && len(script) > 0; times-- {
					element(xmlsysd.NodeID(i))
				}
			}
		}
		tape.Close()
	}
	for i := range m.Len() {
		if n := m.Node(xmlsysd.NodeID(i)); (n.Section != "" || n.Path == "proc/file") && len(script) > 0 && next()%2 == 0 {
			element(xmlsysd.NodeID(i))
		}
	}
	return tape
}
