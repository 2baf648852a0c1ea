// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/weir-io/weir/client/agent"
)

// TestConsumerHangs stops a consumer process: that is told while it lasts, and
// another one takes its place, also under a command that waits for the first.
func TestConsumerHangs(t *testing.T) {
	t.Parallel()
	h := newHost(t, func(o *Options) { o.PingTimeout = 3 * time.Second })
	h.begin(h.place("trace"))
	notices := h.watch()
	for _, during := range []func(){
		func() {},
		func() { // rotation waits for the process, and fails with it
			if _, err := h.daemon.Rotate(t.Context(), h.by, sessionName, true); err == nil {
				t.Error("rotated by a process that was stopped")
			}
		},
	} {
		old := h.pid()
		h.must(syscall.Kill(old, syscall.SIGSTOP))
		during()
		h.awaitNotice(notices, "error", "gives no answer")
		h.awaitNotice(notices, "error", "it is killed")
		h.until("another process", func() bool {
			pid := h.pid()
			return pid != 0 && pid != old
		})
		h.awaitState(agent.ConsumerStreaming)
		if doc := h.session(); doc.State != agent.Active || len(doc.Warnings) != 0 {
			t.Errorf("session is %s with warnings %q, want active without", doc.State, doc.Warnings)
		}
	}
	h.emit()
	h.stop()
	if n := h.recorded(); n != 1 {
		t.Errorf("%d events were taken by the last process, want 1", n)
	}
}

// TestConsumerHangsForAMoment stops a consumer process and lets it go on in time:
// status says so meanwhile, and the process stays.
func TestConsumerHangsForAMoment(t *testing.T) {
	t.Parallel()
	h := newHost(t, func(o *Options) { o.PingTimeout = 20 * time.Second })
	h.begin(h.place("trace"))
	old := h.pid()
	h.must(syscall.Kill(old, syscall.SIGSTOP))
	h.until("status says so", func() bool {
		doc := h.session()
		return strings.Contains(doc.Consumer.LastError, "gives no answer") && len(doc.Warnings) == 1
	})
	h.must(syscall.Kill(old, syscall.SIGCONT))
	h.until("status is as before", func() bool {
		doc := h.session()
		return doc.Consumer.LastError == "" && len(doc.Warnings) == 0
	})
	h.emit()
	h.stop()
	if n := h.recorded(); n != 1 || h.pid() != old {
		t.Errorf("%d events were taken, by process %d; want 1, by %d", n, h.pid(), old)
	}
}

// watch hands on the notices of the session.
func (h *host) watch() <-chan agent.Notice {
	return h.daemon.Watch(h.Context(), h.by, sessionName)
}

// awaitNotice waits for a notice of a kind with some words in it.
func (h *host) awaitNotice(notices <-chan agent.Notice, kind, words string) {
	h.Helper()
	ctx, cancel := context.WithTimeout(h.Context(), patience)
	defer cancel()
	for {
		select {
		case n := <-notices:
			if n.Type == kind && strings.Contains(n.Text, words) {
				return
			}
		case <-ctx.Done():
			h.Fatalf("no notice of type %s with %q within %v", kind, words, patience)
		}
	}
}
