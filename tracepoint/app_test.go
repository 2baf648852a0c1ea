// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracepoint

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// app is what the traced program has.
type app struct {
	provider *Provider
	tick     *Event2[int64, string]
	other    *Event0
	signed   *Event8[int8, int16, int32, int64, int, bool, time.Duration, color]
	unsigned *Event8[uint8, uint16, uint32, uint64, uint, uintptr, uint32, uint64]
	floats   *Event2[float32, float64]
	lists    *Event6[string, []byte, []int16, []int32, []uint64, []int]
	spans    *Spans
	log      *slog.Logger

	stop    chan struct{}
	writing sync.WaitGroup
	written atomic.Uint64
}

type color int8

const (
	red   color = -1
	green color = 0
	blue  color = 100
)

func newApp() *app {
	p := NewProvider("weirtest")
	colors := map[color]string{red: "RED", green: "GREEN", blue: "BLUE"}
	return &app{
		provider: p,
		tick:     New2(p, "tick", Info, Int64("n"), String("text")),
		other:    New0(p, "other", Debug),
		signed: New8(p, "signed", Info, Num[int8]("i8"), Num[int16]("i16"), Int32("i32"), Int64("i64"), Int("i"), Bool("b"),
			Duration("d"), Enum("c", "color", colors)),
		unsigned: New8(p, "unsigned", Info, Uint8("u8"), Num[uint16]("u16"), Uint32("u32"), Uint64("u64"), Num[uint]("u"),
			Num[uintptr]("p"), Hex[uint32]("h32"), Hex[uint64]("h64")),
		floats: New2(p, "floats", Warning, Num[float32]("f32"), Float64("f64")),
		lists: New6(p, "lists", Info, String("s"), Bytes("bytes"), Slice[int16]("i16s"), Slice[int32]("i32s"), Slice[uint64]("u64s"),
			Slice[int]("none")),
		spans: NewSpans(p),
		log:   slog.New(NewHandler(p, nil)),
	}
}

// do obeys an order.
func (a *app) do(words []string) error {
	numbers := make([]int, len(words))
	for i := range words {
		numbers[i], _ = strconv.Atoi(words[i]) // those that are none are not looked at
	}
	switch words[0] {
	case "tick": // N events by each of M goroutines
		a.ticks(numbers[1], numbers[2])
	case "all":
		a.all()
	case "other":
		a.other.Write()
	case "late": // N events of as many names that there were not before
		return a.lateEvents(numbers[1])
	case "write": // M goroutines write until "end"
		a.write(numbers[1])
	case "end":
		close(a.stop)
		a.writing.Wait()
		return fmt.Errorf("written %d", a.written.Load())
	case "await": // until the event is recorded (1), or not (0)
		for a.tick.Enabled() != (numbers[1] == 1) {
			runtime.Gosched()
		}
	case "bench": // ROUNDS of N events, see tick.c
		return fmt.Errorf("best %d", a.bench(numbers[1], numbers[2]))
	case "parallel": // ROUNDS of N events by each of 8 goroutines
		return fmt.Errorf("best %d", a.parallel(numbers[1], numbers[2]))
	case "child": // has another program write N events
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), roleEnv+"="+roleChild, childEnv+"="+words[1])
		cmd.Stderr = os.Stderr
		return cmd.Run()
	default:
		return fmt.Errorf("unknown order %s", words[0])
	}
	return nil
}

// runChild is a program that ends soon.
func runChild() int {
	a := newApp()
	if err := Ready(context.Background()); err != nil {
		return 1
	}
	n, err := strconv.Atoi(os.Getenv(childEnv))
	if err != nil {
		return 1
	}
	a.ticks(n, 1)
	return 0
}

func (a *app) ticks(n, goroutines int) {
	var all sync.WaitGroup
	for range goroutines {
		all.Go(func() {
			for i := range n {
				a.tick.Write(int64(i), "tock")
			}
		})
	}
	all.Wait()
}

// bench is what the C program does: the least CPU time for an event, in hundredths of a
// nanosecond.
func (a *app) bench(rounds, n int) int64 {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	best := int64(math.MaxInt64)
	for range rounds {
		start := cpuTime(unix.CLOCK_THREAD_CPUTIME_ID)
		for i := range n {
			a.tick.Write(int64(i), "tock")
		}
		best = min(best, (cpuTime(unix.CLOCK_THREAD_CPUTIME_ID)-start)*100/int64(n))
	}
	return best
}

// parallel is bench of many goroutines, by the time of all threads.
func (a *app) parallel(rounds, n int) int64 {
	const goroutines = 8
	best := int64(math.MaxInt64)
	for range rounds {
		start := cpuTime(unix.CLOCK_PROCESS_CPUTIME_ID)
		a.ticks(n, goroutines)
		best = min(best, (cpuTime(unix.CLOCK_PROCESS_CPUTIME_ID)-start)*100/int64(goroutines*n))
	}
	return best
}

func cpuTime(clock int32) int64 {
	var t unix.Timespec
	if err := unix.ClockGettime(clock, &t); err != nil {
		panic(err)
	}
	return t.Nano()
}

func (a *app) lateEvents(n int) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for i := range n {
		e := New1(a.provider, "late"+strconv.Itoa(i), Info, Int("i"))
		for !e.Enabled() {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			runtime.Gosched() // the client's goroutine is about to describe it
		}
		e.Write(i)
	}
	return nil
}

func (a *app) write(goroutines int) {
	a.stop = make(chan struct{})
	for range goroutines {
		a.writing.Go(func() {
			for n := int64(0); ; n++ {
				select {
				case <-a.stop:
					return
				default:
				}
				if a.tick.Enabled() {
					a.written.Add(1)
				}
				a.tick.Write(n, "tock")
			}
		})
	}
}

// all writes an event of each kind.
func (a *app) all() {
	a.signed.Write(-128, -32768, math.MinInt32, math.MinInt64, -1, true, time.Second, red)
	a.signed.Write(127, 32767, math.MaxInt32, math.MaxInt64, 1, false, 0, 7)
	a.unsigned.Write(255, 65535, math.MaxUint32, math.MaxUint64, 1, 2, 0xBEEF, 0xDEADBEEF)
	a.floats.Write(1.5, -0.25)
	a.lists.Write("a\x00b", []byte("xyz"), []int16{-1, 2}, []int32{5}, []uint64{math.MaxUint64}, nil)
	a.spans.last.Store(0)
	ctx, outer := a.spans.Start(context.Background(), "outer")
	_, inner := a.spans.Start(ctx, "inner")
	inner.End()
	outer.End()
	a.log.With("k", 1).WithGroup("g").Warn("careful", "v", "w", slog.Group("in", "x", true))
}
