// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package systemtest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/weir-io/weir/internal/live/livetest"
	"github.com/weir-io/weir/lttng"
)

// besideIdle plays LTTng bug 1406 to a viewer: beside an idle application two
// others with buffers of their own start and end. It returns all that was
// emitted when nothing but the idle application is left.
func besideIdle(m *machine, viewing func(), prefix ...string) (*app, []span) {
	m.Helper()
	// On the second CPU: a viewer asks the streams in order, so this one's
	// packets must be reached past a stream that has none.
	idle := m.startApp(0, 20, "taskset", "-c", "1")
	idle.emit(1, 0)
	viewing()
	spans := []span{{0, 0, 2}}
	for run := 1; run <= 2; run++ {
		a := m.startApp(run, 20, prefix...)
		a.emit(3, 0)
		a.finish()
		spans = append(spans, a.all())
	}
	return idle, spans
}

// babeltrace2 learns of new streams with a packet only. The idle application
// has none: it is given empty ones. The others' streams have long been closed
// when it asks.
func TestApplicationsBesideAnIdleOne(t *testing.T) {
	viewBesideIdle(t, "--buffers-pid")
}

// Buffers for each user: another user's are new streams.
func TestUsersBesideAnIdleOne(t *testing.T) {
	viewBesideIdle(t, "--buffers-uid", asNobody...)
}

// viewBesideIdle has babeltrace2 view what applications emit that are started by
// prefix, beside an idle one.
func viewBesideIdle(t *testing.T, buffers string, prefix ...string) {
	isolated(t, func(m *machine) {
		m.startSessiond()
		w := m.startWeir()
		s := m.createLive("two", buffers, "--subbuf-size=4096", "--num-subbuf=8")
		var v *viewer
		idle, spans := besideIdle(m, func() {
			v = m.view(s.name + "@begin")
			v.await(0, 1)
		}, prefix...)
		for _, s := range spans[1:] {
			v.await(s.run, s.to)
		}
		idle.emit(1, 0)
		idle.finish()
		s.destroy()
		m.wantEvents("viewer", v.finishWhole(), spans...)
		m.wantEvents("stored", m.readTree(m.out), spans...)
		w.stop()
	})
}

func TestApplicationsBesideAnIdleOneBabeltrace1(t *testing.T) {
	isolated(t, func(m *machine) {
		m.startSessiond()
		w := m.startWeir()
		s := m.createLive("two", "--buffers-pid", "--subbuf-size=4096", "--num-subbuf=8")
		var v *viewer
		idle, spans := besideIdle(m, func() {
			witness := m.view(s.name + "@begin")
			witness.await(0, 1) // metadata and a packet are there
			v = m.viewOld(s.name + "@begin")
			v.await(0, 1)
		})
		idle.emit(1, 0)
		for _, s := range spans {
			v.await(s.run, s.to)
		}
		idle.finish()
		s.destroy()
		m.wantEvents("viewer", v.finishWhole(), spans...)
		w.stop()
	})
}

// A viewer that heeds the flags of every answer sees the others while the first
// one stays idle.
func TestApplicationsBesideAnIdleOneFlags(t *testing.T) {
	isolated(t, func(m *machine) {
		m.startSessiond()
		w := m.startWeir()
		s := m.createLive("two", "--buffers-pid", "--subbuf-size=4096", "--num-subbuf=8")
		var v *copier
		idle, spans := besideIdle(m, func() {
			v = m.copySession(s.name + "@begin")
			v.awaitTraces(1)
		})
		v.awaitTraces(3)
		idle.emit(1, 0)
		idle.finish()
		s.destroy()
		m.wantEvents("viewer", m.readTree(v.finish()), spans...)
		w.stop()
	})
}

// copier is a viewer of our own. It reads the packets of a session and stores
// them again, for babeltrace2 to read.
type copier struct {
	m    *machine
	v    *livetest.Viewer
	done chan error // receives the end of the reading

	mu     sync.Mutex
	traces map[uint64]bool // those with a packet that was read
}

// copySession attaches to a session and reads it until it ends.
func (m *machine) copySession(name string) *copier {
	m.Helper()
	ctx, cancel := context.WithCancel(m.Context())
	client, err := livetest.Dial(ctx, "127.0.0.1:5344")
	if err != nil {
		m.Fatal(err)
	}
	c := &copier{m: m, done: make(chan error, 1), traces: make(map[uint64]bool)}
	c.v = &livetest.Viewer{Client: client, Each: c.note}
	if there, err := c.v.Open(name, 4, lttng.SeekLast); err != nil || !there {
		m.Fatalf("attach to %s: there %v, %v", name, there, err)
	}
	ended := make(chan struct{})
	go func() { // ends with the session or the test, which waits for it
		c.done <- c.v.Run(ctx)
		close(ended)
	}()
	m.Cleanup(func() {
		cancel()
		<-ended
		_ = client.Close() // read only: nothing is lost
	})
	return c
}

func (c *copier) note(s *livetest.Stream, r lttng.NextIndexReply) {
	if r.Status != lttng.IndexOK {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.traces[s.TraceID] = true
}

// awaitTraces waits for packets of so many traces.
func (c *copier) awaitTraces(n int) {
	c.m.Helper()
	c.m.until(fmt.Sprintf("packets of %d traces", n), func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return len(c.traces) >= n
	})
}

// finish waits for the end of the session and returns the directory of the
// copy.
func (c *copier) finish() string {
	c.m.Helper()
	if err := <-c.done; err != nil {
		c.m.Fatalf("viewer: %v", err)
	}
	dir := c.m.mkdir("copy")
	for id, trace := range c.v.Traces() {
		c.write(filepath.Join(dir, fmt.Sprint(id), "metadata"), trace.Metadata)
	}
	for _, s := range c.v.Streams() {
		var data []byte
		for _, p := range s.Packets {
			data = append(data, p.Data...)
		}
		c.write(filepath.Join(dir, fmt.Sprint(s.TraceID), s.Channel), data)
	}
	return dir
}

func (c *copier) write(path string, b []byte) {
	c.m.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		c.m.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o644); err != nil {
		c.m.Fatal(err)
	}
}
