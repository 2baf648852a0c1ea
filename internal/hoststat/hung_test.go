// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package hoststat

import (
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weir-io/weir/xmlsysd"
)

// hung is a reader that answers when it is told to.
type hung struct {
	node  xmlsysd.NodeID
	calls atomic.Int32
	hang  atomic.Bool
	gate  chan struct{} // closed: goes on
}

func (h *hung) read(r *request) error {
	h.calls.Add(1)
	if h.hang.Load() {
		<-h.gate
	}
	r.tape.Open(h.node, r.at)
	r.tape.Close()
	return nil
}

// hang puts such a reader in the place of a section's.
func hang(e *Engine, path string) *hung {
	h := &hung{node: e.model.Must(path), gate: make(chan struct{})}
	e.sectionOf(path).reader = h
	return h
}

func (e *Engine) sectionOf(path string) *section {
	return e.sections[slices.IndexFunc(e.sections, func(s *section) bool { return s.path == path })]
}

// A section that hangs is left out after the time limit, once; then it costs
// nothing, and comes back when it answers.
func TestHungSection(t *testing.T) {
	synctest.Test(t, testHungSection)
}

func testHungSection(t *testing.T) {
	o := small.options(t)
	o.SectionTimeout = 250 * time.Millisecond
	e := newEngine(t, o)
	h := hang(e, "proc/loadavg")
	h.hang.Store(true)
	release := sync.OnceFunc(func() { close(h.gate) })
	t.Cleanup(release)
	wants := within(e.model, "proc/stat", "proc/loadavg", "proc/uptime", "system/errors")
	s := newSession(t, e)

	began := time.Now()
	samples := s.Sample(t.Context(), wants, nil)
	if took := time.Since(began); took != o.SectionTimeout {
		t.Errorf("took %v, want %v", took, o.SectionTimeout)
	}
	if got := strings.Join(paths(e, samples), " "); got != "system/errors proc/stat proc/uptime" {
		t.Errorf("parts %s", got)
	}
	errs := values(t, e.model, samples.Parts()[0].Tape)
	want(t, errs, "system/errors/error[0]", map[string]string{"/path": "proc/loadavg", "/code": "ETIMEDOUT"})
	samples.Release()

	other := newSession(t, e)
	for _, session := range []*Session{s, other, s, other} {
		began = time.Now()
		samples = session.Sample(t.Context(), wants, nil)
		if took := time.Since(began); took != 0 {
			t.Errorf("a message after it took %v", took)
		}
		if len(samples.Parts()) != 3 {
			t.Errorf("parts %v", paths(e, samples))
		}
		samples.Release()
	}
	if n := h.calls.Load(); n != 1 {
		t.Errorf("read %d times while it hung, want once", n)
	}
	if !e.Sections()[slices.IndexFunc(e.Sections(), func(i SectionInfo) bool { return i.Path == "proc/loadavg" })].Busy {
		t.Error("not listed as busy")
	}
	h.hang.Store(false)
	release()
	synctest.Wait() // until it has answered
	samples = s.Sample(t.Context(), wants, nil)
	defer samples.Release()
	if got := paths(e, samples); !slices.Contains(got, "proc/loadavg") {
		t.Errorf("parts %v when it answers again", got)
	}
}

// Who waits for a section that another session reads waits no longer than that one.
func TestWaitingForHungSection(t *testing.T) {
	synctest.Test(t, testWaitingForHungSection)
}

func testWaitingForHungSection(t *testing.T) {
	o := small.options(t)
	o.SectionTimeout = 50 * time.Millisecond
	e := newEngine(t, o)
	h := hang(e, "proc/loadavg")
	h.hang.Store(true)
	t.Cleanup(func() { close(h.gate) })
	wants := within(e.model, "proc/loadavg", "proc/uptime")
	var wg sync.WaitGroup
	began := time.Now()
	for range 8 {
		wg.Go(func() {
			s := e.NewSession()
			defer s.Close()
			samples := s.Sample(t.Context(), wants, nil)
			defer samples.Release()
			if got := strings.Join(paths(e, samples), " "); got != "proc/uptime" {
				t.Errorf("parts %s", got)
			}
		})
	}
	wg.Wait()
	if took := time.Since(began); took != o.SectionTimeout {
		t.Errorf("took %v, want %v", took, o.SectionTimeout)
	}
	if n := h.calls.Load(); n != 1 {
		t.Errorf("read %d times, want once", n)
	}
}

// A session whose client is gone does not wait.
func TestContextEnds(t *testing.T) {
	e := newEngine(t, small.options(t))
	h := hang(e, "proc/loadavg")
	h.hang.Store(true)
	t.Cleanup(func() { close(h.gate) })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s := newSession(t, e)
	samples := s.Sample(ctx, within(e.model, "proc/loadavg"), nil)
	samples.Release()
}

// A slow section that hangs goes on to be sent as it was last.
func TestHungSlowSection(t *testing.T) {
	synctest.Test(t, testHungSlowSection)
}

func testHungSlowSection(t *testing.T) {
	o := small.options(t)
	o.SectionTimeout, o.SlowPeriod = 50*time.Millisecond, 20*time.Millisecond
	e := newEngine(t, o)
	h := hang(e, "system/filesystems")
	release := sync.OnceFunc(func() { close(h.gate) })
	t.Cleanup(release)
	wants := within(e.model, "system/filesystems", "system/errors")
	s := newSession(t, e)
	samples := s.Sample(t.Context(), wants, nil)
	if got := strings.Join(paths(e, samples), " "); got != "system/filesystems" {
		t.Fatalf("parts %s", got)
	}
	last := samples.Parts()[0].At
	samples.Release()
	h.hang.Store(true)
	<-time.After(time.Second)
	samples = s.Sample(t.Context(), wants, nil)
	if got := samples.Parts()[0]; len(samples.Parts()) != 2 || !got.At.Equal(last) {
		t.Errorf("%v of %v, want the last sample of %v and an error", paths(e, samples), got.At, last)
	}
	samples.Release()
}
