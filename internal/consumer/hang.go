// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package consumer

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/weir-io/weir/internal/handover"
)

// defaultHang is how long one call to a file system may take before that is told. A
// disk that is only busy is quicker.
const defaultHang = 5 * time.Second

// errHung reports that something is not done because the goroutine that is to do it
// waits for a file system. It is done when that answers.
var errHung = errors.New("the file system does not answer")

// hang notices a call to a file system that does not come back, as when a server is
// gone. Between begin and end somebody's goroutine is in such calls; a timer tells
// when that takes too long, as the goroutine cannot.
type hang struct {
	// Immutable.
	most time.Duration
	tell func(h *hang, on bool) // that it hangs, and that it does no more

	mu    sync.Mutex // guards what follows
	timer *time.Timer
	armed bool      // it will tell
	what  string    // is being done; "": nothing
	since time.Time // when it began
	told  bool
}

func newHang(most time.Duration, tell func(*hang, bool)) *hang {
	if most <= 0 {
		most = defaultHang
	}
	return &hang{most: most, tell: tell}
}

// begin takes note that something is done.
func (h *hang) begin(what string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.what, h.since = what, time.Now()
	if h.armed {
		return // setting it anew each time would wake threads
	}
	h.armed = true
	if h.timer == nil {
		h.timer = time.AfterFunc(h.most, h.expire)
	} else {
		h.timer.Reset(h.most)
	}
}

// end takes note that it is done.
func (h *hang) end() {
	h.mu.Lock()
	told := h.told
	h.what, h.told = "", false
	h.mu.Unlock()
	if told {
		h.tell(h, false)
	}
}

// expire tells that what was begun is not done in time.
func (h *hang) expire() {
	h.mu.Lock()
	left := h.most - time.Since(h.since)
	late := h.what != "" && !h.told && left <= 0
	h.told = h.told || late
	if h.armed = h.what != "" && left > 0; h.armed { // what was begun since
		h.timer.Reset(left)
	}
	h.mu.Unlock()
	if late {
		h.tell(h, true)
	}
}

// describe says what hangs.
func (h *hang) describe() handover.Stuck {
	h.mu.Lock()
	defer h.mu.Unlock()
	return handover.Stuck{What: h.what, Since: h.since}
}

// stuckError is errHung of something.
func stuckError(s handover.Stuck) error {
	return fmt.Errorf("%s: %w for %v", s.What, errHung, time.Since(s.Since).Round(time.Second))
}

// flag is a state that goroutines wait for. Its zero value is off.
type flag struct {
	mu sync.Mutex
	on chan struct{} // closed while it is on; guarded by mu
}

// wait returns a channel that is closed once, or while, the flag is on.
func (f *flag) wait() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.channelLocked()
}

// set turns it on or off.
func (f *flag) set(on bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	select {
	case <-f.channelLocked():
		if !on {
			f.on = make(chan struct{})
		}
	default:
		if on {
			close(f.on)
		}
	}
}

func (f *flag) channelLocked() chan struct{} {
	if f.on == nil {
		f.on = make(chan struct{})
	}
	return f.on
}
