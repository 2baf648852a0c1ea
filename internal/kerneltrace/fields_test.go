// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package kerneltrace

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/internal/kernel/ftrace"
)

// loc is where a field's data is: offset and length.
func loc(offset, length int) int { return offset | length<<16 }

// Each kind of field, as babeltrace2 prints it.
func TestKindsOfFields(t *testing.T) {
	name16 := func(s string) string { return s + strings.Repeat("\x00", 16-len(s)) }
	key := [16]byte{1, 2, 3}
	for _, tt := range []struct {
		name    string
		o       Options
		system  string
		event   string
		fields  []string
		payload []byte
		want    string
		bad     uint64
	}{
		{
			"integers",
			Options{},
			"sys", "e",
			[]string{"u8 a 8 1 0", "s8 b 9 1 1", "u16 c 10 2 0", "int d 12 4 1", "u64 e 16 8 0", "bool f 24 1 0"},
			words(0x0201_fe05, -7, uint64(1<<63), 1), "{ a = 5, b = -2, c = 513, d = -7, e = 9223372036854775808, f = 1 }", 0,
		},
		{
			"hex",
			Options{},
			"sys", "e",
			[]string{"u32 a 8 4 0", "void * p 16 8 0", `print "%x", REC->a`},
			words(255, 0, uint64(1<<48)), "{ a = 0xFF, p = 0x1000000000000 }", 0,
		},
		{
			"enum",
			Options{},
			"sys", "e",
			[]string{"int a 8 4 1", "int b 12 4 1", `print "%s %s", __print_symbolic(REC->a, { 0xffffffff, "minus" }), __print_symbolic(REC->b, { 1, "b ad" }, { 2, "int" })`},
			words(-1, 2), `{ a = ( "minus" : container = -1 ), b = ( "int" : container = 2 ) }`, 0,
		},
		{
			"enum too large",
			Options{},
			"sys", "e",
			[]string{"u8 a 8 1 0", `print "%s", __print_symbolic(REC->a, { 256, "x" })`},
			words(1), `{ a = 1 }`, 0,
		},
		{
			"texts",
			Options{},
			"sys", "e",
			[]string{"char a[16] 8 16 0", "char b[4] 24 4 0", "char c[3] 28 3 0"},
			words("name\x00old garbage", "ab\x00cxyz."), `{ a = "name", b = "ab", c = "xyz" }`, 0,
		},
		{"full text", Options{}, "sys", "e", []string{"char a[16] 8 16 0"}, words("0123456789abcdef"), `{ a = "0123456789abcdef" }`, 0},
		{"array", Options{}, "sys", "e", []string{"u16 a[3] 8 6 0"}, words(0x0002_0001, 3), `{ a = [ [0] = 1, [1] = 2, [2] = 3 ] }`, 0},
		{
			"strings",
			Options{},
			"sys", "e",
			[]string{"__data_loc char[] a 8 4 0", "int v 12 4 1", "__data_loc char[] b 16 4 0", "__rel_loc char[] c 20 4 0"},
			words(loc(24, 6), 9, loc(30, 3), loc(10, 4), "hello\x00no\x00", "rel\x00\x00"), `{ a = "hello", v = 9, b = "no", c = "el" }`, 0,
		},
		{
			"long string",
			Options{},
			"sys", "e",
			[]string{"__data_loc char[] a 8 4 0"},
			words(loc(12, 101), strings.Repeat("l", 100), "\x00"), `{ a = "` + strings.Repeat("l", 100) + `" }`, 0,
		},
		{"string without end", Options{}, "sys", "e", []string{"__data_loc char[] a 8 4 0"}, words(loc(12, 4), "abcd"), `{ a = "abcd" }`, 0},
		{
			"outside",
			Options{},
			"sys", "e",
			[]string{"__data_loc char[] a 8 4 0", "__data_loc u32[] b 12 4 0", "int v 16 4 1"},
			words(loc(20, 1), loc(0xffff, 0xffff), 3), `{ a = "", _b_length = 0, b = [ ], v = 3 }`, 2,
		},
		{
			"sequences",
			Options{},
			"sys", "e",
			[]string{"__data_loc u16[] a 8 4 0", "__rel_loc s32[] b 12 4 1", "__data_loc cpumask_t m 16 4 0"},
			words(loc(20, 4), loc(8, 4), loc(28, 8), 0x0002_0001, -1, uint64(3)), `{ _a_length = 2, a = [ [0] = 1, [1] = 2 ], _b_length = 1, b = [ [0] = -1 ], _m_length = 1, m = [ [0] = 0x3 ] }`, 0,
		},
		{"open", Options{}, "ftrace", "print", []string{"unsigned long ip 8 8 0", "char buf[] 16 0 0"}, words(uint64(1), "text\n\x00"), `{ ip = 1, buf = "text\n" }`, 0},
		{"open words", Options{}, "ftrace", "bprint", []string{"u32 buf[] 8 0 0"}, words(1, 2), `{ _buf_length = 2, buf = [ [0] = 1, [1] = 2 ] }`, 0},
		{"raw", Options{}, "ftrace", "raw_data", []string{"unsigned int id 8 4 0", "char buf[] 12 0 0"}, words(7, "\x01\x02\x00\x04"), `{ id = 7, _buf_length = 4, buf = [ [0] = 1, [1] = 2, [2] = 0, [3] = 4 ] }`, 0},
		{
			"stack",
			Options{},
			"ftrace", "kernel_stack",
			[]string{"int size 8 4 1", "unsigned long caller[8] 16 64 0"},
			words(2, 0, uint64(0x10), uint64(0x20)), `{ _caller_length = 2, caller = [ [0] = 0x10, [1] = 0x20 ] }`, 0,
		},
		{
			"stack cut",
			Options{},
			"ftrace", "kernel_stack",
			[]string{"int size 8 4 1", "unsigned long caller[8] 16 64 0"},
			words(3, 0, uint64(0x10), uint64(0x20)), `{ _caller_length = 2, caller = [ [0] = 0x10, [1] = 0x20 ] }`, 1,
		},
		{
			"user stack",
			Options{},
			"ftrace", "user_stack",
			[]string{"unsigned int tgid 8 4 0", "unsigned long caller[8] 16 64 0"},
			words(5, 0, uint64(0x10), uint64(0), uint64(0x30)), `{ tgid = 5, _caller_length = 1, caller = [ [0] = 0x10 ] }`, 0,
		},
		{"names", Options{}, "sys", "e", []string{"int event 8 4 1", "int __x 12 4 1", "int a.b 16 4 1"}, words(1, 2, 3), `{ event = 1, __x = 2, a_b = 3 }`, 0},
		{
			"pointers hashed",
			Options{PointerKey: &key},
			"sys", "e",
			[]string{"int a 8 4 1", "void * p 16 8 0", "void * q 24 8 0", "void * r 32 8 0"},
			words(1, 0, uint64(0), uint64(77), uint64(77)), fmt.Sprintf("{ a = 1, p = 0x0, q = 0x%X, r = 0x%[1]X }", (&Table{opts: Options{PointerKey: &key}}).hash(77)), 0,
		},
		{
			"switch",
			Options{},
			"sched", "sched_switch",
			[]string{"char prev_comm[16] 8 16 0", "pid_t prev_pid 24 4 1", "int prev_prio 28 4 1", "long prev_state 32 8 1", "char next_comm[16] 40 16 0", "pid_t next_pid 56 4 1", "int next_prio 60 4 1"},
			words(name16("a"), 1, 120, uint64(2), name16("b"), 3, 99), `{ prev_comm = "a", prev_tid = 1, prev_prio = 20, prev_state = 2, next_comm = "b", next_tid = 3, next_prio = -1 }`, 0,
		},
		{
			"fork",
			Options{},
			"sched", "sched_process_fork",
			[]string{"__data_loc char[] parent_comm 8 4 0", "pid_t parent_pid 12 4 1", "__data_loc char[] child_comm 16 4 0", "pid_t child_pid 20 4 1"},
			words(loc(24, 2), 1, loc(26, 2), 3, "p\x00c\x00"), `{ parent_comm = "p", parent_tid = 1, parent_pid = -1, child_comm = "c", child_tid = 3, child_pid = 3 }`, 0,
		},
		{
			"fork as the kernel names it",
			Options{Naming: Tracefs},
			"sched", "sched_process_fork",
			[]string{"__data_loc char[] parent_comm 8 4 0", "pid_t parent_pid 12 4 1"},
			words(loc(16, 2), 1, "p\x00"), `{ parent_comm = "p", parent_pid = 1 }`, 0,
		},
		{
			"block",
			Options{},
			"block", "block_rq_issue",
			[]string{"dev_t dev 8 4 0", "char rwbs[8] 12 8 0", "char comm[16] 20 16 0"},
			words(1, "FWFSM\x00\x00\x00", name16("d")), `{ tid = 42, dev = 1, rwbs = 0x661, rwbs_text = "FWFSM", comm = "d" }`, 0,
		},
		{
			"system call",
			Options{},
			"syscalls", "sys_enter_openat",
			[]string{"int __syscall_nr 8 4 1", "int dfd 16 8 0", "const char * filename 24 8 0", "umode_t mode 32 8 0", "size_t n 40 8 0", "loff_t o 48 8 0"},
			words(257, 0, uint64(0xffffff9c), uint64(0x7f), uint64(0o644), uint64(1<<40), ^uint64(0)), `{ dfd = -100, filename = 0x7F, mode = 420, n = 1099511627776, o = -1 }`, 0,
		},
		{
			"system call's end",
			Options{},
			"syscalls", "sys_exit_openat",
			[]string{"int __syscall_nr 8 4 1", "long ret 16 8 1", `print "0x%lx", REC->ret`},
			words(257, 0, ^uint64(1)), `{ ret = -2 }`, 0,
		},
		{
			"system call as the kernel names it",
			Options{Naming: Tracefs},
			"syscalls", "sys_enter_close",
			[]string{"int __syscall_nr 8 4 1", "unsigned int fd 16 8 0"},
			words(3, 0, uint64(5)), `{ __syscall_nr = 3, fd = 5 }`, 0,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			table := newTable(t, tt.o)
			_, err := table.Declare(format(t, tt.system, tt.event, 7, tt.fields...))
			check(t, err)
			var p packets
			c := NewConverter(table, ConverterOptions{}, &p)
			// At a page's end, in its middle, and beyond the middle: copies go by
			// blocks where memory follows.
			page := newPage(1)
			for range 3 {
				page.add(1, 7, 0, 0, 42, tt.payload)
			}
			b := page.bytes(0)
			check(t, c.Page(slices.Clip(b[:len(page.b)])))
			check(t, c.Close(1, 0))
			for _, line := range p.text(t, table) {
				_, got, _ := strings.Cut(line, "common_preempt_count = 0 }, ")
				if got != tt.want {
					t.Errorf("payload %s, want %s", got, tt.want)
				}
			}
			if n := c.Counts(); n.BadRecords != 3*tt.bad || n.Events != 3 {
				t.Errorf("counts %+v, want %d bad of 3", n, 3*tt.bad)
			}
		})
	}
}

func TestRWBS(t *testing.T) {
	for text, want := range map[string]uint32{
		"":     0,
		"R":    rwbsRead,
		"RA":   rwbsRead | rwbsAhead,
		"WS":   rwbsWrite | rwbsSync,
		"WFS":  rwbsWrite | rwbsFUA | rwbsSync,
		"FWFS": rwbsPreflush | rwbsWrite | rwbsFUA | rwbsSync,
		"FF":   rwbsPreflush | rwbsFlush,
		"FFS":  rwbsPreflush | rwbsFlush | rwbsSync,
		"F":    rwbsFlush,
		"FS":   rwbsFlush | rwbsSync,
		"D":    rwbsDiscard,
		"DE":   rwbsDiscard | rwbsSecure,
		"DS":   rwbsDiscard | rwbsSync,
		"N":    0,
		"RM":   rwbsRead | rwbsMeta,
		"FN":   rwbsPreflush,
	} {
		for _, pad := range []string{"", "\x00", "\x00xx"} {
			if got := rwbs([]byte(text + pad)); got != want {
				t.Errorf("rwbs(%q) = %#x, want %#x", text+pad, got, want)
			}
		}
	}
}

func TestEventNames(t *testing.T) {
	for _, tt := range []struct{ system, name, lttng string }{
		{"sched", "sched_switch", "sched_switch"},
		{"syscalls", "sys_enter_openat", "syscall_entry_openat"},
		{"syscalls", "sys_exit_openat", "syscall_exit_openat"},
		{"raw_syscalls", "sys_enter", "sys_enter"},
		{"irq_vectors", "local_timer_entry", "x86_irq_vectors_local_timer_entry"},
		{"irq_vectors", "x86_platform_ipi_exit", "x86_irq_vectors_ipi_exit"},
		{"exceptions", "page_fault_user", "x86_exceptions_page_fault_user"},
		{"irq", "softirq_raise", "irq_softirq_raise"},
		{"irq", "irq_handler_entry", "irq_handler_entry"},
		{"timer", "hrtimer_start", "timer_hrtimer_start"},
		{"timer", "timer_start", "timer_start"},
		{"kmem", "kmalloc", "kmem_kmalloc"},
		{"kmem", "kmem_cache_alloc", "kmem_cache_alloc"},
		{"net", "netif_receive_skb_list_exit", "net_if_receive_skb_list_exit"},
		{"net", "netif_rx", "net_if_rx"},
		{"net", "napi_gro_frags_entry", "net_napi_gro_frags_entry"},
		{"net", "net_dev_queue", "net_dev_queue"},
		{"skb", "kfree_skb", "skb_kfree"},
		{"power", "cpu_idle", "power_cpu_idle"},
		{"compaction", "mm_compaction_migratepages", "compaction_migratepages"},
		{"compaction", "mm_compaction_begin", "mm_compaction_begin"},
		{"vmscan", "mm_shrink_slab_start", "mm_vmscan_shrink_slab_start"},
		{"writeback", "folio_wait_writeback", "writeback_folio_wait"},
		{"writeback", "balance_dirty_pages", "writeback_balance_dirty_pages"},
		{"printk", "console", "printk_console"},
		{"btrfs", "add_delayed_ref_head", "btrfs_add_delayed_ref_head"},
		{"kvm", "kvm_exit", "kvm_x86_exit"},
		{"kvm", "kvm_mmio", "kvm_mmio"},
		{"kvmmmu", "fast_page_fault", "kvm_mmu_fast_page_fault"},
	} {
		if got := LTTng.EventName(tt.system, tt.name); got != tt.lttng {
			t.Errorf("EventName(%s:%s) = %s, want %s", tt.system, tt.name, got, tt.lttng)
		}
		if got, want := Tracefs.EventName(tt.system, tt.name), tt.system+":"+tt.name; got != want {
			t.Errorf("EventName(%s:%s) = %s, want %s", tt.system, tt.name, got, want)
		}
	}
}

// corpus is the declarations in the testdata of package ftrace.
func corpus(t testing.TB) []*ftrace.Format {
	t.Helper()
	paths, err := filepath.Glob("../kernel/ftrace/testdata/formats/*")
	check(t, err)
	var all []*ftrace.Format
	for _, path := range paths {
		text, err := os.ReadFile(path)
		check(t, err)
		system, _, _ := strings.Cut(filepath.Base(path), ".")
		f, err := ftrace.ParseFormat(system, text)
		check(t, err)
		all = append(all, f)
	}
	return all
}

// Whatever bytes are in a page, the packets are as their metadata say.
func FuzzPage(f *testing.F) {
	paths, err := filepath.Glob("../kernel/ftrace/testdata/pages/*")
	check(f, err)
	for _, path := range paths {
		b, err := os.ReadFile(path)
		check(f, err)
		f.Add(b)
	}
	formats := corpus(f)
	page := newPage(7)
	for _, format := range formats {
		page.add(8, int(format.ID), 0, 0, 1, make([]byte, 100))
	}
	f.Add(page.bytes(3))
	plain := newTable(f, Options{})
	full := newTable(f, Options{Contexts: everyContext(), Hostname: "h", PointerKey: new([16]byte)})
	for _, format := range formats {
		for _, table := range []*Table{plain, full} {
			_, err := table.Declare(format)
			check(f, err)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, table := range []*Table{plain, full} {
			trace := ctf.NewTrace(table.trace, ctf.Options{Window: 1 << 12})
			feed := trace.NewFeed("c_0")
			sink := ctf.PacketFunc(func(packet []byte, _ ctf.PacketInfo) error {
				feed.Packet(slices.Clone(packet))
				return nil
			})
			c := NewConverter(table, ConverterOptions{PacketBytes: 4096, Tasks: new(Tasks)}, sink)
			_ = c.Page(slices.Clip(b))
			check(t, c.Close(0, 0))
			feed.End()
			if got := eventsOf(t, &feed.Cursor); got != c.Counts().Events {
				t.Errorf("%d events are read, %d were written", got, c.Counts().Events)
			}
			sameAsSlowly(t, table, ConverterOptions{PacketBytes: 4096, Tasks: new(Tasks)}, [][]byte{b, b}, 0)
		}
	})
}

func eventsOf(t testing.TB, c *ctf.Cursor) (n uint64) {
	t.Helper()
	for {
		kind, err := c.Next()
		if errors.Is(err, io.EOF) {
			return n
		}
		check(t, err)
		if kind == ctf.EventRecord {
			n++
		}
	}
}

// A page that ends anywhere gives a part of its events.
func TestPagesCutAtEveryByte(t *testing.T) {
	table := newTable(t, Options{Contexts: everyContext()})
	page := newPage(7)
	for _, format := range corpus(t) {
		_, err := table.Declare(format)
		check(t, err)
		page.add(8, int(format.ID), 0, 0, 1, make([]byte, 60))
	}
	b := page.bytes(0)
	discard := ctf.PacketFunc(func([]byte, ctf.PacketInfo) error { return nil })
	c := NewConverter(table, ConverterOptions{}, discard)
	for n := range len(page.b) {
		_ = c.Page(b[:n:n])
		// The same with a length that fits.
		cut := slices.Clone(b[:n:n])
		if n >= 16 {
			cut[8], cut[9] = byte(n-16), byte((n-16)>>8)
			_ = c.Page(slices.Clip(cut))
		}
	}
	check(t, c.Close(0, 0))
	if c.Counts().Events == 0 {
		t.Error("no event was converted")
	}
}
