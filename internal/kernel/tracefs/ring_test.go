// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracefs

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/weir-io/weir/internal/peer"
	"golang.org/x/sys/unix"
)

// load lets an instance record some system calls of the calling thread.
func load(t testing.TB, in *Instance, calls int) {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	must(t, in.SetPIDs([]int{unix.Gettid()}))
	must(t, in.Enable(EventName{"raw_syscalls", "sys_enter"}))
	must(t, in.SetTracing(true))
	for range calls {
		unix.Getppid()
	}
	must(t, in.SetTracing(false))
	must(t, in.DisableAll())
}

// openRings opens all rings of an instance.
func openRings(t testing.TB, in *Instance) []*Ring {
	t.Helper()
	cpus, err := in.CPUs()
	if err != nil || len(cpus) == 0 {
		t.Fatalf("CPUs = %v, %v", cpus, err)
	}
	var rings []*Ring
	for _, cpu := range cpus {
		r, err := in.OpenRing(cpu)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { r.Close() })
		rings = append(rings, r)
	}
	return rings
}

// counter returns a line of the counters of all rings, added up.
func counter(t testing.TB, rings []*Ring, name string) (sum int) {
	t.Helper()
	b := make([]byte, 4096)
	for _, r := range rings {
		text, err := r.Stats(b)
		if err != nil {
			t.Fatal(err)
		}
		_, rest, ok := strings.Cut(string(text), name+": ")
		line, _, _ := strings.Cut(rest, "\n")
		n, err := strconv.Atoi(line)
		if !ok || err != nil {
			t.Fatalf("no counter %s in %q", name, text)
		}
		sum += n
	}
	return sum
}

func TestRecordAndRead(t *testing.T) {
	keepsDescriptors(t)
	fs := mounted(t)
	for _, subbuf := range []int{0, 64 << 10} {
		in := create(t, fs, InstanceOptions{Clock: "mono", SubbufferBytes: subbuf, RingBytes: 4 << 20})
		rings := openRings(t, in)
		for _, r := range rings {
			if ready, err := r.Wait(0); ready || err != nil {
				t.Errorf("Wait of an empty ring = %v, %v", ready, err)
			}
		}
		const calls = 10000
		load(t, in, calls)
		if n := counter(t, rings, "entries"); n < calls {
			t.Errorf("%d entries, want %d", n, calls)
		}
		got := 0
		for _, r := range rings {
			page := make([]byte, r.SubbufferBytes())
			if _, err := r.DrainEmpty(page, func(page []byte) error {
				got += length(page)
				return nil
			}); err != nil {
				t.Error(err)
			}
			if page, err := r.Read(page); page != nil || err != nil {
				t.Errorf("Read of a drained ring = %d bytes, %v", len(page), err)
			}
		}
		if got < calls*20 || counter(t, rings, "entries") != 0 || counter(t, rings, "read events") < calls {
			t.Errorf("read %d bytes, left %d events, read %d", got, counter(t, rings, "entries"), counter(t, rings, "read events"))
		}
	}
}

// What is full and not read is lost, and counted.
func TestLossModes(t *testing.T) {
	fs := mounted(t)
	for overwrite, lost := range map[bool]string{false: "dropped events", true: "overrun"} {
		in := create(t, fs, InstanceOptions{RingBytes: 16 << 10, Overwrite: overwrite})
		rings := openRings(t, in)
		const calls = 20000
		load(t, in, calls)
		if kept, gone := counter(t, rings, "entries"), counter(t, rings, lost); kept+gone < calls || gone == 0 {
			t.Errorf("overwrite %v: %d kept, %d lost of %d", overwrite, kept, gone, calls)
		}
	}
}

func TestWait(t *testing.T) {
	fs := mounted(t)
	in := create(t, fs, InstanceOptions{RingBytes: 256 << 10, WakePercent: 50})
	rings := openRings(t, in)
	load(t, in, 10)
	for _, r := range rings {
		if ready, err := r.Wait(time.Microsecond); ready || err != nil {
			t.Errorf("Wait with a few events = %v, %v, want to wait for half a ring", ready, err)
		}
	}
	load(t, in, 10000)
	ready := false
	for _, r := range rings {
		one, err := r.Wait(0)
		must(t, err)
		ready = ready || one
	}
	if !ready {
		t.Error("no ring is ready with half of it full")
	}
}

func TestReadingAllocatesNothing(t *testing.T) {
	fs := mounted(t)
	in := create(t, fs, InstanceOptions{RingBytes: 1 << 20})
	rings := openRings(t, in)
	page, text := make([]byte, rings[0].SubbufferBytes()), make([]byte, 4096)
	each := func([]byte) error { return nil }
	load(t, in, 10000)
	if n := testing.AllocsPerRun(100, func() {
		for _, r := range rings {
			_, err := r.Drain(page, each)
			must(t, err)
			_, err = r.Wait(0)
			must(t, err)
			_, err = r.Stats(text)
			must(t, err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// packets returns a ring whose pages are the packets that are sent to the other
// end.
func packets(t *testing.T, subbuf int) (*Ring, int) {
	t.Helper()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	must(t, err)
	t.Cleanup(func() { unix.Close(pair[1]) })
	r, err := NewRing(os.NewFile(uintptr(pair[0]), "pipe"), nil, subbuf)
	must(t, err)
	t.Cleanup(func() { r.Close() })
	return r, pair[1]
}

// page returns a page with a length of data, with the flags that the kernel puts
// into the word.
func page(subbuf, length int, flags uint64) []byte {
	b := make([]byte, subbuf)
	if pageHeader == 16 {
		binary.NativeEndian.PutUint64(b[8:], flags|uint64(length))
	} else {
		binary.NativeEndian.PutUint32(b[8:], uint32(flags)|uint32(length))
	}
	return b
}

func TestDrainStopsAtAShortPage(t *testing.T) {
	const subbuf = 4096
	limit := subbuf - 16 - subbuf/8
	for name, tt := range map[string]struct {
		lengths []int
		flags   uint64
		pages   int
	}{
		"nothing":           {nil, 0, 0},
		"short at once":     {[]int{8, 4080, 4080}, 0, 3},
		"short twice":       {[]int{8, 8, 4080}, 0, 2},
		"just short":        {[]int{4080, limit - 1, 4080}, 0, 2},
		"just full":         {[]int{4080, limit, 4080}, 0, 3},
		"flags of losses":   {[]int{4032, 4032}, 0xffffffffc0000000, 2},
		"flags and a short": {[]int{4032, 100, 4032}, 0xffffffffc0000000, 2},
		"empty":             {[]int{0, 0, 4080}, 0, 2},
	} {
		t.Run(name, func(t *testing.T) {
			r, peer := packets(t, subbuf)
			for _, n := range tt.lengths {
				must(t, unix.Send(peer, page(subbuf, n, tt.flags), 0))
			}
			var got []int
			each := func(b []byte) error { got = append(got, length(b)); return nil }
			n, err := r.Drain(make([]byte, subbuf), each)
			if n != tt.pages || err != nil || !slices.Equal(got, tt.lengths[:tt.pages]) {
				t.Errorf("Drain = %d, %v: %v", n, err, got)
			}
			if want := tt.pages > 0; r.busy != want {
				t.Errorf("after %d pages busy is %v", n, r.busy)
			}
			n, err = r.DrainEmpty(make([]byte, subbuf), each)
			if n != len(tt.lengths)-tt.pages || err != nil || !slices.Equal(got, tt.lengths) {
				t.Errorf("DrainEmpty = %d, %v: %v", n, err, got)
			}
		})
	}
}

func TestRingErrors(t *testing.T) {
	keepsDescriptors(t)
	r, peer := packets(t, 4096)
	must(t, unix.Send(peer, make([]byte, 100), 0))
	if _, err := r.Read(make([]byte, 4096)); err == nil || !strings.Contains(err.Error(), "got 100 of 4096 bytes") {
		t.Errorf("a part of a page: %v", err)
	}
	must(t, unix.Send(peer, page(4096, 4080, 0), 0))
	stop := errors.New("stop")
	if n, err := r.Drain(make([]byte, 4096), func([]byte) error { return stop }); n != 1 || err != stop {
		t.Errorf("Drain = %d, %v, want the caller's error", n, err)
	}
	if _, err := r.Stats(make([]byte, 10)); !errors.Is(err, unix.EBADF) {
		t.Errorf("Stats without the file: %v", err)
	}
	must(t, r.Close())
	must(t, r.Close())
	if _, err := r.Read(make([]byte, 4096)); !errors.Is(err, unix.EBADF) {
		t.Errorf("Read after Close: %v", err)
	}
	open := func() *os.File {
		f, err := os.Open(os.DevNull)
		must(t, err)
		return f
	}
	if _, err := NewRing(open(), open(), 16); err == nil {
		t.Error("a ring of sub-buffers of 16 bytes")
	}
	closed := open()
	must(t, closed.Close())
	if _, err := NewRing(closed, open(), 4096); !errors.Is(err, os.ErrClosed) {
		t.Errorf("NewRing of a closed file: %v", err)
	}
	if _, err := NewRing(open(), closed, 4096); !errors.Is(err, os.ErrClosed) {
		t.Errorf("NewRing with closed counters: %v", err)
	}
}

// A process without any privilege reads a ring whose files it is given.
func TestRingInAnotherProcess(t *testing.T) {
	fs := mounted(t)
	in := create(t, fs, InstanceOptions{RingBytes: 1 << 20})
	load(t, in, 5000)
	cpus, err := in.CPUs()
	must(t, err)
	total := 0
	for _, cpu := range cpus {
		pipe, err := in.OpenPipe(cpu)
		must(t, err)
		stats, err := in.OpenStats(cpu)
		must(t, err)
		got := child(t, "ring", &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}, pipe, stats)
		must(t, errors.Join(pipe.Close(), stats.Close()))
		n, err := strconv.Atoi(strings.TrimSpace(got))
		if err != nil {
			t.Fatalf("the other process says %q", got)
		}
		total += n
	}
	if total < 5000 {
		t.Errorf("%d events read, want 5000", total)
	}
}

// childRing reads the ring in descriptors 3 and 4 and prints how many events the
// counters say were read.
func childRing() error {
	r, err := NewRing(os.NewFile(3, "pipe"), os.NewFile(4, "stats"), os.Getpagesize())
	if err != nil {
		return err
	}
	if _, err := r.DrainEmpty(make([]byte, os.Getpagesize()), func([]byte) error { return nil }); err != nil {
		return err
	}
	text, err := r.Stats(make([]byte, 4096))
	if err != nil {
		return err
	}
	_, n, _ := bytes.Cut(text, []byte("read events: "))
	fmt.Println(string(n))
	return r.Close()
}

// children are what this program does instead of its tests when it is called
// for that.
var children = map[string]func() error{
	"ring": childRing,
	"find": childFind,
}

const childEnv = "WEIR_TRACEFS_CHILD"

func TestMain(m *testing.M) {
	if f := children[os.Getenv(childEnv)]; f != nil {
		if err := f(); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// child runs one of children in another process, which gets files from
// descriptor 3 on, and returns what it prints.
func child(t *testing.T, name string, attr *syscall.SysProcAttr, files ...*os.File) string {
	t.Helper()
	peer.Root(t, "to become somebody else")
	// Somebody else cannot run what is in a directory of root's: it is opened here.
	self, err := os.Open("/proc/self/exe")
	must(t, err)
	defer self.Close()
	cmd := exec.CommandContext(t.Context(), fmt.Sprintf("/proc/self/fd/%d", 3+len(files)))
	cmd.ExtraFiles = append(slices.Clone(files), self)
	cmd.Env = []string{childEnv + "=" + name}
	cmd.SysProcAttr = attr
	out, err := cmd.Output() // not what a coverage build has to say on the other channel
	if err != nil {
		t.Errorf("child %s: %v: %s", name, err, out)
	}
	return string(out)
}

func BenchmarkReadPage(b *testing.B) {
	fs := mounted(b)
	in := create(b, fs, InstanceOptions{Clock: "mono", RingBytes: 64 << 20})
	rings := openRings(b, in)
	page := make([]byte, rings[0].SubbufferBytes())
	pages := 0
	for b.Loop() {
		b.StopTimer()
		load(b, in, 100000)
		b.StartTimer()
		for _, r := range rings {
			n, err := r.DrainEmpty(page, func([]byte) error { return nil })
			must(b, err)
			pages += n
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(pages), "ns/page")
}
