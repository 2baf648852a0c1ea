// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/weir-io/weir/client/agent"
	"github.com/weir-io/weir/ctf"
)

// end ends the daemon, which has as long for it as it says everywhere.
func (h *host) end() error {
	h.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	begun := time.Now()
	err := h.daemon.Close(ctx)
	if took, most := time.Since(begun), endTimeout+endTimeout/2; took > most { // a busy machine has some of it
		h.Errorf("the end took %v, want at most %v", took, most)
	}
	return err
}

// kept is how many packets are kept below the directory of spools, in one trace.
func (h *host) kept() (n int) {
	h.Helper()
	indexes, err := filepath.Glob(filepath.Join(h.dir, "spool", keptDir, "*", "*", "index", "*.idx"))
	h.must(err)
	for _, path := range indexes {
		b, err := os.ReadFile(path)
		h.must(err)
		head, err := ctf.ParseIndexHeader(b)
		h.must(err)
		n += (len(b) - ctf.IndexHeaderLen) / int(head.RecordLen)
	}
	return n
}

// TestEndWithoutRelay ends the daemon while the relay is away: what the relay has
// not got is kept.
func TestEndWithoutRelay(t *testing.T) {
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
	if err := h.end(); err != nil {
		t.Errorf("nothing is lost, but: %v", err)
	}
	if n := h.kept(); n != 1 {
		t.Errorf("%d packets are kept, want 1", n)
	}
}

// TestEndWithFullSpool ends the daemon while a consumer waits for room in its spool:
// what finds none is lost, and told.
func TestEndWithFullSpool(t *testing.T) {
	t.Parallel()
	h := newHost(t, func(o *Options) { o.SpoolMemory, o.SpoolDisk = 1, 1 }) // one packet, of any size
	r := h.relay()
	h.begin(r.uris()...)
	h.emit()
	h.stop()
	h.start()
	r.stop()
	h.awaitState(agent.ConsumerSpooling)
	text := strings.Repeat("x", 20<<10)
	for range 12 { // four packets at least
		h.self.Emit(h.by.UID, agent.Notice{Session: sessionName, Type: "trigger", Text: text})
	}
	h.until("the spool is full", func() bool { return h.session().Consumer.SpoolFull })
	err := h.end()
	if err == nil || !strings.Contains(err.Error(), "packets are lost") {
		t.Errorf("got %v, want the packets that are lost", err)
	}
	if n := h.kept(); n != 1 {
		t.Errorf("%d packets are kept, want 1", n)
	}
}

// TestEndWithoutSpool has no place for what the relay has not got.
func TestEndWithoutSpool(t *testing.T) {
	t.Parallel()
	h := newHost(t, func(o *Options) { o.SpoolDir = "" })
	r := h.relay()
	h.begin(r.uris()...)
	h.emit()
	h.stop()
	h.start()
	r.stop()
	h.awaitState(agent.ConsumerSpooling)
	h.emit()
	if err := h.end(); err == nil || !strings.Contains(err.Error(), "1 packets are lost: no relay") {
		t.Errorf("got %v, want the packet that is lost", err)
	}
}

// TestEndUnderCommand ends the daemon while a command waits for a process that is
// stopped.
func TestEndUnderCommand(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.begin(h.place("trace"))
	h.must(syscall.Kill(h.pid(), syscall.SIGSTOP))
	turned := make(chan error, 1)
	go func() { // received below
		_, err := h.daemon.Rotate(context.Background(), h.by, sessionName, true)
		turned <- err
	}()
	h.until("it waits", func() bool {
		if h.daemon.sessions[0].mu.TryLock() {
			h.daemon.sessions[0].mu.Unlock()
			return false
		}
		return true
	})
	if err := h.end(); err == nil {
		t.Error("a process that was stopped has ended in order")
	}
	if err := <-turned; err == nil {
		t.Error("rotated by a process that was stopped")
	}
}

// TestDestroyKeeps destroys a session whose relay is away, and has what it has not
// got kept.
func TestDestroyKeeps(t *testing.T) {
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
	done, err := h.daemon.Destroy(t.Context(), h.by, sessionName, true)
	h.must(err)
	if len(done.Warnings) != 1 || !strings.Contains(done.Warnings[0].Message, "1 packets that no relay has got are kept in "+filepath.Join(h.dir, "spool", keptDir)) {
		t.Errorf("got warnings %v, want where the packet is kept", done.Warnings)
	}
	if n := h.kept(); n != 1 {
		t.Errorf("%d packets are kept, want 1", n)
	}
}

// TestMoveTellsKept moves a session away from a relay that is lost: the command and
// the status tell of the packets that the relay has not got.
func TestMoveTellsKept(t *testing.T) {
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
	h.until("it is spooled", func() bool { return h.session().Consumer.SpoolBytes > 0 })
	_, err := h.daemon.SetConsumerURI(t.Context(), h.by, sessionName, []agent.URI{h.place("trace")})
	h.must(err)
	done, err := h.daemon.EnableConsumer(t.Context(), h.by, sessionName, agent.EnableConsumer{})
	h.must(err)
	place := filepath.Join(h.dir, "spool", keptDir)
	if len(done.Warnings) != 1 || !strings.Contains(done.Warnings[0].Message, place) {
		t.Errorf("got warnings %v, want where packets are kept", done.Warnings)
	}
	h.until("the status tells where the packet is kept", func() bool {
		return slices.ContainsFunc(h.session().Warnings, func(text string) bool {
			return strings.Contains(text, "1 packets that no relay has got are kept in "+place)
		})
	})
}
