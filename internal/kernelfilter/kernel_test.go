// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package kernelfilter

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/weir-io/weir/internal/kernel/ftrace"
	"github.com/weir-io/weir/internal/kernel/tracefs"
	"github.com/weir-io/weir/internal/kerneltrace"
	"github.com/weir-io/weir/internal/peer"
	"golang.org/x/sys/unix"
	"pgregory.net/rapid"
)

// mounted opens the kernel's tracefs.
func mounted(t testing.TB) *tracefs.FS {
	t.Helper()
	peer.Root(t, "to trace the kernel")
	fs, err := tracefs.Find()
	if err != nil {
		peer.Lack(t, "tracefs: %v", err)
	}
	t.Cleanup(func() { fs.Close() })
	return fs
}

// recorder is an instance with its rings.
type recorder struct {
	t      testing.TB
	in     *tracefs.Instance
	rings  []*tracefs.Ring
	layout ftrace.Layout
	page   []byte
}

func newRecorder(t testing.TB, fs *tracefs.FS) *recorder {
	t.Helper()
	name := fmt.Sprintf("weir-kernelfilter-%d-%d", os.Getpid(), time.Now().UnixNano())
	in, err := fs.Create(name, tracefs.InstanceOptions{Clock: "mono", RingBytes: 4 << 20})
	check(t, err)
	r := &recorder{t: t, in: in}
	t.Cleanup(func() {
		for _, ring := range r.rings {
			ring.Close()
		}
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := in.Remove(ctx); err != nil {
			t.Error(err)
		}
	})
	header, err := in.HeaderPage()
	check(t, err)
	r.layout, err = ftrace.ParseHeaderPage(header)
	check(t, err)
	cpus, err := in.CPUs()
	check(t, err)
	for _, cpu := range cpus {
		ring, err := in.OpenRing(cpu)
		check(t, err)
		r.rings = append(r.rings, ring)
		r.page = make([]byte, ring.SubbufferBytes())
	}
	return r
}

// filter sets a filter, or none.
func (r *recorder) filter(n tracefs.EventName, kernel string) {
	r.t.Helper()
	if kernel == "" {
		check(r.t, r.in.ClearFilter(n))
		return
	}
	check(r.t, r.in.SetFilter(n, kernel))
}

// records empties the rings and hands each record of an event over.
func (r *recorder) records(id uint16, each func(cpu int, record []byte)) {
	r.t.Helper()
	r.between(id, 0, math.MaxUint64, each)
}

// between is records for those from a time of the clock to another.
func (r *recorder) between(id uint16, begin, end uint64, each func(cpu int, record []byte)) {
	r.t.Helper()
	for cpu, ring := range r.rings {
		_, err := ring.DrainEmpty(r.page, func(b []byte) error {
			page, err := r.layout.Page(b)
			if err != nil {
				return err
			}
			records := page.Records()
			for records.Next() {
				if record := records.Payload(); binary.NativeEndian.Uint16(record) == id && begin <= records.Time && records.Time <= end {
					each(cpu, record)
				}
			}
			return records.Err()
		})
		check(r.t, err)
	}
}

func kernelFormat(t testing.TB, fs *tracefs.FS, n tracefs.EventName) *ftrace.Format {
	t.Helper()
	text, err := fs.Format(n, nil)
	check(t, err)
	f, err := ftrace.ParseFormat(n.System, text)
	check(t, err)
	return f
}

// The kernel must take every filter that a translation made.
func TestKernelTakesFilters(t *testing.T) {
	fs := mounted(t)
	r := newRecorder(t, fs)
	taken := 0
	for _, tt := range translations {
		n, err := tracefs.ParseEventName(tt.event)
		check(t, err)
		if tt.kernel == "" || n.System == "test" {
			continue
		}
		text, err := fs.Format(n, nil)
		if errors.Is(err, tracefs.ErrNoEvent) {
			continue // another kernel
		}
		check(t, err)
		f, err := ftrace.ParseFormat(n.System, text)
		check(t, err)
		kernel, _, err := Translate(parse(t, tt.expression), f, kerneltrace.LTTng)
		var fe *FieldError
		if errors.As(err, &fe) {
			continue // another kernel, too
		}
		check(t, err)
		if err := r.in.SetFilter(n, kernel); err != nil {
			var fe *tracefs.FilterError
			if errors.As(err, &fe) {
				t.Errorf("%s: %s: %v\n%s", tt.event, tt.expression, err, fe.Caret())
				continue
			}
			t.Fatal(err)
		}
		taken++
	}
	if taken < 40 {
		t.Errorf("%d filters were tried, want 40", taken)
	}
}

// All fields of all events, compared with something that they can be: the
// kernel must know each as the translation does.
func TestKernelKnowsFields(t *testing.T) {
	fs := mounted(t)
	r := newRecorder(t, fs)
	events, err := fs.Events()
	check(t, err)
	fields, left := 0, 0
	for i, n := range events {
		if n.System == "ftrace" || i%8 != 0 && n.System != "sched" { // each takes milliseconds
			continue
		}
		f := kernelFormat(t, fs, n)
		var terms []string
		for i := range f.Fields {
			name := f.Fields[i].Name
			for _, compared := range []string{name + " != 7777", name + ` != "x*y"`} {
				kernel, exact, err := Translate(parse(t, compared), f, kerneltrace.Tracefs)
				if err == nil && exact && kernel != "" {
					terms = append(terms, compared)
					fields++
				} else if err == nil {
					left++
				}
			}
		}
		if len(terms) == 0 {
			continue
		}
		kernel, _, err := Translate(parse(t, strings.Join(terms, " && ")), f, kerneltrace.Tracefs)
		check(t, err)
		if err := r.in.SetFilter(n, kernel); err != nil {
			t.Errorf("%s: %s: %v", n, kernel, err)
		}
	}
	t.Logf("%d comparisons of fields, %d are not the kernel's", fields, left)
	if fields < 500 {
		t.Errorf("%d comparisons, want 500", fields)
	}
}

// probed is where the kernel records the registers of Go's calls. It must not
// look at its stack, which would begin it twice.
//
//go:noinline
//go:nosplit
func probed(seq, narrow, wide uint64, text *byte) uint64 { return seq ^ narrow ^ wide ^ uint64(*text) }

// probe makes an event of the calls of probed.
func probe(t testing.TB, fs *tracefs.FS) tracefs.EventName {
	t.Helper()
	if runtime.GOARCH != "amd64" {
		peer.Lack(t, "registers of amd64")
	}
	program, offset := placeOf(t, reflect.ValueOf(probed).Pointer())
	n := tracefs.EventName{System: fmt.Sprintf("weir_kernelfilter_%d", os.Getpid()), Name: "probed"}
	err := fs.AddProbe(tracefs.Probe{Event: n, Path: program, Offset: offset, Args: []string{
		"seq=%ax:u64", "a=%bx:s8", "b=%bx:u8", "c=%bx:s16", "d=%bx:u16", "e=%cx:s32", "f=%cx:u32", "g=%cx:s64", "h=%cx:u64", "str=+0(%di):string",
	}})
	var missing *tracefs.MissingError
	if errors.As(err, &missing) {
		peer.Lack(t, "probes of programs: %v", err)
	}
	check(t, err)
	t.Cleanup(func() { check(t, fs.RemoveProbe(n)) })
	return n
}

// placeOf returns the file that code is in, and where.
func placeOf(t testing.TB, pc uintptr) (file string, offset uint64) {
	t.Helper()
	maps, err := os.Open("/proc/self/maps")
	check(t, err)
	defer maps.Close()
	for s := bufio.NewScanner(maps); s.Scan(); {
		var start, end, at uint64
		var mode, device, inode string
		if _, err := fmt.Sscanf(s.Text(), "%x-%x %s %x %s %s %s", &start, &end, &mode, &at, &device, &inode, &file); err == nil &&
			start <= uint64(pc) && uint64(pc) < end {
			return file, uint64(pc) - start + at
		}
	}
	t.Fatalf("no file has the code at %#x", pc)
	return "", 0
}

// The kernel itself decides about random values: what it drops the expression
// must not keep, and where the translation is exact it keeps nothing else.
func TestKernelMeansExpression(t *testing.T) {
	fs := mounted(t)
	n := probe(t, fs)
	f := kernelFormat(t, fs, n)
	r := newRecorder(t, fs)
	check(t, r.in.Enable(n))
	check(t, r.in.SetTracing(true))
	defer func() { check(t, r.in.DisableAll()) }()
	numbers, texts := []string{"a", "b", "c", "d", "e", "f", "g", "h"}, []string{"str"}
	kept, dropped, exact := 0, 0, 0
	rapid.Check(t, func(rt *rapid.T) {
		text := grammar{draw{rt}, numbers, texts}.condition(3)
		e := parse(t, text)
		kernel, isExact, err := Translate(e, f, kerneltrace.LTTng)
		check(t, err)
		r.filter(n, kernel)
		var calls []facts
		for seq := range rapid.IntRange(1, 40).Draw(rt, "calls") {
			narrow, wide := draw{rt}.word(), draw{rt}.word()
			s := rapid.SampledFrom(samples).Draw(rt, "text")
			probed(uint64(seq), narrow, wide, &append([]byte(s), 0)[0])
			calls = append(calls, facts{
				"a": extend(narrow, 1, true), "b": extend(narrow, 1, false), "c": extend(narrow, 2, true), "d": extend(narrow, 2, false),
				"e": extend(wide, 4, true), "f": extend(wide, 4, false), "g": int64(wide), "h": int64(wide), "str": s,
			})
		}
		recorded := make([]int, len(calls))
		keep, err := Compile(e, f, kerneltrace.LTTng)
		check(t, err)
		r.records(f.ID, func(_ int, record []byte) {
			seq := binary.NativeEndian.Uint64(record[f.Fields[1].Offset:])
			recorded[seq]++
			if want := calls[seq].keeps(e.Root()); keep(record) != want {
				rt.Errorf("%s: function says %v of %v", text, !want, calls[seq])
			}
		})
		for i, m := range calls {
			want := m.keeps(e.Root())
			if recorded[i] > 1 || want && recorded[i] == 0 || isExact && !want && recorded[i] > 0 {
				rt.Errorf("%s: kernel's %s has recorded %d times, want %v: %v", text, kernel, recorded[i], want, m)
			}
			kept, dropped = kept+recorded[i], dropped+1-recorded[i]
		}
		exact += int(truth(isExact))
	})
	t.Logf("%d events recorded, %d dropped, %d filters exact", kept, dropped, exact)
	if kept == 0 || dropped == 0 || exact == 0 {
		t.Errorf("%d events recorded, %d dropped, %d filters exact, want some of each", kept, dropped, exact)
	}
}

// twoRecorders record an event of this thread and of what it starts, one with the
// kernel's filter and one without.
func twoRecorders(t testing.TB, fs *tracefs.FS, n tracefs.EventName, kernel string) (filtered, plain *recorder) {
	t.Helper()
	filtered, plain = newRecorder(t, fs), newRecorder(t, fs)
	filtered.filter(n, kernel)
	for _, r := range []*recorder{filtered, plain} {
		check(t, r.in.SetOption("event-fork", true))
		check(t, r.in.SetPIDs([]int{unix.Gettid()}))
		check(t, r.in.Enable(n))
	}
	for _, r := range []*recorder{filtered, plain} {
		check(t, r.in.SetTracing(true))
	}
	return filtered, plain
}

// What a workload leaves with the kernel's filter must be what the function keeps
// of all.
func TestKernelFilterCountsLikeFunction(t *testing.T) {
	fs := mounted(t)
	sh := peer.Need(t, "sh")
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	tid := unix.Gettid()
	workload := func() {
		for i := range 200 {
			name := fmt.Sprintf("weir%d", i%20)
			rename(t, name)
			// Arguments with anything in the half that does not count.
			unix.Syscall(unix.SYS_LSEEK, uintptr(uint64(i)<<32|uint64(uint32(int32(i-300)))), uintptr(i-100), 99)
			if fd, err := unix.Openat(unix.AT_FDCWD, []string{"/dev/null", "/proc/self/stat", "/no/such"}[i%3], unix.O_RDONLY|unix.O_CLOEXEC, 0); err == nil {
				unix.Close(fd)
			}
		}
		out, err := exec.Command(sh, "-c", "for i in 1 2 3; do cat /proc/self/status | head -c 10; done; true").CombinedOutput()
		if err != nil {
			t.Errorf("workload: %v\n%s", err, out)
		}
	}
	host, err := os.Hostname()
	check(t, err)
	for _, tt := range []struct{ event, expression string }{
		{"task:task_rename", `newcomm == "weir1*"`},
		{"task:task_rename", `newcomm == "*1" || oldcomm == "w*r*5"`},
		{"task:task_rename", `newcomm != "weir1" && oom_score_adj >= 0`},
		{"syscalls:sys_enter_lseek", `fd == 4294967036`},
		{"syscalls:sys_enter_lseek", `fd < 4294967100 && offset > -50`},
		{"syscalls:sys_enter_lseek", `offset == -100 || offset == 7 || whence & 1 && offset < -90`},
		{"syscalls:sys_enter_openat", `dfd == -100`},
		{"syscalls:sys_enter_openat", `dfd == -100 && (flags & 0x80000) == 0x80000`},
		{"syscalls:sys_exit_openat", `ret < 0`},
		{"sched:sched_switch", fmt.Sprintf(`prev_tid == %d || next_comm == "c*"`, tid)},
		{"sched:sched_switch", `prev_prio == 20 && prev_state & 3`},
		{"sched:sched_switch", `!(prev_state == 0) && (next_prio | 1) > 20`},
		{"sched:sched_process_fork", `child_tid > 1 && parent_comm == "s*"`},
		{"sched:sched_process_exec", `filename == "*cat"`},
		{"sched:sched_waking", `$ctx.interruptible == 0 && $ctx.hostname == "` + host + `"`},
		{"sched:sched_waking", `$ctx.tid != 0 && $ctx.preemptible`},
		{"sched:sched_waking", `$ctx.cpu_id == 0`},
		{"sched:sched_waking", `$ctx.cpu_id > 0 && target_cpu == 0`},
		{"timer:hrtimer_start", `softexpires > 1000 && mode != 0`},
		{"kmem:kmalloc", `bytes_req > 100 && bytes_alloc < 4096`},
	} {
		n, err := tracefs.ParseEventName(tt.event)
		check(t, err)
		f := kernelFormat(t, fs, n)
		e := parse(t, tt.expression)
		kernel, exact, err := Source{Hostname: host}.Translate(e, f, kerneltrace.LTTng)
		check(t, err)
		filtered, plain := twoRecorders(t, fs, n, kernel)
		begin := monotonic(t)
		workload()
		end := monotonic(t)
		for _, r := range []*recorder{filtered, plain} {
			check(t, r.in.SetTracing(false))
			check(t, r.in.DisableAll())
		}
		all, want, got := 0, 0, 0
		count := func(counter *int) func(int, []byte) {
			return func(cpu int, record []byte) {
				keep, err := Source{CPU: cpu + 1, Hostname: host}.Compile(e, f, kerneltrace.LTTng)
				check(t, err)
				*counter += int(truth(keep(record)))
				all++
			}
		}
		plain.between(f.ID, begin, end, count(&want))
		everything := all
		all = 0
		filtered.between(f.ID, begin, end, count(&got))
		t.Logf("%s: %s: %d of %d, kernel kept %d (exact %v)", tt.event, tt.expression, want, everything, all, exact)
		// One that happened elsewhere at the begin or the end may be in time for
		// one of the two clocks' readings only.
		if slack := 2 * int(truth(n.System == "sched" || n.System == "timer")); abs(got-want) > slack || exact && all != got || everything == 0 {
			t.Errorf("%s: %s: kernel's %s kept %d, of which %d, want %d of %d", tt.event, tt.expression, kernel, all, got, want, everything)
		}
	}
}

// rename gives the thread a name.
func rename(t testing.TB, name string) {
	t.Helper()
	check(t, os.WriteFile("/proc/thread-self/comm", []byte(name), 0))
}

// monotonic is the time of the instances' clock.
func monotonic(t testing.TB) uint64 {
	t.Helper()
	var now unix.Timespec
	check(t, unix.ClockGettime(unix.CLOCK_MONOTONIC, &now))
	return uint64(now.Nano())
}

func abs(n int) int { return max(n, -n) }

// What only the kernel knows: names of threads and strings of the program's.
func TestKernelAlone(t *testing.T) {
	fs := mounted(t)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	rename(t, "weirtest")
	n := tracefs.EventName{System: "syscalls", Name: "sys_enter_openat"}
	f := kernelFormat(t, fs, n)
	for _, tt := range []struct {
		expression string
		want       int
	}{
		{`filename == "/no/such/*" && (dfd ^ 1) != 0`, 20},
		{`filename == "/no/such/7"`, 1},
		{`filename == "*7"`, 2},
		{`$ctx.procname == "weirtest" && filename == "*such*"`, 20},
		{`$ctx.procname != "*test"`, 0},
	} {
		s, err := Source{}.Split(parse(t, tt.expression), f, kerneltrace.LTTng)
		check(t, err)
		filtered, plain := twoRecorders(t, fs, n, s.Kernel)
		for i := range 20 {
			unix.Open(fmt.Sprintf("/no/such/%d", i), unix.O_RDONLY, 0)
		}
		check(t, filtered.in.SetTracing(false))
		check(t, plain.in.SetTracing(false))
		got := 0
		filtered.records(f.ID, func(_ int, record []byte) {
			if s.Keep == nil || s.Keep(record) {
				got++
			}
		})
		if got != tt.want {
			t.Errorf("%s: %d events, want %d", tt.expression, got, tt.want)
		}
	}
}
