// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package session

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/weir-io/weir/client/agent"
	"github.com/weir-io/weir/client/relay"
	"github.com/weir-io/weir/internal/handover"
	"github.com/weir-io/weir/internal/selfsource"
)

// TestDisabledStaysSo has a consumer that is disabled read nothing, whatever
// becomes of the session, and read on at another place.
func TestDisabledStaysSo(t *testing.T) {
	h := newHost(t)
	h.begin(h.place("first"))
	h.disable()
	h.stop()
	h.start()
	h.kill()
	h.until("a consumer process again", func() bool { return len(h.session().Domains[0].Channels[0].Streams) > 0 })
	if s := h.session().Consumer.State; s != agent.ConsumerDisabled {
		t.Errorf("consumer is %s, want disabled", s)
	}
	h.emit()
	h.stop() // the source sends what it has
	if n := h.recorded(); n != 0 {
		t.Errorf("%d events were taken by a disabled consumer", n)
	}
	h.enable(h.place("second"))
	if n := h.recorded(); n != 1 {
		t.Errorf("%d events were taken from a stopped session, want 1", n)
	}
	h.start()
	h.emit()
	h.stop()
	if n := h.recorded(); n != 2 {
		t.Errorf("%d events were taken, want 2", n)
	}
}

// TestStopTellsLostRelay has a session that is stopped while its relay is away say
// so, and end its search when it gets another place.
func TestStopTellsLostRelay(t *testing.T) {
	h := newHost(t)
	r := h.relay()
	h.begin(r.uris()...)
	h.emit()
	h.stop()
	h.start()
	r.stop()
	h.awaitState(agent.ConsumerSpooling)
	h.stop()
	if s := h.session().Consumer.State; s != agent.ConsumerSpooling {
		t.Errorf("consumer is %s, want spooling", s)
	}
	other := h.relay()
	h.enable(other.uris()...)
	h.start()
	h.emit()
	h.stop()
	found := func() int {
		all, err := filepath.Glob(filepath.Join(other.dir, "*", "*"))
		h.must(err)
		return len(all)
	}
	if n := found(); n != 1 {
		t.Errorf("%d sessions at the other relay, want 1", n)
	}
	if c := h.session().Consumer; c.LastError != "" || c.State != agent.ConsumerReady {
		t.Errorf("consumer is %s, last error %q; want ready, none", c.State, c.LastError)
	}
}

// TestRetryIsTold has a session that looks for its relay tell why it has not found it
// yet, rather than how it was lost.
func TestRetryIsTold(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	r := h.relay()
	h.begin(r.uris()...)
	h.emit()
	h.stop()
	h.start()
	r.stop()
	h.awaitState(agent.ConsumerSpooling)
	h.until("it tells that nobody listens", func() bool {
		return strings.Contains(h.session().Consumer.LastError, r.control+": connect: ")
	})
	r.start()
	h.awaitState(agent.ConsumerStreaming)
	if told := h.session().Consumer.LastError; told != "" {
		t.Errorf("the last error is %q, want none", told)
	}
}

// TestStopFindsRelay stops a session whose relay is away: the relay is looked for
// while the stop waits for it, and gets what the session has.
func TestStopFindsRelay(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	r := h.relay()
	h.begin(r.uris()...)
	h.emit()
	h.stop()
	h.start()
	r.stop()
	h.awaitState(agent.ConsumerSpooling)
	h.emit()
	stopped := make(chan error, 1)
	go func() {
		_, err := h.daemon.Stop(h.Context(), h.by, sessionName, true)
		stopped <- err
	}()
	h.until("the stop waits", func() bool {
		return strings.Contains(strings.Join(h.session().Warnings, " "), "a command is being carried out")
	})
	r.start()
	if err := <-stopped; err != nil {
		t.Errorf("stop: %v; want the relay to be found while it waits", err)
	}
	if c := h.session().Consumer; c.State != agent.ConsumerReady || c.Packets != 2 || c.Confirmed != 2 || c.LastError != "" {
		t.Errorf("consumer is %s, %d packets, %d confirmed, last error %q; want ready, 2, 2, none", c.State, c.Packets, c.Confirmed, c.LastError)
	}
}

// TestConsumerDiesWithoutRelay has a consumer process die while its relay is away:
// another takes its place once there is one.
func TestConsumerDiesWithoutRelay(t *testing.T) {
	h := newHost(t)
	r := h.relay()
	h.begin(r.uris()...)
	h.emit()
	h.stop()
	h.start()
	r.stop()
	h.awaitState(agent.ConsumerSpooling)
	h.kill()
	h.awaitState(agent.ConsumerConnecting)
	r.start()
	h.awaitState(agent.ConsumerStreaming)
	h.emit()
	h.stop()
	if n := h.recorded(); n != 1 {
		t.Errorf("%d events were taken by the new process, want 1", n)
	}
}

// TestConsumerDies has a consumer process die that sends to a relay: its successor
// goes on there.
func TestConsumerDies(t *testing.T) {
	h := newHost(t)
	r := h.relay()
	h.begin(r.uris()...)
	h.emit()
	h.stop()
	h.start()
	old := h.pid()
	h.kill()
	h.until("another process streams", func() bool {
		pid := h.pid()
		return pid != 0 && pid != old && h.session().Consumer.State == agent.ConsumerStreaming
	})
	h.emit()
	h.stop()
	if c := h.session().Consumer; c.Packets != 1 || c.Confirmed != 1 {
		t.Errorf("%d packets of the new process, %d confirmed; want 1, 1", c.Packets, c.Confirmed)
	}
}

// TestConsumerDiesInPlace has a consumer process die when its directory cannot be moved
// out of the way: once that can be, the session goes on there.
func TestConsumerDiesInPlace(t *testing.T) {
	h := newHost(t)
	h.begin(h.place("trace"))
	h.emit()
	h.until("the packet is written", func() bool { return h.session().Consumer.Packets == 1 })
	// A packet that it had begun to write.
	files, err := filepath.Glob(filepath.Join(h.dir, "trace", selfsource.Domain, "*_0"))
	h.must(err)
	whole, err := os.ReadFile(files[0])
	h.must(err)
	h.must(os.WriteFile(files[0], append(whole, whole[:100]...), 0o600))
	inTheWay := filepath.Join(h.dir, "trace", archivesDir)
	h.must(os.WriteFile(inTheWay, nil, 0o600))
	h.kill()
	h.awaitState(agent.ConsumerFailed)
	h.must(os.Remove(inTheWay))
	_, err = h.daemon.EnableConsumer(t.Context(), h.by, sessionName, agent.EnableConsumer{})
	h.must(err)
	h.emit()
	h.stop()
	for _, dir := range []string{"trace/" + selfsource.Domain, "trace/archives/*/" + selfsource.Domain} {
		found, err := filepath.Glob(filepath.Join(h.dir, dir, "index", "*.idx"))
		h.must(err)
		if len(found) != 1 {
			t.Errorf("%s: indexes %q, want one", dir, found)
		}
	}
	found, err := filepath.Glob(filepath.Join(h.dir, "trace/archives/*/*/*_0"))
	h.must(err)
	if got, err := os.ReadFile(found[0]); err != nil || !bytes.Equal(got, whole) {
		t.Errorf("what the dead process has left: %d bytes, %v; want the %d of the whole packet", len(got), err, len(whole))
	}
}

// TestLostWithConsumer has a consumer process die with a packet that its relay has not
// got: the next one finds at the relay how many there were, and counts them.
func TestLostWithConsumer(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	r := h.relay()
	h.begin(r.uris()...)
	h.emit()
	h.stop()
	h.start()
	r.stop()
	h.awaitState(agent.ConsumerSpooling)
	h.emit()
	h.until("the packet waits", func() bool { return h.session().Consumer.SpoolBytes > 0 })
	h.kill()
	h.awaitState(agent.ConsumerConnecting)
	r.start()
	h.awaitState(agent.ConsumerStreaming)
	h.emit()
	h.stop()
	if c := h.session().Consumer; c.Lost != 1 || c.Confirmed != c.Packets {
		t.Errorf("%d packets lost, %d of %d confirmed; want 1, all", c.Lost, c.Confirmed, c.Packets)
	}
}

// TestPacketsLostBeforehand confirms packets whose numbers have gaps: a source
// loses those that a disabled consumer does not take.
func TestPacketsLostBeforehand(t *testing.T) {
	h := newHost(t)
	r := h.relay()
	h.begin(r.uris()...)
	h.disable()
	text := strings.Repeat("x", 20<<10)
	for range 60 {
		h.self.Emit(h.by.UID, agent.Notice{Session: sessionName, Type: "trigger", Text: text})
	}
	_, err := h.daemon.EnableConsumer(t.Context(), h.by, sessionName, agent.EnableConsumer{})
	h.must(err)
	h.until("the source has room", func() bool { return h.recorded() > 0 })
	h.emit()
	h.stop()
	c, st := h.session().Consumer, h.session().Domains[0].Channels[0].Streams[0]
	if c.Confirmed != c.Packets || st.Events+st.Discarded != 61 || st.Discarded == 0 {
		t.Errorf("%d of %d packets are confirmed, %d events, %d discarded; want all of 61", c.Confirmed, c.Packets, st.Events, st.Discarded)
	}
}

// TestPacketsLostAtTheEnd has the last packets of a stream lost: the one that ends it
// tells.
func TestPacketsLostAtTheEnd(t *testing.T) {
	h := newHost(t)
	h.begin(h.place("trace"))
	h.disable()
	text := strings.Repeat("x", 3<<10) // several in a packet
	for range 400 {
		h.self.Emit(h.by.UID, agent.Notice{Session: sessionName, Type: "trigger", Text: text})
	}
	_, err := h.daemon.EnableConsumer(t.Context(), h.by, sessionName, agent.EnableConsumer{})
	h.must(err)
	h.until("the source has room", func() bool { return h.recorded() > 0 })
	h.stop()
	if st := h.session().Domains[0].Channels[0].Streams[0]; st.Events+st.Discarded != 400 || st.Discarded == 0 {
		t.Errorf("%d events, %d discarded; want all of 400", st.Events, st.Discarded)
	}
}

// TestSpoolIsTold fills a spool while its relay is away.
func TestSpoolIsTold(t *testing.T) {
	t.Parallel()
	h := newHost(t, func(o *Options) { o.SpoolMemory, o.SpoolDisk = 40<<10, 1 })
	r := h.relay()
	h.begin(r.uris()...)
	h.emit()
	h.stop() // the relay has the streams
	h.start()
	notices := h.watch()
	r.stop()
	h.awaitState(agent.ConsumerSpooling)
	text := strings.Repeat("x", 20<<10)
	for range 12 {
		h.self.Emit(h.by.UID, agent.Notice{Session: sessionName, Type: "trigger", Text: text})
	}
	h.awaitNotice(notices, "spool", "no more is read")
	r.start()
	h.awaitState(agent.ConsumerStreaming)
	h.awaitNotice(notices, "spool", " bytes wait for the relay")
	h.stop()
}

// TestTwoAddresses sends control and data to different addresses: those of one
// relay, and of two.
func TestTwoAddresses(t *testing.T) {
	h := newHost(t)
	r, other := h.relayAt("127.0.0.1:0", "127.0.0.2:0"), h.relayAt("127.0.0.1:0", "127.0.0.2:0")
	h.begin(r.uris()...)
	h.emit()
	h.stop()
	if c := h.session().Consumer; c.Confirmed != 1 {
		t.Errorf("%d packets are confirmed, want 1", c.Confirmed)
	}
	_, err := h.daemon.SetConsumerURI(t.Context(), h.by, sessionName, []agent.URI{r.uris()[0], other.uris()[1]})
	h.must(err)
	_, err = h.daemon.EnableConsumer(t.Context(), h.by, sessionName, agent.EnableConsumer{})
	var p *agent.Problem
	if !errors.As(err, &p) || p.Code != agent.CodeRelayConnect || !strings.Contains(p.Message, relay.ErrSplit.Error()) {
		t.Errorf("two relays: got %v, want %v", err, relay.ErrSplit)
	}
}

// TestRefusedPlaceLeavesNothing enables a place that the consumer process refuses.
func TestRefusedPlaceLeavesNothing(t *testing.T) {
	h := newHost(t)
	h.begin(h.place("first"))
	before := descriptors(t)
	for range 3 {
		_, err := h.daemon.SetConsumerURI(t.Context(), h.by, sessionName, []agent.URI{localURI("/proc/weir")})
		h.must(err)
		if _, err := h.daemon.EnableConsumer(t.Context(), h.by, sessionName, agent.EnableConsumer{}); err == nil {
			t.Error("a directory below /proc was taken")
		}
	}
	if n := descriptors(t); n > before {
		t.Errorf("%d descriptors are open, before %d", n, before)
	}
	h.emit()
	h.stop()
	if n := h.recorded(); n != 1 {
		t.Errorf("%d events were taken, want 1", n)
	}
}

func descriptors(t *testing.T) int {
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}

// TestCreateIsWhole gives orders to a session that is being made.
func TestCreateIsWhole(t *testing.T) {
	h := newHost(t)
	var all sync.WaitGroup
	stop := make(chan struct{})
	all.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			_, _ = h.daemon.SetConsumerURI(t.Context(), h.by, sessionName, []agent.URI{h.place("x")})
		}
	})
	for range 300 {
		_, _, err := h.daemon.Create(t.Context(), h.by, agent.CreateSession{Name: sessionName, URIs: []agent.URI{h.place("x")}})
		h.must(err)
		_, err = h.daemon.Destroy(t.Context(), h.by, sessionName, true)
		h.must(err)
	}
	close(stop)
	all.Wait()
}

// TestOwnEvents has weir's own domain tell a user of sessions of theirs alone.
func TestOwnEvents(t *testing.T) {
	h := newHost(t)
	h.by.UID = 1000 // whom the test need not be: an unprivileged daemon changes nobody
	if os.Geteuid() == 0 {
		h.by.GID = 1000
		h.must(os.Chmod(filepath.Dir(h.dir), 0o755))
		h.must(os.Chown(h.dir, 1000, 1000))
	}
	h.begin(h.place("trace"))
	h.self.Emit(1001, agent.Notice{Session: "other", Type: "trigger"})
	h.emit()
	h.stop()
	if n := h.recorded(); n != 1 {
		t.Errorf("%d events were recorded, want 1: the user's own", n)
	}
}

// within fails the test when something takes longer than a process is waited for.
func (h *host) within(what string, do func() error) {
	h.Helper()
	ended := make(chan error, 1)
	go func() { ended <- do() }() // received below, unless it hangs
	select {
	case err := <-ended:
		h.must(err)
	case <-time.After(2 * finishTimeout):
		h.Fatalf("%s hangs", what)
	}
}

// fillSpool has the relay of a session away until its spool has no more room.
func (h *host) fillSpool(r *testRelay) {
	h.Helper()
	h.emit()
	h.stop() // the relay has the streams
	h.start()
	r.stop()
	h.awaitState(agent.ConsumerSpooling)
	text := strings.Repeat("x", 20<<10)
	for range 4 { // no more than the source's socket holds
		h.self.Emit(h.by.UID, agent.Notice{Session: sessionName, Type: "trigger", Text: text})
	}
	h.until("the spool is full", func() bool { return h.session().Consumer.SpoolFull })
}

// smallSpool has room for one packet, of any size.
func smallSpool(o *Options) { o.SpoolMemory, o.SpoolDisk = 1, 1 }

// TestFullSpoolHoldsNobodyUp gives orders to a consumer whose spool is full while its
// relay is away, and has it go on when that is back.
func TestFullSpoolHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	h := newHost(t, smallSpool)
	r := h.relay()
	h.begin(r.uris()...)
	h.fillSpool(r)
	before := h.recorded()
	h.within("disable-consumer", func() error {
		_, err := h.daemon.DisableConsumer(t.Context(), h.by, sessionName, false)
		return err
	})
	h.within("enable-consumer", func() error {
		_, err := h.daemon.EnableConsumer(t.Context(), h.by, sessionName, agent.EnableConsumer{})
		return err
	})
	r.start()
	h.awaitState(agent.ConsumerStreaming)
	h.stop()
	if c := h.session().Consumer; c.Lost != 0 || c.Confirmed != c.Packets || h.recorded() <= before {
		t.Errorf("%d of %d packets are confirmed, %d lost; %d events after %d", c.Confirmed, c.Packets, c.Lost, h.recorded(), before)
	}
}

// TestFullSpoolRescued moves a session whose spool is full to a directory.
func TestFullSpoolRescued(t *testing.T) {
	t.Parallel()
	h := newHost(t, smallSpool)
	r := h.relay()
	h.begin(r.uris()...)
	h.fillSpool(r)
	_, err := h.daemon.SetConsumerURI(t.Context(), h.by, sessionName, []agent.URI{h.place("rescue")})
	h.must(err)
	h.within("enable-consumer", func() error {
		_, err := h.daemon.EnableConsumer(t.Context(), h.by, sessionName, agent.EnableConsumer{})
		return err
	})
	h.until("what waits for room is there", func() bool { return len(h.packets(h.place("rescue"))) > 0 })
	h.stop()
	if c := h.session().Consumer; c.Lost != 0 {
		t.Errorf("%d packets are lost", c.Lost)
	}
}

// TestDisableInterrupted disables a consumer for somebody who is gone.
func TestDisableInterrupted(t *testing.T) {
	h := newHost(t)
	h.begin(h.place("trace"))
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := h.daemon.DisableConsumer(gone, h.by, sessionName, false)
	h.must(err)
	if s := h.session().Consumer.State; s != agent.ConsumerDisabled {
		t.Errorf("consumer is %s, want disabled", s)
	}
	_, err = h.daemon.EnableConsumer(gone, h.by, sessionName, agent.EnableConsumer{})
	h.must(err)
	h.emit()
	h.stop()
	if n := h.recorded(); n != 1 {
		t.Errorf("%d events were taken, want 1", n)
	}
}

// TestDisableInVain disables the consumer of a process that gives no answer in time:
// it is not disabled, also when the process goes on.
func TestDisableInVain(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.begin(h.place("trace"))
	pid := h.pid()
	h.must(syscall.Kill(pid, syscall.SIGSTOP))
	_, err := h.daemon.DisableConsumer(t.Context(), h.by, sessionName, false)
	h.must(syscall.Kill(pid, syscall.SIGCONT))
	if err == nil {
		t.Error("disabled by a process that was stopped")
	}
	if s := h.session().Consumer.State; s != agent.ConsumerStreaming {
		t.Errorf("consumer is %s, want streaming", s)
	}
	h.emit()
	h.until("it is recorded", func() bool { return h.recorded() == 1 })
}

// TestLateLoss has a session told late that its relay is lost: it has moved on.
func TestLateLoss(t *testing.T) {
	h := newHost(t)
	r := h.relay()
	h.begin(r.uris()...)
	var m *domain
	var old uint64
	h.must(h.daemon.with(h.by, sessionName, func(s *Session) error {
		m = s.domains[0]
		old = m.output
		return nil
	}))
	h.enable(h.place("trace"))
	h.within("a search for a relay", func() error {
		m.reconnect(handover.Lost{Output: old, Error: "late"})
		return nil
	})
	if c := h.session().Consumer; c.State != agent.ConsumerStreaming || c.LastError != "" {
		t.Errorf("consumer is %s, last error %q; want streaming, none", c.State, c.LastError)
	}
}

// TestRegenerateLive has the metadata of a live session written anew, which no relay
// takes.
func TestRegenerateLive(t *testing.T) {
	h := newHost(t)
	r := h.relay()
	h.beginAs(agent.Live, r.uris()...)
	_, err := h.daemon.RegenerateMetadata(t.Context(), h.by, sessionName)
	if p, ok := errors.AsType[*agent.Problem](err); !ok || p.Code != agent.CodeLive {
		t.Errorf("got %v, want problem %d", err, agent.CodeLive)
	}
	h.emit()
	h.stop()
	if c := h.session().Consumer; c.State != agent.ConsumerReady || c.Confirmed != c.Packets {
		t.Errorf("consumer is %s with %d of %d packets confirmed", c.State, c.Confirmed, c.Packets)
	}
}

// TestEnableSamePlace enables the destination that a session has.
func TestEnableSamePlace(t *testing.T) {
	h := newHost(t)
	r := h.relay()
	for _, to := range [][]agent.URI{{h.place("trace")}, r.uris()} {
		h.begin(to...)
		_, err := h.daemon.SetConsumerURI(t.Context(), h.by, sessionName, to)
		h.must(err)
		done, err := h.daemon.EnableConsumer(t.Context(), h.by, sessionName, agent.EnableConsumer{})
		h.must(err)
		if len(done.Warnings) != 1 || !strings.Contains(done.Warnings[0].Message, "enabled already") {
			t.Errorf("%v: got warnings %v, want that it is enabled", to, done.Warnings)
		}
		h.disable()
		h.enable(to...)
		h.emit()
		h.stop()
		if c := h.session().Consumer; h.recorded() != 1 || c.State != agent.ConsumerReady {
			t.Errorf("%v: %d events were taken, consumer is %s; want 1, ready", to, h.recorded(), c.State)
		}
		_, err = h.daemon.Destroy(t.Context(), h.by, sessionName, true)
		h.must(err)
	}
	if all, err := filepath.Glob(filepath.Join(r.dir, "*", "*")); err != nil || len(all) != 1 {
		t.Errorf("at the relay: %v, %v; want one session", all, err)
	}
}

// TestDisabledAfterRefusedPlace has a disabled consumer stay disabled when another
// place is refused, and go on at the old one.
func TestDisabledAfterRefusedPlace(t *testing.T) {
	h := newHost(t)
	h.begin(h.place("first"))
	h.disable()
	_, err := h.daemon.SetConsumerURI(t.Context(), h.by, sessionName, []agent.URI{localURI("/proc/weir")})
	h.must(err)
	if _, err := h.daemon.EnableConsumer(t.Context(), h.by, sessionName, agent.EnableConsumer{}); err == nil {
		t.Error("a directory below /proc was taken")
	}
	if s := h.session().Consumer.State; s != agent.ConsumerDisabled {
		t.Errorf("consumer is %s, want disabled", s)
	}
	_, err = h.daemon.EnableConsumer(t.Context(), h.by, sessionName, agent.EnableConsumer{})
	h.must(err)
	h.emit()
	h.stop()
	if n := h.recorded(); n != 1 {
		t.Errorf("%d events were taken, want 1", n)
	}
}

// TestStartWithFullSpool stops and starts a session of weir's own events whose spool is
// full, and the source's socket, too: that goes well but for what it cannot bring away,
// and each event is recorded or told as discarded in the end.
func TestStartWithFullSpool(t *testing.T) {
	t.Parallel()
	h := newHost(t, smallSpool)
	r := h.relay()
	h.begin(r.uris()...)
	h.fillSpool(r)
	emitted := uint64(5) // so far
	text := strings.Repeat("x", 20<<10)
	for range 2 {
		for range 100 { // more than the socket holds
			h.self.Emit(h.by.UID, agent.Notice{Session: sessionName, Type: "trigger", Text: text})
			emitted++
		}
		_, err := h.daemon.Stop(t.Context(), h.by, sessionName, true)
		if err == nil || !strings.Contains(err.Error(), "not everything is at its place") || strings.Contains(err.Error(), "unavailable") {
			t.Errorf("stopped with %v, want what is not at its place", err)
		}
		h.start()
	}
	r.start()
	h.awaitState(agent.ConsumerStreaming)
	h.until("the spool has room", func() bool { return !h.session().Consumer.SpoolFull })
	h.emit()
	emitted++
	h.stop()
	if st := h.session().Domains[0].Channels[0].Streams[0]; st.Events+st.Discarded != emitted || st.Discarded == 0 {
		t.Errorf("%d events, %d discarded; want all of %d", st.Events, st.Discarded, emitted)
	}
	if _, err := h.daemon.Destroy(t.Context(), h.by, sessionName, true); err != nil {
		t.Errorf("destroyed with %v", err)
	}
}
