// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package psi is the door to the kernel's pressure stall triggers: it is told when
// tasks have waited for a resource for a given time within a window, without
// looking again and again. Linux 5.2 and later have them, unless pressure stall
// information is left out or switched off; see the kernel's
// Documentation/accounting/psi.rst.
//
// The kernel tells a trigger at most once a window. Windows are 0.5 s to 10 s; for
// processes without CAP_SYS_RESOURCE they are multiples of 2 s, to which shorter
// ones are made longer here, with the time of stalls in proportion.
//
// # Concurrency
//
// One goroutine waits for all triggers of a watcher, by an event loop; it runs
// while there are triggers. Functions that are called run on it and must not block.
package psi

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/kernel/epoll"
)

// Bounds of windows.
const (
	MinWindow = 500 * time.Millisecond
	MaxWindow = 10 * time.Second

	step = 2 * time.Second // of windows without privilege
)

// Trigger says when to tell.
type Trigger struct {
	Resource string // cpu, memory, io or irq
	Kind     string // some: at least one task waits; full: all that could run do
	Stall    time.Duration
	Window   time.Duration
}

// ErrAbsent reports a kernel without the files of a trigger.
var ErrAbsent = fmt.Errorf("pressure stall triggers need Linux 5.2 with CONFIG_PSI that is not switched off: %w", errors.ErrUnsupported)

// Check refuses what the kernel does not take.
func (t Trigger) Check() error {
	switch {
	case !slices.Contains([]string{"cpu", "memory", "io", "irq"}, t.Resource):
		return fmt.Errorf("resource %.32q: want cpu, memory, io or irq", t.Resource)
	case t.Kind != "some" && t.Kind != "full":
		return fmt.Errorf("kind %.32q: want some or full", t.Kind)
	case t.Window < MinWindow || t.Window > MaxWindow:
		return fmt.Errorf("window of %v: want %v to %v", t.Window, MinWindow, MaxWindow)
	case t.Stall < time.Microsecond || t.Stall > t.Window:
		return fmt.Errorf("stall of %v: want more than 0 and no more than the window, %v", t.Stall, t.Window)
	}
	return nil
}

// longer returns the trigger with a window that needs no privilege.
func (t Trigger) longer() Trigger {
	window := min((t.Window+step-1)/step*step, MaxWindow)
	t.Stall = time.Duration(float64(t.Stall) * float64(window) / float64(t.Window))
	t.Window = window
	return t
}

func (t Trigger) text() string {
	return fmt.Sprintf("%s %d %d\x00", t.Kind, t.Stall.Microseconds(), t.Window.Microseconds())
}

// Watcher waits for triggers.
type Watcher struct {
	root string // where /proc/pressure is

	mu      sync.Mutex
	loop    *epoll.Loop // guarded by mu; nil: nothing to wait for
	ended   chan struct{}
	handles int // guarded by mu: of the loop
}

// NewWatcher returns a watcher of the files in a directory, /proc/pressure.
func NewWatcher(root string) *Watcher { return &Watcher{root: root} }

// Handle is a trigger that is waited for.
type Handle struct {
	w     *Watcher
	loop  *epoll.Loop
	fd    int
	fired func()
	once  sync.Once
}

// Add waits for a trigger. fired is called each time, until Close returns. It fails
// with [ErrAbsent] where the kernel has none.
func (w *Watcher) Add(t Trigger, fired func()) (*Handle, error) {
	if err := t.Check(); err != nil {
		return nil, fmt.Errorf("pressure trigger: %w", err)
	}
	fd, err := w.open(t)
	if err != nil {
		return nil, fmt.Errorf("pressure trigger %s %s: %w", t.Resource, t.Kind, err)
	}
	h := &Handle{w: w, fd: fd, fired: fired}
	if err := w.wait(h); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("pressure trigger %s %s: %w", t.Resource, t.Kind, err)
	}
	return h, nil
}

// open sets a trigger up: it lasts as long as the descriptor.
func (w *Watcher) open(t Trigger) (int, error) {
	fd, err := unix.Open(filepath.Join(w.root, t.Resource), unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	switch {
	case errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EOPNOTSUPP):
		return -1, ErrAbsent
	case err != nil:
		return -1, err
	}
	_, err = unix.Write(fd, []byte(t.text()))
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EPERM) {
		if wide := t.longer(); wide != t {
			_, err = unix.Write(fd, []byte(wide.text()))
		}
	}
	if err != nil {
		unix.Close(fd)
		if errors.Is(err, unix.EOPNOTSUPP) {
			return -1, ErrAbsent
		}
		return -1, err
	}
	return fd, nil
}

// wait has the loop wait for a trigger, and starts it if there is none.
func (w *Watcher) wait(h *Handle) error {
	w.mu.Lock()
	if w.loop == nil {
		loop, err := epoll.New()
		if err != nil {
			w.mu.Unlock()
			return err
		}
		w.loop, w.ended, w.handles = loop, make(chan struct{}), 0
		go func(ended chan<- struct{}) { // ends when the last trigger goes, which waits for it
			defer close(ended)
			_ = loop.Run() // nothing that it waits with can fail
		}(w.ended)
	}
	h.loop = w.loop
	w.handles++
	w.mu.Unlock()
	added := make(chan error, 1)
	err := h.loop.Post(func() { added <- h.loop.Add(h.fd, h, epoll.Interest(unix.EPOLLPRI)) })
	if err == nil {
		err = <-added
	}
	if err != nil {
		w.left(h)
	}
	return err
}

// Ready is called by the loop. Other conditions than the trigger's own are told by
// both flags: the files are gone then, and so is the trigger.
func (h *Handle) Ready(readable, writable bool) {
	if readable || writable {
		h.loop.Remove(h.fd)
		return
	}
	h.fired()
}

// Close ends the wait. When it returns, fired is not called any more. It must not be
// called by fired.
func (h *Handle) Close() {
	h.once.Do(func() {
		removed := make(chan struct{})
		if h.loop.Post(func() { h.loop.Remove(h.fd); close(removed) }) == nil {
			<-removed
		}
		unix.Close(h.fd)
		h.w.left(h)
	})
}

// left counts a trigger out, and ends the loop after the last one.
func (w *Watcher) left(h *Handle) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.handles--; w.handles > 0 {
		return
	}
	h.loop.Stop()
	<-w.ended // it has nothing left to do
	w.loop = nil
}
