// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/weir-io/weir/client/agent"
	mover "github.com/weir-io/weir/internal/consumer"
	"github.com/weir-io/weir/internal/fdpool"
	"github.com/weir-io/weir/internal/handover"
	"github.com/weir-io/weir/internal/relay"
	"github.com/weir-io/weir/internal/selfsource"
	"github.com/weir-io/weir/internal/source"
	"github.com/weir-io/weir/internal/tail"
	"github.com/weir-io/weir/internal/tracestore"
	"github.com/weir-io/weir/internal/wait"
)

// consumerRole is the argument that makes the test's program a consumer process.
const consumerRole = "consumer"

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == consumerRole {
		conn, err := handover.New(os.NewFile(3, "daemon"))
		if err == nil {
			err = mover.Run(conn, slog.New(slog.NewTextHandler(os.Stderr, nil)))
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// patience bounds every wait. It is long: a test that needs it has failed.
const patience = 60 * time.Second

// host is a session daemon with weir's own domain and one session, the events of
// which are made by the test.
type host struct {
	*testing.T

	dir    string
	self   *selfsource.Source
	daemon *Daemon
	by     Caller
}

const sessionName = "s"

func newHost(t *testing.T, options ...func(*Options)) *host {
	t.Helper()
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	h := &host{T: t, dir: t.TempDir(), self: selfsource.New(log), by: Caller{UID: uint32(os.Geteuid()), GID: uint32(os.Getegid())}}
	o := Options{Log: log, Sources: []source.Source{h.self}, Consumer: []string{"/proc/self/exe", consumerRole}, SpoolDir: filepath.Join(h.dir, "spool")}
	for _, set := range options {
		set(&o)
	}
	var err error
	if h.daemon, err = New(o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := h.daemon.Close(ctx); err != nil {
			t.Log(err) // sessions whose relay is away lose packets
		}
	})
	return h
}

// begin makes and starts the session, which records events of type trigger.
func (h *host) begin(to ...agent.URI) {
	h.Helper()
	h.beginAs(agent.Normal, to...)
}

// beginAs is begin of a session of a mode.
func (h *host) beginAs(mode agent.Mode, to ...agent.URI) {
	h.Helper()
	_, _, err := h.daemon.Create(h.Context(), h.by, agent.CreateSession{Name: sessionName, Mode: mode, URIs: to})
	h.must(err)
	_, err = h.daemon.EnableEvents(h.Context(), h.by, sessionName, agent.EnableEvents{
		Domain: selfsource.Domain, Rules: []agent.EventRule{{Type: agent.Tracepoint, Pattern: "weir:trigger"}},
	})
	h.must(err)
	h.start()
}

func (h *host) must(err error) {
	h.Helper()
	if err != nil {
		h.Fatal(err)
	}
}

func (h *host) start() {
	h.Helper()
	_, err := h.daemon.Start(h.Context(), h.by, sessionName)
	h.must(err)
}

func (h *host) stop() {
	h.Helper()
	_, err := h.daemon.Stop(h.Context(), h.by, sessionName, true)
	h.must(err)
}

func (h *host) enable(to ...agent.URI) {
	h.Helper()
	_, err := h.daemon.SetConsumerURI(h.Context(), h.by, sessionName, to)
	h.must(err)
	_, err = h.daemon.EnableConsumer(h.Context(), h.by, sessionName, agent.EnableConsumer{})
	h.must(err)
}

func (h *host) disable() {
	h.Helper()
	_, err := h.daemon.DisableConsumer(h.Context(), h.by, sessionName, false)
	h.must(err)
}

// emit makes an event.
func (h *host) emit() {
	h.self.Emit(h.by.UID, agent.Notice{Time: time.Now(), Session: sessionName, Type: "trigger", Text: "test"})
}

func (h *host) session() agent.Session {
	h.Helper()
	doc, err := h.daemon.Session(h.by, sessionName)
	h.must(err)
	return doc
}

// recorded is how many events the consumer process has taken.
func (h *host) recorded() (n uint64) {
	h.Helper()
	for _, st := range h.session().Domains[0].Channels[0].Streams {
		n += st.Events
	}
	return n
}

// pid is that of the consumer process; 0 without one.
func (h *host) pid() (pid int) {
	h.Helper()
	h.must(h.daemon.with(h.by, sessionName, func(s *Session) error {
		if p := s.domains[0].proc; p != nil {
			pid = int(p.pid())
		}
		return nil
	}))
	return pid
}

func (h *host) kill() {
	h.Helper()
	h.must(syscall.Kill(h.pid(), syscall.SIGKILL))
}

// until waits for a condition that nobody signals.
func (h *host) until(what string, done func() bool) {
	h.Helper()
	wait.Until(h.T, what, done)
}

func (h *host) awaitState(want agent.ConsumerState) {
	h.Helper()
	h.until("consumer is "+string(want), func() bool { return h.session().Consumer.State == want })
}

// place is a directory of the test's.
func (h *host) place(name string) agent.URI { return localURI(filepath.Join(h.dir, name)) }

// testRelay is a relay that can be stopped, and started again at its addresses.
type testRelay struct {
	*testing.T

	dir           string
	control, data string
	stop          func()
}

func (h *host) relay() *testRelay {
	h.Helper()
	return h.relayAt("127.0.0.1:0", "127.0.0.1:0")
}

func (h *host) relayAt(control, data string) *testRelay {
	h.Helper()
	r := &testRelay{T: h.T, dir: h.TempDir(), control: control, data: data}
	r.start()
	h.Cleanup(func() { r.stop() })
	return r
}

func (r *testRelay) start() {
	r.Helper()
	must := func(err error) {
		r.Helper()
		if err != nil {
			r.Fatal(err)
		}
	}
	log := slog.New(slog.DiscardHandler)
	tails, err := tail.Create(r.TempDir(), 0)
	must(err)
	store := tracestore.New(tracestore.Options{Output: r.dir, AllowClear: true, Location: time.UTC, Files: fdpool.New(64), Log: log, Tails: tails})
	server, err := relay.New(relay.Options{
		Log: log, Workers: 1, AllowClear: true, MaxConnections: 64, MaxMetadataPayload: 1 << 20, MaxPacketSize: 1 << 24,
		MaxMemory: 1 << 26, Store: store,
	})
	must(err)
	control, err := net.Listen("tcp", r.control)
	must(err)
	data, err := net.Listen("tcp", r.data)
	must(err)
	r.control, r.data = control.Addr().String(), data.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { // received by stop
		ended <- server.Serve(ctx, []net.Listener{control}, []net.Listener{data})
	}()
	r.stop = func() {
		cancel()
		if err := <-ended; err != nil {
			r.Error(err)
		}
		store.Expire()
		tails.Close()
		r.stop = func() {}
	}
}

// uris is the way to the relay.
func (r *testRelay) uris() []agent.URI {
	return []agent.URI{r.uri(agent.ControlStream, r.control), r.uri(agent.DataStream, r.data)}
}

func (r *testRelay) uri(st agent.StreamType, address string) agent.URI {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		r.Fatal(err)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		r.Fatal(err)
	}
	return agent.URI{DestinationType: agent.DestinationIPv4, Type: agent.Destination, Stream: st, Protocol: agent.TCP, Family: 4, Address: host, Port: uint16(n)}
}
