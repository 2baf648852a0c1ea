// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracebench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Kind is what the threads of a load do.
type Kind string

// Kinds of loads.
const (
	Syscalls Kind = "syscalls" // a call that hardly anyone makes, in a loop
	Switches Kind = "switches" // two threads a processor hand a byte to and fro
	Storm    Kind = "storm"    // switches, system calls, page faults and timers
	Marks    Kind = "marks"    // lseek(-1, now): the time is in the event
)

// Kinds returns all kinds of loads.
func Kinds() []Kind { return []Kind{Syscalls, Switches, Storm, Marks} }

// Load is work that makes events.
type Load struct {
	Kind  Kind
	Count int           // rounds of each thread; 0: until For has passed
	For   time.Duration // how long; 0: until Count, or until standard input ends
	Rate  int           // rounds a second of all threads; 0: as many as possible
}

// rareCall is what [Syscalls] calls: it costs next to nothing, and hardly anyone
// else calls it, so that calls can be counted.
const rareCall = unix.SYS_SCHED_GET_PRIORITY_MIN

// marker is the descriptor of lseek in [Marks], -1 as the kernel reads it: one
// that nobody has.
const marker = 1<<32 - 1

// ready and done begin the lines that a load says.
const (
	sayReady = "ready"
	sayDone  = "done"
)

// Run does the work. It says "ready TID…" when its threads are there, begins
// when it reads a line, says "done ROUNDS NS" and ends when its input does.
func (l Load) Run(ctx context.Context, in io.Reader, out io.Writer) error {
	cpus, err := processors()
	if err != nil {
		return err
	}
	perCPU := 1
	if l.Kind == Switches || l.Kind == Storm {
		perCPU = 2
	}
	n := len(cpus) * perCPU
	// Threads that wait in a pipe hold a processor of the scheduler's, and
	// nothing may stop them to collect garbage.
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(n + 4))
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	w := &work{load: l, begin: make(chan struct{}), tids: make(chan int, n), threads: n}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	context.AfterFunc(ctx, func() { w.over.Store(true) })
	var all sync.WaitGroup
	for _, cpu := range cpus {
		first, second, err := w.pair(perCPU)
		if err != nil {
			return err
		}
		all.Go(func() { w.thread(cpu, first) })
		if second != nil {
			all.Go(func() { w.thread(cpu, second) })
		}
	}
	words := []string{sayReady}
	for range n {
		words = append(words, fmt.Sprint(<-w.tids))
	}
	lines := bufio.NewScanner(in)
	if _, err := fmt.Fprintln(out, strings.Join(words, " ")); err == nil && !lines.Scan() {
		w.over.Store(true)
	}
	ended := make(chan struct{})
	go func() { // ends with the input
		defer close(ended)
		for lines.Scan() {
		}
		if l.Count == 0 && l.For == 0 {
			w.over.Store(true)
		}
	}()
	start := time.Now()
	if l.For > 0 {
		defer time.AfterFunc(l.For, func() { w.over.Store(true) }).Stop()
	}
	close(w.begin)
	all.Wait()
	took := time.Since(start)
	if err := w.err.Load(); err != nil {
		return *err
	}
	_, err = fmt.Fprintln(out, sayDone, w.rounds.Load(), took.Nanoseconds())
	<-ended
	return err
}

// processors returns those that this process may use.
func processors() ([]int, error) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return nil, fmt.Errorf("processors: %w", err)
	}
	var all []int
	for cpu := range len(set) * int(unsafe.Sizeof(set[0])) * 8 {
		if set.IsSet(cpu) {
			all = append(all, cpu)
		}
	}
	return all, nil
}

// work is a load that runs.
type work struct {
	load    Load
	threads int
	begin   chan struct{}
	tids    chan int
	over    atomic.Bool
	rounds  atomic.Int64
	err     atomic.Pointer[error]
}

// round is what a thread does in turn; false says that its partner has ended.
// Its last one is the number end.
type round func(i int) bool

const end = -1

// pair returns what one or two threads of a processor do.
func (w *work) pair(threads int) (first, second func() round, err error) {
	if threads == 1 {
		return w.single, nil, nil
	}
	var there, back [2]int
	if err := errors.Join(unix.Pipe2(there[:], unix.O_CLOEXEC), unix.Pipe2(back[:], unix.O_CLOEXEC)); err != nil {
		return nil, nil, fmt.Errorf("pipes: %w", err)
	}
	lead := func() round {
		b := new([1]byte)
		beside := w.beside()
		return func(i int) bool {
			beside(i)
			return transfer(unix.SYS_WRITE, there[1], b) && transfer(unix.SYS_READ, back[0], b)
		}
	}
	follow := func() round {
		b := new([1]byte)
		return func(int) bool {
			return transfer(unix.SYS_READ, there[0], b) && transfer(unix.SYS_WRITE, back[1], b)
		}
	}
	// Who ends first lets the other one go.
	closing := func(make func() round, fds ...int) func() round {
		return func() round {
			do := make()
			return func(i int) bool {
				if i != end && do(i) {
					return true
				}
				for _, fd := range fds {
					_ = unix.Close(fd) // its own
				}
				fds = nil
				return false
			}
		}
	}
	return closing(lead, there[1], back[0]), closing(follow, there[0], back[1]), nil
}

// transfer reads or writes a byte.
func transfer(call uintptr, fd int, b *[1]byte) bool {
	for {
		n, _, e := unix.RawSyscall(call, uintptr(fd), uintptr(unsafe.Pointer(b)), 1)
		if e != unix.EINTR {
			return e == 0 && n == 1
		}
	}
}

// beside is what a thread does between two switches.
func (w *work) beside() func(i int) {
	if w.load.Kind != Storm {
		return func(int) {}
	}
	const (
		pages = 4
		calls = 8
		nap   = 1024 // rounds between two sleeps
	)
	size := uintptr(pages * unix.Getpagesize())
	return func(i int) {
		for range calls {
			unix.RawSyscall(rareCall, 0, 0, 0)
		}
		const private = unix.MAP_PRIVATE | unix.MAP_ANONYMOUS
		at, _, e := unix.RawSyscall6(unix.SYS_MMAP, 0, size, unix.PROT_READ|unix.PROT_WRITE, private, ^uintptr(0), 0)
		if e == 0 {
			unix.RawSyscall(unix.SYS_MADVISE, at, size, unix.MADV_POPULATE_WRITE)
			unix.RawSyscall(unix.SYS_MUNMAP, at, size, 0)
		}
		if i%nap == 0 {
			t := unix.Timespec{Nsec: int64(50 * time.Microsecond)}
			unix.RawSyscall(unix.SYS_NANOSLEEP, uintptr(unsafe.Pointer(&t)), 0, 0)
		}
	}
}

// single is what a thread does that has no partner.
func (w *work) single() round {
	if w.load.Kind == Marks {
		return func(i int) bool {
			if i != end {
				unix.RawSyscall(unix.SYS_LSEEK, marker, uintptr(time.Now().UnixNano()), unix.SEEK_SET)
			}
			return true
		}
	}
	return func(i int) bool {
		if i != end {
			unix.RawSyscall(rareCall, 0, 0, 0)
		}
		return true
	}
}

// thread works on a thread of its own, which ends with it.
func (w *work) thread(cpu int, prepare func() round) {
	runtime.LockOSThread()
	var set unix.CPUSet
	set.Set(cpu)
	if err := unix.SchedSetaffinity(0, &set); err != nil {
		err = fmt.Errorf("bind to processor %d: %w", cpu, err)
		w.err.CompareAndSwap(nil, &err)
	}
	do := prepare()
	w.tids <- unix.Gettid()
	<-w.begin
	i, p := 0, w.pace()
	for ; w.load.Count == 0 || i < w.load.Count; i++ {
		p.await(i)
		if w.over.Load() || !do(i) {
			break
		}
	}
	do(end)
	w.rounds.Add(int64(i))
}

// pace keeps a thread to its share of a rate.
type pace struct {
	start  time.Time
	batch  int // rounds in a period
	period time.Duration
}

func (w *work) pace() pace {
	if w.load.Rate == 0 {
		return pace{}
	}
	const least = time.Millisecond // between two times that a thread wakes
	mine := float64(w.load.Rate) / float64(w.threads)
	batch := max(int(mine*least.Seconds()), 1)
	return pace{time.Now(), batch, time.Duration(float64(batch) / mine * float64(time.Second))}
}

// await waits for the round's time. Rounds that are late are made up for.
func (p pace) await(i int) {
	if p.batch > 0 && i%p.batch == 0 {
		wait := unix.NsecToTimespec(max(int64(time.Until(p.start.Add(time.Duration(i/p.batch)*p.period))), 0))
		// The thread's own wait: Go's timers wake others as well. A signal makes it shorter.
		_ = unix.ClockNanosleep(unix.CLOCK_MONOTONIC, 0, &wait, nil)
	}
}
