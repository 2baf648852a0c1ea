// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package kernelfilter

import (
	"errors"
	"strings"
	"testing"

	"github.com/weir-io/weir/internal/filter"
	"github.com/weir-io/weir/internal/kerneltrace"
)

// translations are the expressions of the tests, also of that which asks the
// kernel. An expression of two parts is translated in part: weaker.
var translations = []struct{ event, expression, kernel, rest string }{
	{"sched:sched_switch", `prev_tid == 7`, `prev_pid == 7`, ""},
	{"sched:sched_switch", `prev_tid != 7`, `prev_pid != 7`, ""},
	{"sched:sched_switch", `7 < prev_tid`, `prev_pid >= 8`, ""},
	{"sched:sched_switch", `!(prev_tid <= 7)`, `prev_pid > 7`, ""},
	{"sched:sched_switch", `prev_tid`, `prev_pid != 0`, ""},
	{"sched:sched_switch", `!prev_tid`, `prev_pid == 0`, ""},
	{"sched:sched_switch", `prev_tid == 4294967303`, `common_type & 0`, ""},
	{"sched:sched_switch", `prev_tid < 4294967303`, ``, ""},
	{"sched:sched_switch", `prev_tid > -5 && prev_tid < 0x10`, `prev_pid >= -4 && prev_pid <= 15`, ""},
	{"sched:sched_switch", `prev_prio == 20`, `prev_prio == 120`, ""},
	{"sched:sched_switch", `prev_prio < -50`, `prev_prio >= -2147483548 && prev_prio <= 49`, ""},
	{"sched:sched_switch", `prev_prio & 1`, ``, `prev_prio & 1`},
	{"sched:sched_switch", `prev_state & 3`, `prev_state & 0x3`, ""},
	{"sched:sched_switch", `(prev_state & 3) == 0`, `!(prev_state & 0x3)`, ""},
	{"sched:sched_switch", `(prev_state & 3) == 2`, `!(prev_state & 0x1) && prev_state & 0x2`, ""},
	{"sched:sched_switch", `(prev_state & 0x12) != 0x10`, `(prev_state & 0x2 || !(prev_state & 0x10))`, ""},
	{"sched:sched_switch", `prev_comm == "bash"`, `prev_comm == "bash"`, ""},
	{"sched:sched_switch", `prev_comm != "bash"`, `prev_comm != "bash"`, ""},
	{"sched:sched_switch", `prev_comm == "ba*"`, `prev_comm ~ "ba*"`, ""},
	{"sched:sched_switch", `prev_comm != "ba*"`, `!(prev_comm ~ "ba*")`, ""},
	{"sched:sched_switch", `prev_comm == "*sh"`, `prev_comm ~ "**sh"`, ""},
	{"sched:sched_switch", `prev_comm == "*a*h*"`, `prev_comm ~ "**a*h*"`, ""},
	{"sched:sched_switch", `prev_comm == "*"`, ``, ""},
	{"sched:sched_switch", `prev_comm == "!a*"`, `prev_comm ~ "\!a*"`, ""},
	{"sched:sched_switch", `prev_comm == "1*"`, `prev_comm ~ "\1*"`, ""},
	{"sched:sched_switch", `prev_comm == "a[?\\*"`, `prev_comm ~ "a\[\?\\*"`, ""},
	{"sched:sched_switch", `prev_comm == "a\*b"`, `prev_comm == "a*b"`, ""},
	{"sched:sched_switch", `prev_comm == "a\*b*"`, `prev_comm ~ "a\*b*"`, ""},
	{"sched:sched_switch", `prev_comm == '"'`, `prev_comm == '"'`, ""},
	{"sched:sched_switch", `prev_comm == "12345678901234567"`, `common_type & 0`, ""},
	{"sched:sched_switch", `prev_comm == ""`, `prev_comm == ""`, ""},
	{"sched:sched_switch", `prev_comm == next_comm`, ``, `prev_comm == next_comm`},
	{"sched:sched_switch", `prev_tid == 7 && prev_comm == "a*" && (prev_state ^ 1) > 3`, `prev_pid == 7 && prev_comm ~ "a*"`, `prev_state ^ 1 > 3`},
	{"sched:sched_switch", `prev_tid == 7 || next_tid == 7 && (prev_state ^ 1) > 3`, `(prev_pid == 7 || next_pid == 7)`, `prev_tid == 7 || next_tid == 7 && prev_state ^ 1 > 3`},
	{"sched:sched_switch", `(prev_tid == 7 || next_tid == 7) && (next_tid == 1 || prev_tid == 1)`, `(prev_pid == 7 || next_pid == 7) && (next_pid == 1 || prev_pid == 1)`, ""},
	{"sched:sched_switch", `!(prev_tid == 7 && next_tid == 7 || next_tid == 8)`, `(prev_pid != 7 || next_pid != 7) && next_pid != 8`, ""},
	{"sched:sched_switch", `(prev_tid == 7) == 0`, `prev_pid != 7`, ""},
	{"sched:sched_switch", `(prev_tid == 7) < 5`, ``, ""},
	{"sched:sched_switch", `1`, ``, ""},
	{"sched:sched_switch", `0`, `common_type & 0`, ""},
	{"sched:sched_switch", `prev_tid == ~-3 << 2`, `prev_pid == 8`, ""},
	{"sched:sched_switch", `$ctx.tid == 7`, `common_pid == 7`, ""},
	{"sched:sched_switch", `$ctx.cpu_id == 1`, `CPU == 1`, ""},
	{"sched:sched_switch", `$ctx.cpu_id != 1 && $ctx.cpu_id <= 3`, `CPU != 1 && CPU <= 3`, ""},
	{"sched:sched_switch", `$ctx.procname == "ba*"`, `COMM ~ "ba*"`, ""},
	{"sched:sched_switch", `$ctx.procname != "bash"`, `COMM != "bash"`, ""},
	{"sched:sched_switch", `$ctx.interruptible`, `!(common_flags & 0x1)`, ""},
	{"sched:sched_switch", `$ctx.need_reschedule == 1 && !$ctx.preemptible && $ctx.migratable != 0`, `common_flags & 0x4 && common_preempt_count & 0xf && !(common_preempt_count & 0xf0)`, ""},
	{"sched:sched_switch", `$ctx.pid == 7`, ``, `$ctx.pid == 7`},
	{"syscalls:sys_enter_openat", `dfd == 3`, `!(dfd & 0xfffffffc) && dfd & 0x1 && dfd & 0x2`, ""},
	{"syscalls:sys_enter_openat", `dfd >= 8`, `dfd & 0xfffffff8 && !(dfd & 0x80000000)`, ""},
	{"syscalls:sys_enter_openat", `dfd < 0`, `dfd & 0x80000000`, ""},
	{"syscalls:sys_enter_openat", `(dfd | 1) == -1 && flags & 0x40`, `flags & 0x40`, `dfd | 1 == -1`},
	{"syscalls:sys_enter_openat", `filename == "/etc/*"`, `filename.ustring ~ "/etc/*"`, ""},
	{"syscalls:sys_enter_openat", `filename != "/etc/passwd"`, `filename.ustring != "/etc/passwd"`, ""},
	{"syscalls:sys_enter_lseek", `offset < 0`, `offset >= 9223372036854775808`, ""},
	{"syscalls:sys_enter_lseek", `offset == -100`, `offset == 18446744073709551516`, ""},
	{"syscalls:sys_enter_lseek", `offset >= -1`, `(offset < 9223372036854775808 || offset > 18446744073709551614)`, ""},
	{"kmem:kmalloc", `bytes_req < 4096`, `(bytes_req < 4096 || bytes_req > 9223372036854775807)`, ""},
	{"kmem:kmalloc", `ptr == 0xffff888000000000`, `ptr == 18446612682070032384`, ""},
	{"kmem:kmalloc", `accounted`, `accounted >= 1`, ""},
	{"irq:irq_handler_entry", `name == "ata*"`, `name ~ "ata*"`, ""},
	{"irq:irq_handler_entry", `name == "*ata*" || irq == 5`, `(name ~ "**ata*" || irq == 5)`, ""},
	{"test:all", `raw == "*x"`, ``, `raw == "*x"`},
	{"test:all", `raw == "ab*x"`, `raw ~ "ab*"`, `raw == "ab*x"`},
	{"test:all", `raw != "ab*x"`, ``, `raw != "ab*x"`},
	{"test:all", `raw == "abcdefgh"`, `raw == "abcdefgh"`, ""},
	{"test:all", `bytes == "abcdefgh"`, ``, `bytes == "abcdefgh"`},
	{"test:all", `arr[1] == 5 && e == 1`, `e == 1`, `arr[1] == 5`},
	{"test:all", `a > 200`, `common_type & 0`, ""},
	{"test:all", `b > 200`, `b >= 201`, ""},
	{"test:all", `(a & 0x80) == 0x80`, `a & 0x80`, ""},
	{"test:all", `(a & ~1) == -2`, `a & 0x2 && a & 0x4 && a & 0x8 && a & 0x10 && a & 0x20 && a & 0x40 && a & 0x80`, ""},
	{"test:all", `(g & ~1) < 0`, `g & -9223372036854775808`, ""},
	{"block:block_rq_issue", `tid == 5 && rwbs & 1 && rwbs_text == "W*"`, `common_pid == 5 && rwbs ~ "W*"`, `rwbs & 1`},
	{"sched:sched_process_fork", `child_tid == 5 && child_pid == 6 && parent_comm == "x"`, `child_pid == 5 && parent_comm == "x"`, `child_pid == 6`},
}

func TestTranslate(t *testing.T) {
	for _, tt := range translations {
		e, f := parse(t, tt.expression), format(t, tt.event)
		b, _, err := Source{}.bind(e, f, kerneltrace.LTTng)
		if err != nil {
			t.Errorf("%s: %s: %v", tt.event, tt.expression, err)
			continue
		}
		d := b.divide(e)
		var rest []string
		for _, n := range d.rest {
			rest = append(rest, n.String())
		}
		if got := strings.Join(rest, " && "); d.kernel != tt.kernel || got != tt.rest {
			t.Errorf("%s: %s:\n got %s, rest %q\nwant %s, rest %q", tt.event, tt.expression, d.kernel, got, tt.kernel, tt.rest)
		}
		kernel, exact, err := Translate(e, f, kerneltrace.LTTng)
		if kernel != d.kernel || exact != (len(d.rest) == 0) || err != nil {
			t.Errorf("%s: Translate = %s, %v, %v", tt.expression, kernel, exact, err)
		}
	}
}

func TestNoSuchField(t *testing.T) {
	for _, tt := range []struct {
		event, expression, want string
		naming                  kerneltrace.Naming
	}{
		{"sched:sched_switch", `prev_pid == 7`, "filter of sched_switch keeps no event: no field prev_pid", kerneltrace.LTTng},
		{"sched:sched_switch", `prev_tid == 7 || 1`, "filter of sched:sched_switch keeps no event: no field prev_tid", kerneltrace.Tracefs},
		{"sched:sched_switch", `$ctx.ip == 7 || $app.x:y == 5`, "filter of sched_switch keeps no event: no field $ctx.ip, no field $app.x:y", kerneltrace.LTTng},
		{"sched:sched_switch", `prev_comm == 5`, "filter of sched_switch keeps no event: prev_comm is of another kind", kerneltrace.LTTng},
		{"sched:sched_switch", `prev_tid == "x"`, "filter of sched_switch keeps no event: prev_tid is of another kind", kerneltrace.LTTng},
		{"syscalls:sys_enter_openat", `__syscall_nr == 257`, "filter of syscall_entry_openat keeps no event: no field __syscall_nr", kerneltrace.LTTng},
		{"test:all", `arr == 5 || arr[3] == 1 || a[0] || comm[0] || arr[1].x`, "filter of all keeps no event: no field arr, no field arr[3], no field a[0], no field comm[0], no field arr[1].x", kerneltrace.LTTng},
	} {
		_, _, err := Translate(parse(t, tt.expression), format(t, tt.event), tt.naming)
		var fe *FieldError
		if !errors.As(err, &fe) || err.Error() != tt.want {
			t.Errorf("%s: %v, want %s", tt.expression, err, tt.want)
		}
		if _, cerr := Compile(parse(t, tt.expression), format(t, tt.event), tt.naming); cerr == nil || cerr.Error() != tt.want {
			t.Errorf("%s: Compile: %v, want %s", tt.expression, cerr, tt.want)
		}
	}
	var syntax *filter.Error
	if _, _, err := Translate(parse(t, `prev_tid + 1 == 7`), format(t, "sched:sched_switch"), kerneltrace.LTTng); !errors.As(err, &syntax) {
		t.Errorf("arithmetic: %v, want a filter.Error", err)
	}
}

func TestTracefsNames(t *testing.T) {
	for _, tt := range []struct{ event, expression, want string }{
		{"sched:sched_switch", `prev_pid == 7 && prev_prio > 119 && common_pid == 3`, `prev_pid == 7 && prev_prio >= 120 && common_pid == 3`},
		{"syscalls:sys_enter_openat", `__syscall_nr == 257`, `__syscall_nr == 257`},
	} {
		kernel, exact, err := Translate(parse(t, tt.expression), format(t, tt.event), kerneltrace.Tracefs)
		if kernel != tt.want || !exact || err != nil {
			t.Errorf("%s = %s, %v, %v, want %s", tt.expression, kernel, exact, err, tt.want)
		}
	}
}

func TestNobodyKnows(t *testing.T) {
	for _, tt := range []struct {
		event, expression string
		source            Source
		want              string
	}{
		{"sched:sched_switch", `$ctx.pid == 7`, Source{}, "filter of sched_switch: $ctx.pid: it is not known without a table of tasks"},
		{"sched:sched_switch", `$ctx.pid == 7`, Source{Tasks: new(kerneltrace.Tasks)}, ""},
		{"sched:sched_switch", `$ctx.cpu_id == 7 || prev_comm == next_comm`, Source{}, "filter of sched_switch: $ctx.cpu_id: a record does not have it"},
		{"sched:sched_switch", `$ctx.cpu_id == 7 || prev_comm == next_comm`, Source{CPU: 8}, ""},
		{"sched:sched_switch", `$ctx.cpu_id == 7 && prev_comm == next_comm`, Source{}, ""},
		{"sched:sched_switch", `$ctx.hostname == "a*"`, Source{}, "filter of sched_switch: $ctx.hostname: it is not known"},
		{"sched:sched_switch", `$ctx.hostname == "a*"`, Source{Hostname: "abc"}, ""},
		{"syscalls:sys_enter_openat", `filename == "/etc/passwd" || (dfd ^ 1) == 2`, Source{}, "filter of syscall_entry_openat: filename: a record has the address of the text only"},
		{"syscalls:sys_enter_openat", `filename == "/etc/passwd" && (dfd ^ 1) == 2`, Source{}, ""},
	} {
		_, err := tt.source.Split(parse(t, tt.expression), format(t, tt.event), kerneltrace.LTTng)
		var ve *ValueError
		if tt.want == "" && err != nil || tt.want != "" && (!errors.As(err, &ve) || err.Error() != tt.want) {
			t.Errorf("%s: %v, want %q", tt.expression, err, tt.want)
		}
	}
}

func TestLongFilter(t *testing.T) {
	var terms []string
	for i := range 400 {
		terms = append(terms, "prev_tid != "+strings.Repeat("1", 1+i%9))
	}
	for _, join := range []string{" && ", " || "} {
		e := parse(t, strings.Join(terms, join))
		s, err := Source{}.Split(e, format(t, "sched:sched_switch"), kerneltrace.LTTng)
		check(t, err)
		if len(s.Kernel) > maxFilter || s.Keep == nil || (join == " && ") != (len(s.Kernel) > maxFilter-30) {
			t.Errorf("joined by %s: a filter of %d bytes, a rest %v", join, len(s.Kernel), s.Keep != nil)
		}
	}
}
