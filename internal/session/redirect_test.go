// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package session

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/weir-io/weir/client/agent"
	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/internal/selfsource"
	"github.com/weir-io/weir/internal/source"
)

// secondDomain is another domain that records what weir's own does.
const secondDomain = "second"

type second struct{ *selfsource.Source }

func (second) Domain() string { return secondDomain }

// newTwoDomains is a session that records two domains.
func newTwoDomains(t *testing.T, to ...agent.URI) *host {
	t.Helper()
	h := newHost(t, func(o *Options) {
		o.Sources = append(o.Sources, source.Source(&second{selfsource.New(o.Log)}))
	})
	h.beginTwo(to...)
	return h
}

// beginTwo makes and starts the session, which records two domains.
func (h *host) beginTwo(to ...agent.URI) {
	h.Helper()
	h.begin(to...)
	h.stop()
	_, err := h.daemon.EnableEvents(h.Context(), h.by, sessionName, agent.EnableEvents{
		Domain: secondDomain, Rules: []agent.EventRule{{Type: agent.Tracepoint, Pattern: "weir:trigger"}},
	})
	h.must(err)
	h.start()
}

// packets returns the numbers of the packets of weir's own domain below a directory.
func (h *host) packets(place agent.URI) (numbers []uint64) {
	h.Helper()
	indexes, err := filepath.Glob(filepath.Join(place.Path, selfsource.Domain, "index", "*.idx"))
	h.must(err)
	for _, path := range indexes {
		b, err := os.ReadFile(path)
		h.must(err)
		head, err := ctf.ParseIndexHeader(b)
		h.must(err)
		for b = b[ctf.IndexHeaderLen:]; len(b) > 0; b = b[head.RecordLen:] {
			e, err := ctf.ParseIndexEntry(b, head.RecordLen)
			h.must(err)
			numbers = append(numbers, e.PacketSeqNum)
		}
	}
	return numbers
}

// TestRedirectAllOrNothing moves a session of two domains to a place that the second
// cannot use: the first stays where it was, and nothing is left there.
func TestRedirectAllOrNothing(t *testing.T) {
	h := newTwoDomains(t, localURI(filepath.Join(t.TempDir(), "first")))
	first := localURI(h.session().Output)
	h.emit()
	bad := h.place("bad")
	h.must(os.MkdirAll(filepath.Join(bad.Path, secondDomain, "taken"), 0o755))
	_, err := h.daemon.SetConsumerURI(t.Context(), h.by, sessionName, []agent.URI{bad})
	h.must(err)
	before := descriptors(t)
	for range 2 {
		if _, err := h.daemon.EnableConsumer(t.Context(), h.by, sessionName, agent.EnableConsumer{}); err == nil {
			t.Error("a place with something in it was taken")
		}
	}
	if n := descriptors(t); n > before {
		t.Errorf("%d descriptors are open, before %d", n, before)
	}
	if c := h.session().Consumer; c.State != agent.ConsumerStreaming || c.URIs[0] != first.String() {
		t.Errorf("consumer is %s at %v, want streaming at %s", c.State, c.URIs, first.Path)
	}
	if _, err := os.Stat(filepath.Join(bad.Path, selfsource.Domain)); err == nil {
		t.Error("the first domain has left something behind")
	}
	h.emit()
	h.stop()
	n := uint64(len(h.packets(first)))
	if n == 0 {
		t.Error("no packet at the first place")
	}
	if k := h.recorded(); k != 2 {
		t.Errorf("%d events were taken, want 2", k)
	}
	// Where both can go both do.
	good := h.place("good")
	h.enable(good)
	h.start()
	h.emit()
	h.stop()
	if got := h.packets(good); len(got) != 1 || got[0] != n {
		t.Errorf("packets %d at the second place, want number %d", got, n)
	}
}

// TestRedirectToRelayAllOrNothing has the process of the second domain hang while the
// session moves to a relay.
func TestRedirectToRelayAllOrNothing(t *testing.T) {
	t.Parallel()
	h := newTwoDomains(t, localURI(filepath.Join(t.TempDir(), "first")))
	r := h.relay()
	var pid int
	h.must(h.daemon.with(h.by, sessionName, func(s *Session) error {
		pid = int(s.domains[1].proc.pid())
		return nil
	}))
	_, err := h.daemon.SetConsumerURI(t.Context(), h.by, sessionName, r.uris())
	h.must(err)
	h.must(syscall.Kill(pid, syscall.SIGSTOP))
	_, err = h.daemon.EnableConsumer(t.Context(), h.by, sessionName, agent.EnableConsumer{})
	h.must(syscall.Kill(pid, syscall.SIGCONT))
	if err == nil {
		t.Error("moved with a process that was stopped")
	}
	first := localURI(h.session().Output)
	h.emit()
	h.stop()
	if got := h.packets(first); len(got) == 0 {
		t.Error("no packet at the first place")
	}
	if all, err := filepath.Glob(filepath.Join(r.dir, "*", "*", "*")); err != nil || len(all) > 0 {
		t.Errorf("at the relay: %v, %v; want nothing", all, err)
	}
	h.enable(r.uris()...)
	h.start()
	h.emit()
	h.stop()
	if c := h.session().Consumer; c.State != agent.ConsumerReady || c.Confirmed != 1 {
		t.Errorf("consumer is %s with %d packets confirmed, want ready, 1", c.State, c.Confirmed)
	}
}
