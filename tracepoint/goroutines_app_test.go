// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracepoint_test

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"runtime/trace"
	"sync"
	"testing"
	"time"

	"github.com/weir-io/weir/tracepoint"
)

func TestMain(m *testing.M) { tracepoint.Main(m, runGoroutines) }

// runGoroutines is the program whose goroutines are traced.
func runGoroutines() func(words []string) error {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- goroutines.Run(ctx) }()
	return func(words []string) error {
		switch words[0] {
		case "on", "off": // until the runtime traces, or does not
			tick := time.NewTicker(time.Millisecond)
			defer tick.Stop()
			for trace.IsEnabled() != (words[0] == "on") {
				<-tick.C
			}
		case "use": // the trace for itself
			return trace.Start(io.Discard)
		case "free":
			trace.Stop()
		case "work":
			work()
		case "end": // of the conversion, when all was written
			cancel()
			if err := <-ended; err != context.Canceled {
				return err
			}
		default:
			return fmt.Errorf("unknown order %s", words[0])
		}
		return nil
	}
}

// work has a goroutine wait, go on and end, and the collector run.
func work() {
	begun, goOn := make(chan struct{}), make(chan struct{})
	var all sync.WaitGroup
	all.Add(1)
	go waiter(begun, goOn, &all)
	<-begun
	runtime.GC() // stops the world: what waits was seen to do so
	close(goOn)
	all.Wait()
}

//go:noinline
func waiter(begun, goOn chan struct{}, all *sync.WaitGroup) {
	defer all.Done()
	close(begun)
	<-goOn
}
