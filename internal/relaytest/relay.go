// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relaytest

import (
	"context"
	"log/slog"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weir-io/weir/internal/fdpool"
	"github.com/weir-io/weir/internal/relay"
	"github.com/weir-io/weir/internal/tail"
	"github.com/weir-io/weir/internal/tracestore"
	"github.com/weir-io/weir/internal/wait"
)

// patience bounds every wait. It is long: a test that needs it has failed.
const patience = 5 * time.Second

// Brief is a time-out that is meant to end.
const Brief = 50 * time.Millisecond

// openFiles is the budget of trace files of a relay under test.
const openFiles = 512

// Relay is a relay that runs in the test's process.
type Relay struct {
	// Immutable after Start.
	Output        string // output directory
	Control, Data string // addresses, HOST:PORT
	Server        *relay.Server
	Store         *tracestore.Store

	t      testing.TB
	tails  *tail.Table
	cancel context.CancelFunc
	done   chan error // receives the end of Serve
	before Resources

	stopped bool
	sent    atomic.Uint64 // by producers of this package
}

// Change adapts the options of a relay before it starts.
type Change func(*relay.Options, *tracestore.Options)

// Quiet keeps the relay's log out of the test's output.
func Quiet(r *relay.Options, s *tracestore.Options) {
	r.Log = slog.New(slog.DiscardHandler)
	s.Log = r.Log
}

// UDP lets producers send packets in datagrams.
func UDP(r *relay.Options, _ *tracestore.Options) { r.UDP = true }

// OneWorker makes the relay handle everything in the order in which it arrived,
// whatever the connection.
func OneWorker(r *relay.Options, _ *tracestore.Options) { r.Workers = 1 }

// Start runs a relay with an empty output directory and directory names in UTC.
// At the end of the test it is stopped and its resources are accounted for;
// tests that run beside others in one process must not use it.
func Start(t testing.TB, changes ...Change) *Relay {
	t.Helper()
	warmUp(t)
	r := &Relay{t: t, done: make(chan error, 1), before: CountResources(t)}
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	store := tracestore.Options{
		Output: t.TempDir(), AllowClear: true, Location: time.UTC,
		Files: fdpool.New(openFiles), Log: log,
	}
	server := relay.Options{
		Log: log, Workers: 2, AllowClear: true,
		MaxConnections: 512, MaxMetadataPayload: 16 << 20, MaxPacketSize: 1 << 30, MaxMemory: 256 << 20,
	}
	for _, change := range changes {
		change(&server, &store)
	}
	var err error
	if r.tails, err = tail.Create(t.TempDir(), 0); err != nil {
		t.Fatal(err)
	}
	store.Tails = r.tails
	r.Output = store.Output
	r.Store = tracestore.New(store)
	server.Store = r.Store
	if r.Server, err = relay.New(server); err != nil {
		t.Fatal(err)
	}
	r.serve()
	t.Cleanup(func() {
		r.Stop()
		if _, fuzz := t.(*testing.F); !fuzz {
			// The fuzzing engine has resources of its own here: its inputs
			// are to be accounted for one by one.
			r.before.Check(t)
		}
	})
	return r
}

// Remote stands for a relay of another process: it can be dialed, and no more.
func Remote(t testing.TB, control, data string) *Relay {
	return &Relay{t: t, Control: control, Data: data}
}

// serve opens the ports and runs the server until Stop.
func (r *Relay) serve() {
	control, data := listen(r.t), listen(r.t)
	r.Control, r.Data = control.Addr().String(), data.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	r.cancel = cancel
	go func() { // ended and waited for by Stop
		r.done <- r.Server.Serve(ctx, []net.Listener{control}, []net.Listener{data})
	}()
	r.waitServing()
}

// waitServing returns once everything that the server runs is running: it has
// accepted a connection and seen its end.
func (r *Relay) waitServing() {
	r.t.Helper()
	closeConn(Connect(r.t, r.Control))
	c := r.Server.Counters()
	wait.Until(r.t, "the relay serves", func() bool {
		return c.ControlTotal.Load() == 1 && c.ControlOpen.Load() == 0
	})
}

// Lend lets another test, such as one input of a fuzz target, use the relay and
// a producer until that test ends.
func (r *Relay) Lend(t testing.TB, p *Producer) {
	relayT, producerT := r.t, p.t
	r.t, p.t = t, t
	t.Cleanup(func() { r.t, p.t = relayT, producerT })
}

// Stop ends the relay in order and waits for it. It may be called again.
func (r *Relay) Stop() {
	r.t.Helper()
	if r.stopped {
		return
	}
	r.stopped = true
	r.cancel()
	select {
	case err := <-r.done:
		if err != nil {
			r.t.Errorf("relay ended with %v", err)
		}
	case <-time.After(patience):
		r.t.Fatalf("relay did not stop within %v", patience)
	}
	// Nobody reads live sessions here: what is kept for viewers may go.
	r.Store.Expire()
	if err := r.tails.Close(); err != nil {
		r.t.Errorf("tail table: %v", err)
	}
}

// WaitSettled waits until the relay has let go of all connections and sessions.
func (r *Relay) WaitSettled() {
	r.t.Helper()
	c := r.Server.Counters()
	wait.Until(r.t, "all connections and sessions are closed", func() bool {
		return c.ControlOpen.Load() == 0 && c.DataOpen.Load() == 0 && len(r.Store.Sessions()) == 0
	})
}

// WaitReceived waits until the relay has received what its producers have sent.
// With OneWorker that has then been handled before anything sent later.
func (r *Relay) WaitReceived() {
	r.t.Helper()
	received := &r.Server.Counters().ReceivedBytes
	wait.Until(r.t, "the relay has received everything", func() bool { return received.Load() == r.sent.Load() })
}

// WaitPackets waits until n packets in all have been stored or dropped.
func (r *Relay) WaitPackets(n uint64) {
	r.t.Helper()
	c := r.Store.Counters()
	wait.Until(r.t, "packets are stored", func() bool {
		return c.Packets.Load()+c.DroppedPackets.Load() >= n
	})
}

func listen(t testing.TB) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// warmUp makes the runtime open the descriptors that it keeps for ever.
func warmUp(t testing.TB) {
	t.Helper()
	l := listen(t)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}
