// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package kernelfilter

import (
	"strings"
	"testing"

	"github.com/weir-io/weir/internal/filter"
	"github.com/weir-io/weir/internal/kernel/ftrace"
)

// Declarations of events as the kernel has them.
var declarations = map[string]string{
	"sched:sched_switch": `char prev_comm[16] 8 16 0; pid_t prev_pid 24 4 1; int prev_prio 28 4 1; long prev_state 32 8 1;
		char next_comm[16] 40 16 0; pid_t next_pid 56 4 1; int next_prio 60 4 1 | "prev_comm=%s", REC->prev_comm`,
	"syscalls:sys_enter_openat": `int __syscall_nr 8 4 1; int dfd 16 8 0; const char * filename 24 8 0; int flags 32 8 0; umode_t mode 40 8 0 | ""`,
	"syscalls:sys_enter_lseek":  `int __syscall_nr 8 4 1; unsigned int fd 16 8 0; off_t offset 24 8 0; unsigned int whence 32 8 0 | ""`,
	"sched:sched_process_fork": `__data_loc char[] parent_comm 8 4 0; pid_t parent_pid 12 4 1; __data_loc char[] child_comm 16 4 0; pid_t child_pid 20 4 1
		| "comm=%s", __get_str(parent_comm), __get_str(child_comm)`,
	"block:block_rq_issue": `dev_t dev 8 4 0; sector_t sector 16 8 0; unsigned int nr_sector 24 4 0; char rwbs[10] 28 10 0; char comm[16] 38 16 0;
		__data_loc char[] cmd 56 4 0 | "%s", REC->rwbs, __get_str(cmd)`,
	"kmem:kmalloc":          `unsigned long call_site 8 8 0; const void * ptr 16 8 0; size_t bytes_req 24 8 0; bool accounted 32 1 0 | ""`,
	"irq:irq_handler_entry": `int irq 8 4 1; __data_loc char[] name 12 4 0 | "%s", __get_str(name)`,
	"test:all": `s8 a 8 1 1; u8 b 9 1 0; s16 c 10 2 1; u16 d 12 2 0; s32 e 16 4 1; u32 f 20 4 0; s64 g 24 8 1; u64 h 32 8 0;
		char comm[16] 40 16 0; char raw[8] 56 8 0; __data_loc char[] str 64 4 0; __rel_loc char[] rel 68 4 0; __data_loc char[] bytes 72 4 0;
		u32 arr[3] 76 12 0; __data_loc u16[] seq 88 4 0; __rel_loc s32[] rseq 92 4 1; u8 tail[] 96 0 0
		| "%s", __get_str(str), __get_rel_str(rel)`,
}

const common = `name: NAME
ID: 77
format:
	field:unsigned short common_type;	offset:0;	size:2;	signed:0;
	field:unsigned char common_flags;	offset:2;	size:1;	signed:0;
	field:unsigned char common_preempt_count;	offset:3;	size:1;	signed:0;
	field:int common_pid;	offset:4;	size:4;	signed:1;

`

// format parses a declaration.
func format(t testing.TB, event string) *ftrace.Format {
	t.Helper()
	system, name, _ := strings.Cut(event, ":")
	fields, print, _ := strings.Cut(declarations[event], "|")
	var b strings.Builder
	b.WriteString(strings.Replace(common, "NAME", name, 1))
	for decl := range strings.SplitSeq(fields, ";") {
		w := strings.Fields(decl)
		n := len(w) - 3
		b.WriteString("\tfield:" + strings.Join(w[:n], " ") + ";\toffset:" + w[n] + ";\tsize:" + w[n+1] + ";\tsigned:" + w[n+2] + ";\n")
	}
	b.WriteString("\nprint fmt: " + strings.TrimSpace(print) + "\n")
	f, err := ftrace.ParseFormat(system, []byte(b.String()))
	check(t, err)
	return f
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func parse(t testing.TB, text string) *filter.Expr {
	t.Helper()
	e, err := filter.Parse(text)
	check(t, err)
	return e
}
