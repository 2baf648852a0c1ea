// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracepoint

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// record starts recording a session; channel are options of its channel.
func (m *machine) record(dir, events string, channel ...string) {
	m.Helper()
	m.run("lttng", "create", "s", "-o", dir)
	m.run("lttng", append([]string{"enable-channel", "-u", "c"}, channel...)...)
	m.run("lttng", "enable-event", "-u", "-c", "c", events)
	m.run("lttng", "start")
}

func (m *machine) destroy() { m.Helper(); m.run("lttng", "destroy") }

// line is what differs from one run to the next.
var line = regexp.MustCompile(`^\[[^]]*\] \([^)]*\) [^ ]+ |\{ cpu_id = \d+ \}, `)

// fields are events without times, hosts and processors.
func (r result) fields() (all []string) {
	for _, l := range r.lines {
		all = append(all, line.ReplaceAllString(l, ""))
	}
	return all
}

// wantCount checks that each event is there or counted.
func (m *machine) wantCount(what string, r result, want int) {
	m.Helper()
	if len(r.lines)+r.discarded != want {
		m.Errorf("%s: %d events, %d discarded, want %d in all", what, len(r.lines), r.discarded, want)
	}
	m.Logf("%s: %d recorded, %d discarded", what, len(r.lines), r.discarded)
}

// allText is what babeltrace2 prints of app.all.
var allText = []string{
	`weirtest:signed: { i8 = -128, i16 = -32768, i32 = -2147483648, i64 = -9223372036854775808, i = -1, b = 1, d = 1000000000, c = ( "RED" : container = -1 ) }`,
	`weirtest:signed: { i8 = 127, i16 = 32767, i32 = 2147483647, i64 = 9223372036854775807, i = 1, b = 0, d = 0, c = ( <unknown> : container = 7 ) }`,
	`weirtest:unsigned: { u8 = 255, u16 = 65535, u32 = 4294967295, u64 = 18446744073709551615, u = 1, p = 2, h32 = 0xBEEF, h64 = 0xDEADBEEF }`,
	`weirtest:floats: { f32 = 1.5, f64 = -0.25 }`,
	`weirtest:lists: { s = "a", _bytes_length = 3, bytes = [ [0] = 120, [1] = 121, [2] = 122 ], _i16s_length = 2, i16s = [ [0] = -1, [1] = 2 ], _i32s_length = 1, i32s = [ [0] = 5 ], _u64s_length = 1, u64s = [ [0] = 18446744073709551615 ], _none_length = 0, none = [ ] }`,
	`weirtest:span_begin: { id = 1, parent = 0, name = "outer" }`,
	`weirtest:span_begin: { id = 2, parent = 1, name = "inner" }`,
	`weirtest:span_end: { id = 2 }`,
	`weirtest:span_end: { id = 1 }`,
	`weirtest:log_warn: { message = "careful", attributes = "k=1 g.v=w g.in.x=true" }`,
}

// What a program emits is recorded by LTTng's session daemon, in all of its modes: each
// event, or it is counted.
func TestRecord(t *testing.T) {
	namespaced(t, func(m *machine) {
		m.sessiond()
		p := m.start()
		if list := m.run("lttng", "list", "-u"); !strings.Contains(list, "weirtest:tick (loglevel: TRACE_INFO (6)) (type: tracepoint)") {
			m.Errorf("lttng list -u: %s", list)
		}
		for _, buffers := range []string{"--buffers-uid", "--buffers-pid"} {
			dir := m.trace("all" + buffers)
			m.record(dir, "weirtest:*", buffers)
			p.do("await 1")
			p.do("all")
			m.destroy()
			if r := m.read(dir); !slices.Equal(r.fields(), allText) || r.discarded != 0 {
				m.Errorf("%s, %d discarded:\n%s\nwant:\n%s", buffers, r.discarded, strings.Join(r.fields(), "\n"), strings.Join(allText, "\n"))
			}
			dir = m.trace("discard" + buffers)
			m.record(dir, "weirtest:tick", buffers, "--subbuf-size=4k", "--num-subbuf=4")
			p.do("await 1")
			p.do("tick 20000 8")
			m.destroy()
			m.wantCount("discard "+buffers, m.read(dir), 8*20000)
		}
	})
}

// tickText is what babeltrace2 prints of the event tick of a number.
func tickText(n int) string { return fmt.Sprintf(`weirtest:tick: { n = %d, text = "tock" }`, n) }

// Where the newest events go over the oldest, those that are there are the newest, and
// none between them is missing.
func TestOverwrite(t *testing.T) {
	namespaced(t, func(m *machine) {
		m.sessiond()
		p := m.start("GOMAXPROCS=1") // one ring; what is in it is in order
		dir := m.trace("shots")
		m.run("lttng", "create", "s", "--snapshot", "-o", dir)
		m.run("lttng", "enable-channel", "-u", "c", "--subbuf-size=4k", "--num-subbuf=4")
		m.run("lttng", "enable-event", "-u", "-c", "c", "weirtest:tick")
		m.run("lttng", "start")
		p.do("await 1")
		for i, n := range []int{50, 20000} {
			p.do("tick %d 1", n)
			m.run("lttng", "snapshot", "record", "-n", strconv.Itoa(i))
			found, err := filepath.Glob(filepath.Join(dir, strconv.Itoa(i)+"-*"))
			if err != nil || len(found) != 1 {
				m.Fatalf("snapshots: %q, %v", found, err)
			}
			got := m.read(found[0]).fields()
			if len(got) < min(n, 3*100) {
				m.Fatalf("snapshot %d of %d events", i, len(got))
			}
			for j := range min(len(got), n) {
				if want := tickText(n - 1 - j); got[len(got)-1-j] != want {
					m.Fatalf("snapshot %d: %d before its last: %s, want %s", i, j, got[len(got)-1-j], want)
				}
			}
		}
		m.destroy()
		// Read while it is written, everything that is there is whole.
		dir = m.trace("read")
		m.record(dir, "weirtest:tick", "--overwrite", "--subbuf-size=4k", "--num-subbuf=4")
		p.do("await 1")
		p.do("tick 100000 1")
		m.destroy()
		r := m.read(dir)
		last := -1
		for _, text := range r.fields() {
			var n int
			if _, err := fmt.Sscanf(text, "weirtest:tick: { n = %d,", &n); err != nil || n <= last {
				m.Fatalf("event %s behind %d, %v", text, last, err)
			}
			last = n
		}
		if last != 99999 {
			m.Errorf("the last event is %d of 100000", last)
		}
	})
}

// Events that are declared while the program is traced are recorded, however many.
func TestLateEvents(t *testing.T) {
	namespaced(t, func(m *machine) {
		m.sessiond()
		p := m.start()
		dir := m.trace("t")
		m.record(dir, "weirtest:late*")
		p.do("late 100")
		m.destroy()
		var want []string
		for i := range 100 {
			want = append(want, fmt.Sprintf("weirtest:late%d: { i = %d }", i, i))
		}
		if r := m.read(dir); !slices.Equal(r.fields(), want) {
			m.Errorf("%d events, want 100:\n%s", len(r.lines), strings.Join(r.fields(), "\n"))
		}
	})
}

// Rules select events by patterns, exclusions and levels, and contexts tell of whom
// they are.
func TestSelection(t *testing.T) {
	namespaced(t, func(m *machine) {
		m.sessiond()
		p := m.start()
		for _, c := range []struct {
			name  string
			event []string
			want  func(text string) bool
		}{
			{"exclusion", []string{"weirtest:*", "--exclude=weirtest:s*,weirtest:log_*"}, func(text string) bool {
				return !strings.HasPrefix(text, "weirtest:s") && !strings.HasPrefix(text, "weirtest:log")
			}},
			{"level", []string{"weirtest:*", "--loglevel=TRACE_WARNING"}, func(text string) bool {
				return strings.HasPrefix(text, "weirtest:floats") || strings.HasPrefix(text, "weirtest:log_warn")
			}},
			{"level only", []string{"weirtest:*", "--loglevel-only=TRACE_INFO"}, func(text string) bool {
				return !strings.HasPrefix(text, "weirtest:floats") && !strings.HasPrefix(text, "weirtest:log_warn")
			}},
			{"all", []string{"-a"}, func(string) bool { return true }},
		} {
			dir := m.trace(c.name)
			m.run("lttng", "create", "s", "-o", dir)
			m.run("lttng", append([]string{"enable-event", "-u"}, c.event...)...)
			m.run("lttng", "start")
			p.do("all")
			m.destroy()
			want := slices.DeleteFunc(slices.Clone(allText), func(text string) bool { return !c.want(text) })
			if r := m.read(dir); !slices.Equal(r.fields(), want) {
				m.Errorf("%s:\n%s\nwant:\n%s", c.name, strings.Join(r.fields(), "\n"), strings.Join(want, "\n"))
			}
		}
		dir := m.trace("contexts")
		m.run("lttng", "create", "s", "-o", dir)
		m.run("lttng", "enable-event", "-u", "weirtest:other")
		types := []string{"vpid", "vtid", "procname", "pthread_id", "ip", "pid_ns", "net_ns", "vuid", "vegid"}
		m.run("lttng", append([]string{"add-context", "-u"}, strings.Fields("-t "+strings.Join(types, " -t "))...)...)
		m.run("lttng", "start")
		p.do("other")
		m.destroy()
		pid := p.cmd.Process.Pid
		r := m.read(dir)
		pattern := fmt.Sprintf(`\{ cpu_id = (\d+) \}, \{ vpid = %d, vtid = (\d+), procname = "%s", pthread_id = 0, ip = (\d+), pid_ns = \d{10}, net_ns = \d{10}, vuid = %d, vegid = %d \}, \{ \}$`,
			pid, regexp.QuoteMeta(processNameOf(m.TB, pid)), os.Getuid(), os.Getegid())
		if len(r.lines) != 1 || !regexp.MustCompile(pattern).MatchString(r.lines[0]) {
			m.Errorf("contexts: %q, want %s", r.lines, pattern)
		}
	})
}

// Filters are evaluated as LTTng's language has it, on what each event has.
func TestFilters(t *testing.T) {
	namespaced(t, func(m *machine) {
		m.sessiond()
		p := m.start()
		for _, c := range []struct {
			filter string
			want   string // what the texts of events begin with, behind the provider
		}{
			{`i8 < 0`, `signed: { i8 = -128`},
			{`i64 > 9223372036854775806`, `signed: { i8 = 127`},
			{`u64 == -1`, `unsigned`}, // as LTTng: all integers are signed
			{`b`, `signed: { i8 = -128`},
			{`!b`, `signed: { i8 = 127`},
			{`c == 7`, `signed: { i8 = 127`},
			{`f32 >= 1.5 && f64 < 0`, `floats`},
			{`f64 == -0.25`, `floats`},
			{`f32 > 2`, `none`},
			{`(h32 & 0xFF) == 0xEF`, `unsigned`},
			{`(u8 << 2 | 1 ^ 3) >> 1 == 511`, `unsigned`},
			{`~i8 == 127 && -i == 1`, `signed: { i8 = -128`},
			{`i16s[1] == 2 || i16s[7] == 1`, `lists`},
			{`i16s[7] == 1`, `none`},
			{`s == "a"`, `lists`},
			{`s == "b"`, `none`},
			{`name == "o*r"`, `span_begin: { id = 1`},
			{`name == "in*"`, `span_begin: { id = 2`},
			{`name != "in*"`, `span_begin: { id = 1`},
			{`name == "in\\*"`, `none`},
			{`name > "inner"`, `span_begin: { id = 1`},
			{`message == "*reful" && attributes != "k=2"`, `log_warn`},
			{`id == 2 && $ctx.vpid > 0 && $ctx.procname == "*"`, `span_begin: { id = 2`},
			{`$ctx.vpid == 0`, `none`},
			{`nothing == 1`, `none`},
		} {
			dir := filepath.Join(t.TempDir(), "t")
			m.run("lttng", "create", "s", "-o", dir)
			m.run("lttng", "enable-event", "-u", "weirtest:*", "--filter", c.filter)
			m.run("lttng", "start")
			p.do("all")
			m.destroy()
			var want []string
			for _, text := range allText {
				if strings.HasPrefix(text, "weirtest:"+c.want) && text != `weirtest:span_end: { id = 2 }` {
					want = append(want, text)
				}
			}
			if strings.Contains(c.filter, "id == 2") {
				want = append(want, `weirtest:span_end: { id = 2 }`)
			}
			if r := m.read(dir); !slices.Equal(r.fields(), want) {
				m.Errorf("%s:\n%s\nwant:\n%s", c.filter, strings.Join(r.fields(), "\n"), strings.Join(want, "\n"))
			}
		}
		// Where one rule lets all pass, the filter of another takes nothing away.
		dir := m.trace("both")
		m.run("lttng", "create", "s", "-o", dir)
		m.run("lttng", "enable-event", "-u", "weirtest:*", "--filter", "b")
		m.run("lttng", "enable-event", "-u", "weirtest:f*")
		m.run("lttng", "start")
		p.do("all")
		m.destroy()
		if r := m.read(dir); !slices.Equal(r.fields(), []string{allText[0], allText[3]}) {
			m.Errorf("two rules:\n%s", strings.Join(r.fields(), "\n"))
		}
	})
}

func processNameOf(t testing.TB, pid int) string {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(string(b), "\n")
}

// Programs come and go, and daemons too, in the middle of everything.
func TestDaemonsAndPrograms(t *testing.T) {
	namespaced(t, func(m *machine) {
		p := m.start() // there is no daemon yet
		m.sessiond()
		dir := m.trace("child")
		m.record(dir, "weirtest:tick")
		p.do("await 1")
		p.do("child 1000")
		m.destroy()
		if r := m.read(dir); len(r.lines) != 1000 {
			m.Errorf("%d events of a program that the program has started, want 1000", len(r.lines))
		}
		p.do("write 8")
		dir = m.trace("first")
		m.record(dir, "weirtest:tick", "--subbuf-size=4k", "--num-subbuf=4")
		p.do("await 1")
		m.destroy() // while they write
		p.do("await 0")
		if r := m.read(dir); len(r.lines) == 0 {
			m.Error("no events of a program that writes all the time")
		}
		m.record(m.trace("second"), "weirtest:tick", "--subbuf-size=4k", "--num-subbuf=4")
		p.do("await 1")
		m.killDaemons()
		p.do("await 0")
		m.sessiond()
		dir = m.trace("third")
		m.record(dir, "weirtest:other")
		p.ask("written", "end")
		m.until("weirtest:other listed", func() bool { return strings.Contains(m.run("lttng", "list", "-u"), "weirtest:other") })
		p.do("other")
		m.destroy()
		if r := m.read(dir); len(r.lines) != 1 {
			m.Errorf("%d events of a program that the daemon found again, want 1", len(r.lines))
		}
	})
}
