// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"errors"
	"io"
	"runtime"
	"syscall"
	"testing"
	"time"

	client "github.com/weir-io/weir/client/feed"
	"github.com/weir-io/weir/internal/feed/fstest"
	"github.com/weir-io/weir/internal/feed/journal"
)

// memory is what this process has in use.
func memory() uint64 {
	var s runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&s)
	return s.HeapAlloc + s.StackInuse
}

// open is how many connections the server has.
func (a *agent) open() int {
	a.server.mu.Lock()
	defer a.server.mu.Unlock()
	return len(a.server.conns)
}

// allClosed waits until the server has closed connections.
func allClosed(all []*raw) error {
	for _, r := range all {
		if _, err := io.Copy(io.Discard, r); err != nil && !errors.Is(err, syscall.ECONNRESET) {
			return err
		}
	}
	return nil
}

// TestTenThousandConnects has as many clients as the server takes say nothing, or begin a
// frame and not end it, and others knock all the time.
func TestTenThousandConnects(t *testing.T) {
	// In that time they must all come, also where the machine is busy.
	const connects, patience = 10_000, 6 * time.Second
	if defaultHelloTimeout > 10*time.Second {
		t.Errorf("a client may say nothing for %v, want 10s at most", defaultHelloTimeout)
	}
	store, err := journal.OpenMemory()
	must(t, err)
	t.Cleanup(func() { store.Close() })
	a := startWith(t, fstest.New(t, "tmpfs"), store, Options{HelloTimeout: patience})
	before := memory()
	var silent []*raw
	largest := frame(client.OpHello, string(make([]byte, client.MaxRequest)))[:10]
	a.until("all are admitted", func() bool { // those above the limit are refused
		r := a.raw()
		if silent = append(silent, r); len(silent)%2 == 0 {
			r.say(largest)
		}
		return a.open() == defaultMaxConns
	})
	begun := time.Now()
	if now := memory(); now > before+1024*64<<10 {
		t.Errorf("1024 connections take %d KiB, want 64 each at most", (now-before)>>10)
	}
	gone := make(chan error, 1)
	go func() { // ends with them, or with their deadlines; others knock meanwhile
		gone <- allClosed(silent)
	}()
	var most, refused int
	for range connects - defaultMaxConns {
		r := a.raw()
		_ = r.CloseWrite() // lest it is waited for when the first are gone; it may be closed
		if r.wantClosed() == client.CodeLimit {
			refused++
		}
		must(t, r.Close())
		most = max(most, a.open())
	}
	if most > 1024 || refused == 0 {
		t.Errorf("got %d connections at once, %d refused for the limit, want 1024 at most, and some", most, refused)
	}
	if err := <-gone; err != nil {
		t.Errorf("silent clients are not let go %v after the last has come: %v", time.Since(begun), err)
	}
	a.idle()
	if _, err := a.dial().List(t.Context()); err != nil {
		t.Errorf("after them: %v", err)
	}
}
