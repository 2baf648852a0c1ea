// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package xmlsysd

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// selectedPaths returns the selected leaves of tapes, one a line, with the id of
// the innermost element around that has one.
func selectedPaths(t *testing.T, s *Selection, tapes []*Tape) string {
	t.Helper()
	e := NewEncoder(s)
	e.Compact = true
	_, body, _ := strings.Cut(string(encode(e, tapes)), "\n\n")
	var b strings.Builder
	for _, tape := range tapesOf(t, s.model, []byte(body)) {
		where := []string{""}
		for _, en := range tape.Entries() {
			inner := where[len(where)-1]
			if tape.NumAttrs(&en) > 0 {
				inner = "[" + string(tape.Attr(&en, 0)) + "]"
			}
			switch en.Kind {
			case OpenElement:
				where = append(where, inner)
			case CloseElement:
				where = where[:len(where)-1]
			case LeafElement:
				fmt.Fprintln(&b, s.model.Node(en.Node).Path+inner)
			}
		}
	}
	return b.String()
}

func TestSelection(t *testing.T) {
	m := NewModel()
	tapes := tapesOf(t, m, []byte(`<xmlsysd><system><users>1</users></system><proc>`+
		`<stat><cpu id="0"><user>1</user><idle>2</idle></cpu><cpu id="1"><user>3</user></cpu><swap><in>1</in></swap><ctxt>5</ctxt><btime>9</btime></stat>`+
		`<meminfo><swap><used>1</used></swap></meminfo>`+
		`<net><dev><interface id="0" devtype="lo" devid=""><name>lo</name><mtu>1</mtu><speed>9</speed></interface>`+
		`<interface id="1" devtype="eth" devid="0"><name>eth0</name></interface></dev>`+
		`<snmp><tcp><MaxConn>-1</MaxConn></tcp></snmp></net>`+
		`<vmstat><pgpgin>1</pgpgin><pswpout>2</pswpout><nr_free>3</nr_free></vmstat>`+
		`<diskstats><disk id="nvme0n1"><major>1</major></disk><disk id="sda"><major>8</major></disk></diskstats>`+
		`<interrupts><irq id="7"><total>1</total><cpu id="0"><count>1</count></cpu></irq></interrupts>`+
		`<tasks><count><total>3</total></count></tasks><file path="/proc/x"><line id="0"><field id="0">60</field></line></file></proc></xmlsysd>`))
	user0, user1, idle, ctxt, btime := "proc/stat/cpu/user[0]", "proc/stat/cpu/user[1]", "proc/stat/cpu/idle[0]", "proc/stat/ctxt", "proc/stat/btime"
	in, used := "proc/stat/swap/in", "proc/meminfo/swap/used"
	lo, eth, mtu, speed := "proc/net/dev/interface/name[0]", "proc/net/dev/interface/name[1]", "proc/net/dev/interface/mtu[0]", "proc/net/dev/interface/speed[0]"
	conn, pgpg, pswp, free := "proc/net/snmp/tcp/MaxConn", "proc/vmstat/pgpgin", "proc/vmstat/pswpout", "proc/vmstat/nr_free"
	nvme, sda := "proc/diskstats/disk/major[nvme0n1]", "proc/diskstats/disk/major[sda]"
	irq, irqCPU, tasks, users := "proc/interrupts/irq/total[7]", "proc/interrupts/irq/cpu/count[0]", "proc/tasks/count/total", "system/users"
	field := "proc/file/line/field[0]"
	for _, tt := range []struct {
		rules string // words: off ones begin with a minus
		want  []string
	}{
		{"", nil},
		{"legacy", []string{users, user0, user1, in, ctxt, used, lo, eth}},
		{"default -legacy", []string{idle, btime, mtu, conn, pgpg, pswp, free, nvme, sda}},
		{"all -legacy -default", []string{irq}},
		{"all -all", nil},
		{"tasks interrupts /proc/**/speed -all users", []string{users}},
		{"cpu", []string{user0, idle, user1}},
		{"swap", []string{in, used}},
		{"stat -cpu", []string{in, ctxt, btime}},
		{"/proc/stat/cpu[id=0] -/proc/stat/cpu/idle", []string{user0}},
		{"stat -cpu[id=0] -swap", []string{user1, ctxt, btime}},
		{"stat -cpu[id=0] cpu[id=?] -cpu[id=0] -swap", []string{user1, ctxt, btime}},
		{"cpu[id=1][id=0]", nil},
		{"cpu[id=[!0]]", []string{user1}},
		{"/proc/net/dev/interface[devtype=eth]", []string{eth}},
		{`interface[@devtype="eth"][devid='0']`, []string{eth}},
		{"interface[devid=]", []string{lo, mtu}},
		{"disk[id=nvme*]", []string{nvme}},
		{"/xmlsysd/proc/stat/ctxt", []string{ctxt}},
		{"xmlsysd/proc/stat/c?xt", []string{ctxt}},
		{"/xmlsysd -proc", []string{users}},
		{"/proc/s*", []string{user0, idle, user1, in, ctxt, btime}},
		{"/proc/vmstat/pg*", []string{pgpg}},
		{"/proc/**/tcp", []string{conn}},
		{"**/MaxConn", []string{conn}},
		{"~^proc/vmstat/(pgpg|pswp)(in|out)$", []string{pgpg, pswp}},
		{"~speed|irq -~total$", nil},
		{"vmstat -~^proc/vmstat/p", []string{free}},
		// Leaves that have to be spelled out.
		{"interrupts", []string{irq}},
		{"/proc/interrupts/irq/* -/proc/interrupts/irq/total", nil},
		{"/proc/interrupts/irq/cpu", []string{irqCPU}},
		{"/proc/**/cpu[id=0] -stat", []string{irqCPU}},
		{"interrupts /proc/interrupts/irq/cpu -/proc/interrupts/irq/c*", []string{irq}},
		{"interface[devtype=lo]", []string{lo, mtu}},
		{"/proc/net/dev/interface/speed", []string{speed}},
		{"tasks", []string{tasks}},
		{"/proc/t*", nil},
		{"raw:sys/vm/*", []string{field}},
		{"raw:sys/vm/* -raw:sys/vm/*", nil},
		{"/proc/file raw:x -all", nil},
	} {
		t.Run(tt.rules, func(t *testing.T) {
			s := NewSelection(m)
			for _, word := range strings.Fields(tt.rules) {
				sel, off := strings.CutPrefix(word, "-")
				if err := s.Add(!off, sel); err != nil && word != "/proc/file" && word != "/proc/t*" {
					t.Fatal(err)
				}
			}
			want := strings.Join(append(tt.want, ""), "\n")
			if diff := cmp.Diff(want, selectedPaths(t, s, tapes)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestSelectionRefuses(t *testing.T) {
	m := NewModel()
	for _, tt := range []struct {
		sel  string
		code Code
	}{
		{"", CodeArg},
		{"raw:", CodeArg},
		{"nonsense", CodeSel},
		{"/proc/none", CodeSel},
		{"/proc/stat/pgpgin", CodeSel},
		{"/proc/stat[id=0]", CodeSel},
		{"cpu[colour=red]", CodeSel},
		{"/proc/t*", CodeSel}, // tasks are sent only when spelled out
		{"/proc//stat", CodeRE},
		{"/", CodeRE},
		{"/proc/s[a-", CodeRE},
		{"/proc/s[z-a]*", CodeRE},
		{"/proc/n**", CodeRE},
		{"cpu[id=0", CodeRE},
		{"cpu[id=0]x", CodeRE},
		{"~(", CodeRE},
		{"~a{1001}", CodeRE},
		{"~((a{0,10}){0,10}){0,10}x", CodeLimit},
		{"/" + strings.Repeat("x", MaxSelector), CodeLimit},
		{"sessions", CodeDenied},
		{"raw:sys/vm/*", CodeDenied},
		{"/system/cgroups/cgroup/cpu/usage_usec", CodeDenied},
	} {
		s := NewSelection(m)
		s.Hide(m.Must("system/sessions"), m.Must("proc/file"), m.Must("system/cgroups"))
		err := s.Add(true, tt.sel)
		if ce, ok := errors.AsType[*CommandError](err); !ok || ce.Code != tt.code {
			t.Errorf("Add(%.40q) = %v, want %s", tt.sel, err, tt.code)
		}
		if s.Rules() != 0 || s.Wants(Root) {
			t.Errorf("Add(%.40q) left %d rules", tt.sel, s.Rules())
		}
	}
}

func TestSelectionLimits(t *testing.T) {
	limit := func(err error) bool {
		ce, ok := errors.AsType[*CommandError](err)
		return ok && ce.Code == CodeLimit
	}
	s := NewSelection(NewModel())
	for i := range 10 * MaxRules { // the same rules over and over take one place each
		if err := s.Add(i%3 > 0, []string{"stat", "cpu[id=1]", "dev", "raw:x"}[i%4]); err != nil {
			t.Fatal(err)
		}
	}
	if s.Rules() != 3 || len(s.Raw()) != 1 {
		t.Errorf("%d rules, %d raw, want 3 and 1", s.Rules(), len(s.Raw()))
	}
	for i := range 100 {
		if err := s.Add(i%3 > 0, []string{"cpu[id=1]", "cpu[id=2]"}[i%2]); err != nil {
			t.Fatal(err)
		}
	}
	for id, d := range s.leaves {
		links := 0
		for ; d.when != nil; d = d.when.then {
			links++
		}
		if links > 2 {
			t.Fatalf("%s: %d conditions of two predicates", s.nodes[id].Path, links)
		}
	}
	s.Clear()
	for i := range MaxPreds {
		if err := s.Add(true, fmt.Sprintf("cpu[id=%d]", i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Add(true, "cpu[id=x]"); !limit(err) {
		t.Errorf("predicate %d: %v", MaxPreds+1, err)
	}
	if err := s.Add(true, "cpu[id=7]"); err != nil {
		t.Errorf("the same predicate again: %v", err)
	}
	for i := range MaxRaw {
		if err := s.Add(true, fmt.Sprintf("raw:%d", i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Add(true, "raw:x"); !limit(err) {
		t.Errorf("raw pattern %d: %v", MaxRaw+1, err)
	}
	for i := s.Rules(); i < MaxRules; i++ {
		if err := s.Add(true, fmt.Sprintf("/proc/vmstat/x%d", i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Add(true, "dev"); !limit(err) {
		t.Errorf("rule %d: %v", MaxRules+1, err)
	}
}

// What a selection cannot select need not be read.
func TestSelectionWants(t *testing.T) {
	m := NewModel()
	for _, tt := range []struct{ rules, want string }{
		{"", ""},
		{"legacy", "time identity users stat meminfo dev sockstat loadavg cpuinfo sysvipc version"},
		{"/proc/net/dev/interface[devtype=eth]", "dev"},
		{"stat -cpu[id=0]", "stat"},
		{"cpu[id=0] -cpu", ""},
		{"/proc/vmstat/never_seen", "vmstat"},
		{"vmstat -/proc/vmstat", ""},
		{"vmstat -/proc/vmstat/x", "vmstat"},
		{"~^proc/vmstat/pgpg", "vmstat"},
		{"~^proc/vmstat/(a|b)", "vmstat"},
		{"~^system/numa/node/cpulist$", "numa"},
		{"/proc/**/OutSegs", "meminfo snmp snmp6 netstat vmstat sys"},
		{"tasks cgroups", "cgroups tasks"},
		{"/proc/interrupts/irq/cpu", "interrupts"},
	} {
		s := NewSelection(m)
		for _, word := range strings.Fields(tt.rules) {
			sel, off := strings.CutPrefix(word, "-")
			if err := s.Add(!off, sel); err != nil {
				t.Fatal(err)
			}
		}
		var got []string
		for id := range m.Len() {
			if n := m.Node(NodeID(id)); n.Section != "" && s.Wants(NodeID(id)) {
				got = append(got, n.Section)
			}
		}
		if diff := cmp.Diff(tt.want, strings.Join(got, " ")); diff != "" {
			t.Errorf("%q (-want +got):\n%s", tt.rules, diff)
		}
	}
}

// Nodes that come later are under the rules that there were before.
func TestSelectionLaterNodes(t *testing.T) {
	m := NewModel()
	s := NewSelection(m)
	vm := m.Must("proc/vmstat")
	for i, word := range strings.Fields("vmstat -/proc/vmstat/nr_* /proc/vmstat/nr_free") {
		if err := s.Add(i != 1, strings.TrimPrefix(word, "-")); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		key  string
		want bool
	}{{"pgpgin", true}, {"nr_free", true}, {"nr_dirty", false}} {
		id, _ := m.Named(vm, tt.key, "")
		if got := s.Wants(id); got != tt.want {
			t.Errorf("%s wanted: %v, want %v", tt.key, got, tt.want)
		}
	}
}

func TestGlob(t *testing.T) {
	for _, tt := range []struct {
		glob, text string
		want       bool
	}{
		{"", "", true},
		{"a", "a", true},
		{"a", "b", false},
		{"*", "", true},
		{"*", "a/b", false},
		{"**", "a/b", true},
		{"/mnt/*", "/mnt/a", true},
		{"/mnt/*", "/mnt/a/b", false},
		{"/mnt/**", "/mnt/a/b", true},
		{"**/b*d", "a/b/bcd", true},
		{"**/b*d", "a/b/c/d", false},
		{"a*b*c", "aXbXbc", true},
		{"?", "é", true},
		{"?", "/", false},
		{"[a-c]x[!0-9]", "bxy", true},
		{"[a-c]x[!0-9]", "bx1", false},
		{"[]x]", "]", true},
		{"[a-]", "-", true},
		{"[!a]", "/", false},
		{"[*]", "*", true},
		{"[*]", "x", false},
		{strings.Repeat("*a", 60) + "b", strings.Repeat("a", 4000), false},
		{strings.Repeat("**a", 60) + "b", strings.Repeat("a/", 2000), false},
	} {
		g, err := ParseGlob(tt.glob)
		if err != nil {
			t.Errorf("%q: %v", tt.glob, err)
			continue
		}
		if got := g.Match([]byte(tt.text)); got != tt.want {
			t.Errorf("%.40q matches %.40q: %v, want %v", tt.glob, tt.text, got, tt.want)
		}
	}
}

func BenchmarkAdd(b *testing.B) {
	m := NewModel()
	vmstat(m, 700) // what kernels name
	for _, sel := range []string{"stat", "/proc/**/tcp", "cpu[id=1]", "~^proc/vmstat/(pgpg|pswp)(in|out)$", "~((a{0,7}){0,8})x"} {
		s := NewSelection(m)
		benchmark(b, sel, 0, func() {
			if err := s.Add(true, sel); err != nil {
				b.Fatal(err)
			}
		})
	}
}

// Selects says of the leaves of a tape what an encoder writes.
func TestSelects(t *testing.T) {
	m := NewModel()
	tape := new(Tape)
	tape.Open(m.Must("proc/net/dev"), Stamp{})
	for i, name := range []string{"lo", "eth"} {
		tape.Open(m.Must("proc/net/dev/interface"), Stamp{}, []byte{byte('0' + i)}, []byte(name), nil)
		tape.Leaf(m.Must("proc/net/dev/interface/mtu"), []byte("1"))
		tape.Open(m.Must("proc/net/dev/interface/receive"), Stamp{})
		tape.Leaf(m.Must("proc/net/dev/interface/receive/bytes"), []byte("2"))
		tape.Close()
		tape.Close()
	}
	tape.Close()
	for _, tt := range []struct {
		on   []string
		want string // of mtu and bytes, of lo and eth
	}{
		{nil, "----"},
		{[]string{"dev"}, "yyyy"},
		{[]string{"/proc/net/dev/interface[devtype=eth]"}, "--yy"},
		{[]string{"/proc/net/dev/interface[id=0]/receive"}, "-y--"},
		{[]string{"/proc/net/dev/interface/mtu"}, "y-y-"},
	} {
		s := NewSelection(m)
		for _, sel := range tt.on {
			if err := s.Add(true, sel); err != nil {
				t.Fatal(err)
			}
		}
		var open []int32
		got := ""
		for i, e := range tape.Entries() {
			switch {
			case e.Kind == OpenElement:
				open = append(open, int32(i))
			case e.Kind == CloseElement:
				open = open[:len(open)-1]
			case s.Selects(tape, open, i):
				got += "y"
			default:
				got += "-"
			}
		}
		if got != tt.want {
			t.Errorf("%v selects %s, want %s", tt.on, got, tt.want)
		}
	}
}
