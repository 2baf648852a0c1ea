// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package progress tells somebody who waits how far long work has come.
package progress

import (
	"sync/atomic"
	"time"
)

// Func is told now and then while the work goes on, and at its end. Sizes are in
// bytes.
type Func func(done, total, events int64, end bool)

// Counter counts the work that is done. It is safe for concurrent use.
type Counter struct {
	Done   atomic.Int64 // bytes
	Events atomic.Int64
}

// Period is how often progress is told.
const Period = 250 * time.Millisecond

// Tell tells f what has been counted, of a total in bytes, until the function
// that it returns is called, which tells the end. Nothing is told when f is nil.
func (c *Counter) Tell(f Func, total int64) (stop func()) {
	if f == nil {
		return func() {}
	}
	quit, ended := make(chan struct{}), make(chan struct{})
	go func() { // ended by stop, which waits for it
		defer close(ended)
		t := time.NewTicker(Period)
		defer t.Stop()
		for {
			select {
			case <-t.C:
				f(c.Done.Load(), total, c.Events.Load(), false)
			case <-quit:
				f(c.Done.Load(), total, c.Events.Load(), true)
				return
			}
		}
	}()
	return func() { close(quit); <-ended }
}
