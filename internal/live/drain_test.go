// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package live

import (
	"context"
	"testing"
	"time"

	"github.com/weir-io/weir/internal/live/livetest"
	"github.com/weir-io/weir/lttng"
)

// A stop lets a viewer that is attached read to the end of its session, and nobody else
// come.
func TestStopWaitsForViewers(t *testing.T) {
	b := newBench(t, func(o *Options) { o.DrainTimeout = time.Minute })
	p := newProducer(t, b.store, "live")
	meta, streams := p.trace(tracePath, tsdl, "ch_0")
	p.packet(streams[0], 100, 200, 4096)
	v := b.viewer("live", lttng.SeekBeginning)
	b.dial() // it is not attached: nobody waits for it
	stopped := make(chan struct{})
	go func() { b.stop(); close(stopped) }() // received below
	until(t, "connections are refused", func() bool {
		c, err := livetest.Dial(context.Background(), b.addr)
		if err == nil {
			c.Close()
		}
		return err != nil
	})
	p.end(append(streams, meta)...)
	p.ss.Close()
	b.run(v)
	select {
	case <-stopped:
		t.Error("stopped while a viewer is attached")
	default:
	}
	v.Close()
	<-stopped
}

// A viewer that does not come to the end holds a stop up for a while only.
func TestStopEndsWithoutViewers(t *testing.T) {
	b := newBench(t, func(o *Options) { o.DrainTimeout = time.Millisecond })
	p := newProducer(t, b.store, "live")
	p.trace(tracePath, tsdl, "ch_0")
	b.attached(p.ss.ID(), lttng.SeekLast)
	b.stop()
}
