// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package session

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"github.com/weir-io/weir/client/agent"
	"github.com/weir-io/weir/internal/selfsource"
)

// hang stops the consumer process, so that nothing that needs it comes to an end,
// and returns what lets it go on.
func (h *host) hang() (goOn func()) {
	h.Helper()
	pid := h.pid()
	h.must(syscall.Kill(pid, syscall.SIGSTOP))
	return func() { h.must(syscall.Kill(pid, syscall.SIGCONT)) }
}

// TestRotateLater returns before the consumer has rotated; another rotation is
// refused until then.
func TestRotateLater(t *testing.T) {
	h := newHost(t)
	h.begin(h.place("trace"))
	h.emit()
	goOn := h.hang()
	_, err := h.daemon.Rotate(t.Context(), h.by, sessionName, false)
	h.must(err)
	for _, wait := range []bool{true, false} {
		_, err := h.daemon.Rotate(t.Context(), h.by, sessionName, wait)
		if p, ok := errors.AsType[*agent.Problem](err); !ok || p.Code != agent.CodeRotationPending {
			t.Errorf("another one: got %v, want error %d", err, agent.CodeRotationPending)
		}
	}
	goOn()
	h.stop() // waits for its turn
	if n := h.session().Chunks; n != 1 {
		t.Errorf("%d chunks are rotated away, want 1", n)
	}
	_, err = h.daemon.Rotate(t.Context(), h.by, sessionName, true)
	h.must(err)
}

// TestLastChunkBesideOthers ends a session that was rotated, and one that was not.
func TestLastChunkBesideOthers(t *testing.T) {
	for _, rotations := range []int{0, 2} {
		h := newHost(t)
		h.begin(h.place("trace"))
		for range rotations {
			_, err := h.daemon.Rotate(t.Context(), h.by, sessionName, true)
			h.must(err)
		}
		done, err := h.daemon.Destroy(t.Context(), h.by, sessionName, true)
		h.must(err)
		archived, err := filepath.Glob(filepath.Join(h.dir, "trace", archivesDir, "*", selfsource.Domain))
		h.must(err)
		stayed, err := filepath.Glob(filepath.Join(h.dir, "trace", selfsource.Domain))
		h.must(err)
		if rotations == 0 {
			if len(archived) != 0 || len(stayed) != 1 || len(done.Names) != 0 {
				t.Errorf("never rotated: archived %q, %q, in place %q; want only what is in place", archived, done.Names, stayed)
			}
			continue
		}
		if len(archived) != rotations+1 || len(stayed) != 0 {
			t.Errorf("%d rotations: archived %q, in place %q; want the last one archived too", rotations, archived, stayed)
		}
		if len(done.Names) != 1 || !slices.Contains(archived, filepath.Join(done.Names[0], selfsource.Domain)) {
			t.Errorf("told of %q, want the last of %q", done.Names, archived)
		}
	}
}

// TestStopLater returns before the consumer has drained its rings; start waits for
// that.
func TestStopLater(t *testing.T) {
	h := newHost(t)
	h.begin(h.place("trace"))
	goOn := h.hang()
	_, err := h.daemon.Stop(t.Context(), h.by, sessionName, false)
	h.must(err)
	if s := h.session(); s.State != agent.Inactive || s.Consumer.State != agent.ConsumerDraining {
		t.Errorf("session is %s, consumer %s; want inactive, draining", s.State, s.Consumer.State)
	}
	goOn()
	h.start()
	if s := h.session(); s.State != agent.Active || s.Consumer.State != agent.ConsumerStreaming {
		t.Errorf("session is %s, consumer %s; want active, streaming", s.State, s.Consumer.State)
	}
	done, err := h.daemon.Stop(t.Context(), h.by, sessionName, false)
	h.must(err)
	if len(done.Warnings) > 0 {
		t.Errorf("warnings %v", done.Warnings)
	}
	done, err = h.daemon.Stop(t.Context(), h.by, sessionName, false)
	h.must(err)
	if len(done.Warnings) != 1 || done.Warnings[0].Code != agent.CodeAlreadyStopped {
		t.Errorf("stopped again: warnings %v", done.Warnings)
	}
}

// TestDestroyLater returns before the consumer has ended. The session is not found
// any more, its name is free, and its trace comes to its place.
func TestDestroyLater(t *testing.T) {
	h := newHost(t)
	h.begin(h.place("trace"))
	h.emit()
	h.until("the event is recorded", func() bool { return h.recorded() == 1 })
	goOn := h.hang()
	_, err := h.daemon.Destroy(t.Context(), h.by, sessionName, false)
	h.must(err)
	if all := h.daemon.Sessions(h.by); len(all) != 0 {
		t.Errorf("there are %d sessions", len(all))
	}
	if _, err := h.daemon.Destroy(t.Context(), h.by, sessionName, false); err == nil {
		t.Error("destroyed twice")
	}
	_, _, err = h.daemon.Create(t.Context(), h.by, agent.CreateSession{Name: sessionName, Mode: agent.NoOutput})
	h.must(err)
	goOn()
	h.until("the session has ended", func() bool {
		h.daemon.mu.Lock()
		defer h.daemon.mu.Unlock()
		return len(h.daemon.leaving) == 0
	})
	found, err := filepath.Glob(filepath.Join(h.dir, "trace", "*", "channel0_*"))
	if err != nil || len(found) != 1 {
		t.Fatalf("streams %v, %v", found, err)
	}
	if st, err := os.Stat(found[0]); err != nil || st.Size() == 0 {
		t.Errorf("stream: %v, %v", st, err)
	}
}
