// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package systemtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/weir-io/weir/client/live"
	"github.com/weir-io/weir/lttng"
)

// clientReader is weir's own viewer, which writes what it gets where
// babeltrace2 finds it: a directory for each trace.
type clientReader struct {
	m       *machine
	dir     string
	client  *live.Client
	session *live.Session
	done    chan error    // the end of the reading
	first   chan struct{} // closed with the first packet

	// Owned by the goroutine that reads.
	files map[lttng.StreamID]*os.File
}

// viewByClient attaches to a session, once the relay lists it, and reads it to
// its end beside the test.
func (m *machine) viewByClient(session string, minor lttng.Minor) *clientReader {
	m.Helper()
	r := &clientReader{
		m: m, dir: m.mkdir(fmt.Sprintf("client-2.%d", minor)), done: make(chan error, 1), first: make(chan struct{}),
		files: make(map[lttng.StreamID]*os.File),
	}
	m.until("a listed session", func() bool {
		client, err := live.Dial(m.Context(), live.Config{Address: "127.0.0.1", Minor: minor})
		if err != nil {
			m.Fatal(err)
		}
		r.session, err = client.Attach(m.Context(), live.Target{Host: hostName, Name: session}, live.FromBeginning)
		if r.client = client; err == nil {
			return true
		}
		client.Close()
		if !errors.Is(err, live.ErrSessionGone) {
			m.Fatal(err)
		}
		return false
	})
	m.Cleanup(func() { r.client.Close() })
	go func() { r.done <- r.read(m.Context()) }() // finish waits for it
	return r
}

func (r *clientReader) read(ctx context.Context) error {
	defer func() {
		for _, f := range r.files {
			f.Close()
		}
	}()
	for {
		e, err := r.session.Next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = r.take(e)
		}
		if err != nil {
			return err
		}
	}
}

func (r *clientReader) take(e live.Event) error {
	switch e := e.(type) {
	case live.StreamAdded:
		return r.open(e)
	case live.Metadata:
		_, err := r.files[e.Stream].Write(e.Data)
		return err
	case live.Packet:
		if len(e.Data) != int(e.Index.PacketSize/8) {
			return fmt.Errorf("packet of %d bytes, want %d bits", len(e.Data), e.Index.PacketSize)
		}
		_, err := r.files[e.Stream].Write(e.Data)
		select {
		case <-r.first:
		default:
			close(r.first)
		}
		return err
	case live.PacketLost:
		return e.Err
	case live.StreamEnded:
		return e.Err
	case live.SessionEnded:
		return e.Err
	}
	return nil
}

// open makes the file of a stream.
func (r *clientReader) open(e live.StreamAdded) error {
	dir := filepath.Join(r.dir, fmt.Sprint("trace-", e.Trace))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	name := "metadata"
	if !e.Metadata {
		name = fmt.Sprintf("%s-%d", e.Channel, e.Stream)
	}
	f, err := os.OpenFile(filepath.Join(dir, name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	r.files[e.Stream] = f
	return err
}

// awaitPacket waits until something was read.
func (r *clientReader) awaitPacket() {
	r.m.Helper()
	select {
	case <-r.first:
	case err := <-r.done:
		r.m.Fatalf("client: session ended, error %v, before its first packet", err)
	case <-time.After(patience):
		r.m.Fatalf("client: no packet within %v", patience)
	}
}

// finish waits for the end of the session and returns the events.
func (r *clientReader) finish() []event {
	r.m.Helper()
	select {
	case err := <-r.done:
		if err != nil {
			r.m.Errorf("client of minor %d: %v", r.client.Minor(), err)
		}
	case <-time.After(patience):
		r.m.Fatalf("client: session did not end within %v", patience)
	}
	return r.m.readTree(r.dir)
}

// Weir's own viewer gets every event from the original relay and from weir's,
// also those of applications that begin and end beside an idle one.
func TestClient(t *testing.T) {
	for _, relay := range []string{"weir", "original"} {
		for _, buffers := range []string{"--buffers-uid", "--buffers-pid"} {
			t.Run(relay+buffers, func(t *testing.T) {
				isolated(t, func(m *machine) { m.testClient(relay == "original", buffers) })
			})
		}
	}
}

// present narrows spans to the events that are there: the same if all are.
func present(got []event, spans []span) []span {
	var some []span
	seen := make(map[event]bool)
	for _, e := range got {
		seen[e] = true
	}
	for _, s := range spans {
		for n := s.from; n < s.to; n++ {
			if seen[event{s.run, n}] {
				some = append(some, span{s.run, n, n + 1})
			}
		}
	}
	return some
}

// testClient takes from the original relay what that cannot do: several
// viewers of a session, and all packets of a stream that ends while they are
// on their way. With buffers of their own, applications stay until the relay
// has everything.
func (m *machine) testClient(original bool, buffers string) {
	m.startSessiond()
	minors := []lttng.Minor{15}
	var stop func()
	if original {
		stop = m.startOriginal().stop
	} else {
		minors, stop = []lttng.Minor{4, 15}, m.startWeir().stop
	}
	s := m.createLive("mine", buffers)
	idle := m.startApp(1, 17)
	idle.emit(1, 0)
	var readers []*clientReader
	for _, minor := range minors {
		readers = append(readers, m.viewByClient(s.name, minor))
	}
	for _, r := range readers {
		r.awaitPacket()
	}
	apps := []*app{idle}
	for run := 2; run < 5; run++ {
		a := m.startApp(run, 17)
		a.emit(2000, 0)
		if !original {
			a.finish()
		}
		apps = append(apps, a)
	}
	idle.emit(5000, 20)
	s.stop()
	var spans []span
	for i, a := range apps {
		if i == 0 || original {
			a.finish()
		}
		spans = append(spans, a.all())
	}
	s.destroy()
	for _, r := range readers {
		where, got := fmt.Sprintf("minor %d", r.client.Minor()), r.finish()
		if original {
			// What viewers have not read when a session is destroyed the original
			// may keep back; a client gets no event twice, and no other.
			spans = present(got, spans)
		}
		m.wantEvents(where, got, spans...)
	}
	stop()
}
