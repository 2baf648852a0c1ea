// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracebench

import (
	"strings"
	"testing"

	"github.com/weir-io/weir/internal/kernel/ftrace"
)

func TestReported(t *testing.T) {
	for _, tt := range []struct {
		line string
		want happened
		rest string
	}{
		{"weirbench.1:        trace-cmd-22280 [001] 18103.824295: sys_exit:              id=1 ret=1", happened{1, 22280, "sys_exit"}, "             id=1 ret=1"},
		{"          <idle>-0     [000] 18103.8: sched_switch: prev_comm=a-b prev_pid=0", happened{0, 0, "sched_switch"}, "prev_comm=a-b prev_pid=0"},
		{" a-1 [1] b-42 [010] 1.5: rcu_utilization:", happened{10, 42, "rcu_utilization"}, ""},
		{" a-1 [1] b-42 [010] d..2. 1.5: sys_exit: x=1 [1] 2.5: y: z", happened{10, 42, "sys_exit"}, "x=1 [1] 2.5: y: z"},
		{" a-1 b-42 [010] 1.5: rcu_utilization:", happened{10, 42, "rcu_utilization"}, ""},
	} {
		if got, rest, ok := parseReported(tt.line); !ok || got != tt.want || rest != tt.rest {
			t.Errorf("%q: got %+v, %q, %v, want %+v, %q", tt.line, got, rest, ok, tt.want, tt.rest)
		}
	}
	for _, line := range []string{"", "cpus=2", "CPU:1 [LOST EVENTS]", "a-x [1] 1.5: e:", "a [1] 1.5: e:", "a-1 [1] 1: e:", "a-1 [1] 1.5: e f:", "a-1 [1] 1.5: e:f", " [", "-1 [1] "} {
		if got, _, ok := parseReported(line); ok {
			t.Errorf("%q: got %+v, want none", line, got)
		}
	}
}

// event is one with fields of all kinds.
const event = `name: ev
ID: 7
format:
	field:unsigned short common_type;	offset:0;	size:2;	signed:0;

	field:int a;	offset:8;	size:4;	signed:1;
	field:char comm[16];	offset:12;	size:16;	signed:0;
	field:void * at;	offset:32;	size:8;	signed:0;
	field:__data_loc char[] name;	offset:40;	size:4;	signed:0;
	field:const char * why;	offset:48;	size:8;	signed:0;
	field:u8 bytes[3];	offset:56;	size:3;	signed:0;
	field:unsigned long low;	offset:64;	size:8;	signed:0;
	field:unsigned short mode;	offset:72;	size:2;	signed:0;

print fmt: "%d %ps %lx 0%o", REC->a, (void *)REC->at, REC->low, REC->mode
`

func declaration(t testing.TB) *declared {
	f, err := ftrace.ParseFormat("sys", []byte(event))
	if err != nil {
		t.Fatal(err)
	}
	return newDeclared(f)
}

func someNames(t testing.TB) *names {
	n := &names{aliases: make(map[string]string), texts: make(map[uint64][]string)}
	kallsyms := "ffffffff81000000 T start\nffffffff81000100 T b_alias\nffffffff81000100 t a_name\nffffffff81000200 T end\n0000000000000000 t hidden\n"
	if err := eachLine(strings.NewReader(kallsyms), "kallsyms", n.addSymbol); err != nil {
		t.Fatal(err)
	}
	if err := eachLine(strings.NewReader("0xffffffff82000000 : \"End of \"it\"\"\n"), "printk_formats", n.addText); err != nil {
		t.Fatal(err)
	}
	n.settle()
	return n
}

func TestNames(t *testing.T) {
	n := someNames(t)
	for at, want := range map[uint64]string{
		0xffffffff81000000: "start+0", 0xffffffff810000ff: "start+ff", 0xffffffff81000101: "a_name+1",
		0xffffffff81000200: "", 0x1000: "", 0: "",
	} {
		var v values
		name, offset, ok := n.function(at)
		if v.function(name, offset); !ok {
			name = ""
		}
		if got := strings.TrimSuffix(string(v.b[1:]), ";"); ok != (want != "") || ok && got != want {
			t.Errorf("%#x: got %q, %v, want %q", at, got, ok, want)
		}
	}
	for text, want := range map[string]string{"b_alias": "a_name", "a_name+0x10": "a_name", "hidden": "", "start+x": "", "": ""} {
		if got, _, _, ok := n.parse(text); got != want || ok != (want != "") {
			t.Errorf("%q: got %q, %v, want %q", text, got, ok, want)
		}
	}
	for _, line := range []string{"", "1 t", "x t f"} {
		if err := n.addSymbol(line); err == nil {
			t.Errorf("symbol %q: no error", line)
		}
	}
	for _, line := range []string{"", "0x1", "x : \"a\""} {
		if err := n.addText(line); err == nil {
			t.Errorf("text %q: no error", line)
		}
	}
}

// TestTheirValues reads an event in the forms in which it may be printed, each of
// which says the same.
func TestTheirValues(t *testing.T) {
	d := declaration(t)
	r := reader{names: someNames(t)}
	read := func(text string) string {
		if err := r.theirs(d, text); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		return string(r.b)
	}
	want := read("   a=-2 comm=a b at=0xffffffff81000100 name=x y why=End of \"it\" bytes=ARRAY[01, ff, 00] low=a0 mode=100600")
	if n := len(r.ends); n != len(d.Fields) {
		t.Fatalf("got %d fields, want %d", n, len(d.Fields))
	}
	if got, want := string(r.field(2)), "fa_name+0;"; got != want {
		t.Errorf("field at: got %q, want %q", got, want)
	}
	if got, want := string(r.field(7)), "#\x80\x81\x00\x00\x00\x00\x00\x00;"; got != want {
		t.Errorf("field mode: got %q, want %q", got, want)
	}
	for _, text := range []string{
		"a=4294967294 comm=a b at=b_alias name=x y why=0xffffffff82000000 bytes=ARRAY[01, ff, 00] low=0xa0 mode=100600",
		"a=-2 comm=ARRAY[61, 20, 62, 00, 07] at=a_name+0x0 name=x y why=End of \"it\" bytes=ARRAY[01, ff, 00] low=a0 mode=100600",
		// What is printed as a function alone may be anywhere in it.
		"a=-2 comm=a b at=0xffffffff81000123 name=x y why=End of \"it\" bytes=ARRAY[01, ff, 00] low=a0 mode=100600",
	} {
		if got := read(text); got != want {
			t.Errorf("%q:\ngot  %q\nwant %q", text, got, want)
		}
	}
	for _, text := range []string{
		"a=-1 comm=a b at=a_name name=x y why=End of \"it\" bytes=ARRAY[01, ff, 00] low=a0 mode=100600",
		"a=-2 comm=a b at=start name=x y why=End of \"it\" bytes=ARRAY[01, ff, 00] low=a0 mode=100600",
		"a=-2 comm=a b at=a_name name=x y why=End bytes=ARRAY[01, ff, 00] low=a0 mode=100600",
		"a=-2 comm=a b at=a_name name=x y why=(nil) bytes=ARRAY[01, ff] low=a0 mode=100600",
	} {
		if got := read(text); got == want {
			t.Errorf("%q: the same values", text)
		}
	}
}

// TestArray: an array of bytes is what trace-cmd prints of it.
func TestArray(t *testing.T) {
	d := declaration(t)
	r := reader{names: someNames(t)}
	for _, tt := range []struct {
		bytes, printed string
	}{
		{"\x00\x00\x00", ""},
		{"\x00\x00\x01", ""},
		{"a \x00", "a "},
		{"abc", "abcwhat is behind it"},
		{"\x01\xff\x00", "ARRAY[01, ff, 00]"},
		{"a\xff\x00", "ARRAY[61, ff, 00]"},
	} {
		if err := r.theirs(d, "a=-2 comm=a at=0x10 name=x why=End bytes="+tt.printed+" low=a0 mode=7"); err != nil {
			t.Fatalf("%q: %v", tt.printed, err)
		}
		want := string(r.field(5))
		r.reset()
		if r.array([]byte(tt.bytes), &d.Fields[5]); string(r.field(0)) != want {
			t.Errorf("%q: got %q, and %q of %q", tt.bytes, r.field(0), want, tt.printed)
		}
	}
}

func TestBadTheirValues(t *testing.T) {
	const whole = "a=-2 comm=a b at=0x10 name=x y why=End bytes=ARRAY[01, ff, 00] low=a0 mode=7"
	d := declaration(t)
	r := reader{names: someNames(t)}
	for n := range len(whole) {
		if err := r.theirs(d, whole[:n]); err == nil {
			t.Errorf("%q: no error", whole[:n])
		}
	}
	for _, text := range []string{
		strings.Replace(whole, "ff", "100", 1), strings.Replace(whole, "ff", "g", 1),
		strings.Replace(whole, "low=a0", "low=g0", 1), strings.Replace(whole, "a=-2", "a=--2", 1), strings.Replace(whole, "mode=7", "mode=8", 1),
	} {
		if err := r.theirs(d, text); err == nil {
			t.Errorf("%q: no error", text)
		}
	}
}

// FuzzTheirValues: whatever a line has, reading it ends.
func FuzzTheirValues(f *testing.F) {
	f.Add("a=-2 comm=a b at=0x10 name=x y why=End bytes=ARRAY[01, ff, 00] low=a0 mode=7")
	f.Add("a=(nil) comm= at=start+0x1 name=ARRAY[] why= bytes=ARRAY[, ] low= mode=")
	n := someNames(f)
	f.Fuzz(func(t *testing.T, text string) {
		d := declaration(t)
		r := reader{names: n}
		if err := r.theirs(d, text); err == nil && len(r.ends) != len(d.Fields) {
			t.Errorf("%q: %d fields, want %d", text, len(r.ends), len(d.Fields))
		}
		parseReported(text)
	})
}

func TestDifferences(t *testing.T) {
	const line = "a=1 comm=c at=0x10 name=n why=w bytes=ARRAY[01, ff, 00] low=a0 mode=7"
	h := happened{0, 1, "ev"}
	// They are read as both recorders' here: what counts is how they are counted.
	compared := func(how depth, ours, theirs []string) differences {
		c := &comparison{
			depth: how, events: map[string]*declared{"ev": declaration(t)}, reader: reader{names: someNames(t)},
			counts: make(map[key]int), used: map[string]bool{"ev": true}, pairs: make(map[happened][2][]values),
		}
		each := func(lines []string, do func(string)) {
			for _, l := range lines {
				if err := c.readTheirs(h, l); err != nil {
					t.Fatal(err)
				}
				do(l)
			}
		}
		each(ours, func(string) { c.all++; c.count(c.key(h), 1) })
		each(theirs, func(string) { c.count(c.key(h), -1) })
		each(ours, func(string) { c.keep(h, 0) })
		each(theirs, func(string) { c.keep(h, 1) })
		return c.result()
	}
	for how, fields := range map[depth]int{keysOnly: 8, withValues: 8} {
		d := compared(how, []string{line, line}, []string{line, line})
		if d.all != 2 || d.events != 0 || d.text() != "" || d.types != 1 || d.fields != fields {
			t.Errorf("equal ones, values %v: got %+v", how, d)
		}
	}
	other := strings.Replace(line, "low=a0", "low=a1", 1)
	if d := compared(keysOnly, []string{line}, []string{other}); d.events != 0 {
		t.Errorf("without values: got %+v, want no difference", d)
	}
	d := compared(withValues, []string{line, line}, []string{line, other})
	if d.events != 2 || d.keys.events != 0 || !strings.Contains(d.text(), "ev.low 1 times") {
		t.Errorf("one value: got %+v, %q, keys %+v", d, d.text(), d.keys)
	}
	d = compared(withValues, []string{line, line}, []string{line})
	if d.events != 1 || d.keys.events != 1 || !strings.Contains(d.keys.text(), "ev of thread 1 on processor 0: +1") {
		t.Errorf("one event more: got %+v, keys %+v", d, d.keys)
	}
}

// TestThreads: a thread that another one of the load has made is one of it.
func TestThreads(t *testing.T) {
	tids := newThreads([]int{5})
	tids.fork(5, 6)
	tids.fork(6, 7)
	tids.fork(1, 8)
	if !tids[5] || !tids[6] || !tids[7] || tids[8] || tids[1] {
		t.Errorf("got %v, want 5, 6 and 7", tids)
	}
}

// TestBases finds out in which base numbers are printed.
func TestBases(t *testing.T) {
	const text = " a=7 comm=x at=0x1 name=n why=0x0 bytes=ARRAY[01, 02, 03] low=ff mode="
	for mode, want := range map[string]uint8{"100644": 8, "33188": 0} {
		d := declaration(t)
		b := newBases(&comparison{events: map[string]*declared{"ev": d}})
		b.seen[fieldName{"ev", "mode"}] = map[uint64]bool{0o100644: true}
		b.seen[fieldName{"ev", "low"}] = map[uint64]bool{0xff: true}
		if err := b.theirs(happened{name: "ev"}, text+mode); err != nil {
			t.Fatal(err)
		}
		b.settle()
		if d.base["mode"] != want || d.base["low"] != 16 {
			t.Errorf("mode %s: read in bases %v, want mode in %d and low in 16", mode, d.base, want)
		}
	}
}

// TestUnsetFields reads a field that has whatever was in the ring.
func TestUnsetFields(t *testing.T) {
	d := &declared{Format: &ftrace.Format{Name: "wbt_stat", Fields: []ftrace.Field{
		{Name: "rmean", Type: "s64", Size: 8, Signed: true}, {Name: "rtime", Type: "s64", Size: 8, Signed: true},
	}}}
	r := reader{names: someNames(t)}
	var read [2]string
	for i, text := range []string{"rmean=7 rtime=0", "rmean=7 rtime=49"} {
		if err := r.theirs(d, text); err != nil {
			t.Fatal(err)
		}
		read[i] = string(r.b)
	}
	if read[0] != read[1] || string(r.field(0)) != "#\x07\x00\x00\x00\x00\x00\x00\x00;" {
		t.Errorf("got %q and %q, want the same, with rmean", read[0], read[1])
	}
}
