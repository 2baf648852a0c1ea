// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Command goapp is what testdata/app/app.c is, in Go: goapp RUN BYTES emits so many
// events as a line "COUNT MICROSECONDS" of its input says, with that pause after each,
// and answers with the number emitted so far. A third word makes that many goroutines
// emit them. Beside each event it emits some with fields of other kinds. With
// GOAPP_GOROUTINES in its environment, what its goroutines do can be traced, and it
// begins when that is so.
package main

import (
	"bufio"
	"context"
	"fmt"
	"log"
	"log/slog"
	"os"
	"runtime/trace"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weir-io/weir/tracepoint"
	"github.com/weir-io/weir/tracepoint/runtimetrace"
)

var (
	provider = tracepoint.NewProvider("weirtest")
	tick     = tracepoint.New3(provider, "tick", tracepoint.Debug, tracepoint.Int32("run"), tracepoint.Int32("n"), tracepoint.String("text"))
	numbers  = tracepoint.New5(provider, "numbers", tracepoint.Warning, tracepoint.Num[int8]("small"), tracepoint.Hex[uint64]("hex"),
		tracepoint.Float64("real"), tracepoint.Bool("odd"), tracepoint.Enum("digit", "digit", map[uint8]string{0: "ZERO", 1: "ONE", 7: "SEVEN"}))
	lists = tracepoint.New2(provider, "lists", tracepoint.Info, tracepoint.Bytes("bytes"), tracepoint.Slice[int32]("integers"))
	spans = tracepoint.NewSpans(provider)
)

func main() {
	run, bytes := number(os.Args[1]), number(os.Args[2])
	if err := tracepoint.Ready(context.Background()); err != nil {
		log.Fatal(err)
	}
	a := app{run: int32(run), text: strings.Repeat("x", bytes)}
	if os.Getenv("GOAPP_GOROUTINES") != "" {
		end := traceGoroutines()
		defer end()
	}
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		words := append(strings.Fields(in.Text()), "1")
		a.emit(number(words[0]), time.Duration(number(words[1]))*time.Microsecond, number(words[2]))
		fmt.Println(a.n.Load())
	}
}

// traceGoroutines returns when the runtime traces; end, when all that was traced is
// recorded.
func traceGoroutines() (end func()) {
	tracer := runtimetrace.New(slog.New(slog.NewTextHandler(os.Stderr, nil)))
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- tracer.Run(ctx) }()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !trace.IsEnabled() {
		<-tick.C
	}
	return func() {
		cancel()
		<-ended
	}
}

func number(word string) int {
	n, err := strconv.Atoi(word)
	if err != nil {
		log.Fatal(err)
	}
	return n
}

type app struct {
	run  int32
	text string
	n    atomic.Int32
}

func (a *app) emit(count int, pause time.Duration, goroutines int) {
	var all sync.WaitGroup
	for range goroutines {
		all.Go(func() {
			for range count / goroutines {
				a.one(a.n.Add(1) - 1)
				if pause > 0 {
					<-time.After(pause)
				}
			}
		})
	}
	all.Wait()
}

// one emits an event, and those that tell the kinds of fields, which need as many
// numbers as there are.
func (a *app) one(n int32) {
	tick.Write(a.run, n, a.text)
	if !numbers.Enabled() {
		return
	}
	_, span := spans.Start(context.Background(), "one")
	numbers.Write(int8(n), uint64(n)<<40, float64(n)/4, n%2 == 1, uint8(n%10))
	lists.Write([]byte(a.text)[:n%4], []int32{n, -n}[:n%3])
	span.End()
}
