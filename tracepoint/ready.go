// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracepoint

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"time"
)

// Programs of LTTng-UST wait this long at their start; the variable has another number
// of milliseconds, or -1 for as long as it takes.
const (
	readyVariable = "LTTNG_UST_REGISTER_TIMEOUT"
	readyTimeout  = 3 * time.Second
)

// Ready waits until each session daemon that listens has told what it records of the
// events that are declared so far, or until the context ends. A program that ends soon
// calls it first, and one that declares events late before it writes them; without, what
// they do in the first milliseconds may not be recorded.
//
// A daemon that does not answer holds no program up: Ready returns an error after three
// seconds, or what LTTNG_UST_REGISTER_TIMEOUT says, in milliseconds; -1 is for ever.
func Ready(ctx context.Context) error {
	return process().readyWithin(ctx, timeout(os.Getenv(readyVariable)))
}

// timeout is that of a variable's value; negative is none.
func timeout(value string) time.Duration {
	ms, err := strconv.ParseInt(value, 10, 32)
	if err != nil {
		return readyTimeout
	}
	return time.Duration(ms) * time.Millisecond
}

func (t *tracer) readyWithin(ctx context.Context, late time.Duration) error {
	if late >= 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, late, fmt.Errorf("tracepoint: a session daemon has not told what it records within %v: %w", late, context.DeadlineExceeded))
		defer cancel()
	}
	return t.ready(ctx)
}

func (t *tracer) ready(ctx context.Context) error {
	declared := len(t.list())
	for _, c := range t.clients {
		select {
		case <-c.registered:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if err := t.await(ctx, c, declared); err != nil {
			return err
		}
	}
	return nil
}

// await waits until a client has looked at that many events, unless its daemon is gone.
func (t *tracer) await(ctx context.Context, c *client, events int) error {
	for {
		t.mu.Lock()
		done, news := c.conn.Load() == nil || c.seen >= events, t.news
		t.mu.Unlock()
		if done {
			return nil
		}
		select {
		case <-news:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
