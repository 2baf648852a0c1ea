// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package kernelsource

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/weir-io/weir/client/agent"
	"github.com/weir-io/weir/internal/kernel/tracefs"
)

// numbered makes an event of the program's function that has its argument, and
// returns what removes it.
func (h *host) numbered(program, name string) (remove func()) {
	h.Helper()
	place := tracefs.UserPlace{Path: program, Symbol: "hit"}
	offset, err := place.Offset()
	if err != nil {
		h.Fatal(err)
	}
	h.uprobe(fmt.Sprintf("p:%s/%s %s:%#x n=%%di:s64\n", h.group, name, program, offset))
	return func() { h.uprobe(fmt.Sprintf("-:%s/%s\n", h.group, name)) }
}

func (h *host) disable(pattern string) {
	h.Helper()
	if _, err := h.daemon.DisableEvents(h.Context(), h.by, sessionName, agent.DisableEvents{Domain: Domain, Patterns: []string{pattern}}); err != nil {
		h.Fatal(err)
	}
}

// TestFilterLeaves has a filter go with its rule: what another rule asks for is
// kept then, and all without any.
func TestFilterLeaves(t *testing.T) {
	h := newHost(t, nil)
	w := h.hitter()
	t.Cleanup(h.numbered(w, "call"))
	name, all := h.group+":call", h.group+":*"
	h.enable(agent.Tracepoint, name, "", "n < 10")
	h.start()
	h.hit(w, 100) // 10
	h.enable(agent.Tracepoint, all, "", "n < 30")
	h.hit(w, 100) // 30
	h.disable(all)
	h.hit(w, 100) // 10
	h.disable(name)
	h.hit(w, 100)
	h.enable(agent.Tracepoint, name, "", "")
	h.hit(w, 100) // 100
	h.stop()
	if n := strings.Count(h.destroy(), " call: "); n != 150 {
		t.Errorf("%d events are recorded, want 150", n)
	}
}

// TestRefusedRuleLeaves has a rule refused, as the consumer process does not take it:
// other rules' events are filtered as before.
func TestRefusedRuleLeaves(t *testing.T) {
	h := newHost(t, nil)
	w := h.hitter()
	t.Cleanup(h.numbered(w, "call"))
	h.enable(agent.Tracepoint, h.group+":call", "", "n < 10")
	h.start()
	h.hit(w, 100) // 10
	pid := h.consumer()
	h.signal(pid, syscall.SIGSTOP)
	_, err := h.daemon.EnableEvents(t.Context(), h.by, sessionName, agent.EnableEvents{Domain: Domain, Rules: []agent.EventRule{{
		Type: agent.Tracepoint, Pattern: h.group + ":*", Filter: "n < 30", Enabled: true,
	}}})
	h.signal(pid, syscall.SIGCONT)
	if err == nil {
		t.Error("the rule is not refused")
	}
	h.hit(w, 100) // 10
	h.stop()
	if n := strings.Count(h.destroy(), " call: "); n != 20 {
		t.Errorf("%d events are recorded, want 20", n)
	}
}

// TestRefusedEvents has the kernel refuse one of the events that a rule chooses.
func TestRefusedEvents(t *testing.T) {
	h := newHost(t, nil)
	w := h.hitter()
	h.event(w, "works")
	// There can be a probe in such a file, but none can be enabled.
	h.uprobe(fmt.Sprintf("p:%s/refused /proc/version:0x0\n", h.group))
	t.Cleanup(func() { h.uprobe(fmt.Sprintf("-:%s/refused\n", h.group)) })
	done, err := h.daemon.EnableEvents(t.Context(), h.by, sessionName, agent.EnableEvents{Domain: Domain, Rules: []agent.EventRule{{
		Type: agent.Tracepoint, Pattern: h.group + ":*", Enabled: true,
	}}})
	if err != nil || len(done.Warnings) != 1 || !strings.Contains(done.Warnings[0].Message, "refused") {
		t.Fatalf("enable: %v, warnings %v; want one of the event that is refused", err, done.Warnings)
	}
	counts := func(when string) {
		t.Helper()
		if r := h.channel().Events[0]; r.Matches != 1 || r.Refused != 1 {
			t.Errorf("%s: %d events, %d refused; want one of each", when, r.Matches, r.Refused)
		}
	}
	counts("at first")
	h.disable(h.group + ":*")
	if _, err := h.daemon.EnableEvents(t.Context(), h.by, sessionName, agent.EnableEvents{Domain: Domain, Rules: []agent.EventRule{{
		Type: agent.Tracepoint, Pattern: h.group + ":*", Enabled: true,
	}}}); err != nil {
		t.Fatal(err)
	}
	counts("enabled again")
	h.start()
	h.hit(w, 10)
	h.stop()
	if n := strings.Count(h.destroy(), " works: "); n != 10 {
		t.Errorf("%d events are recorded, want 10", n)
	}
}

// consumer is the number of the session's consumer process.
func (h *host) consumer() int {
	h.Helper()
	lists, err := filepath.Glob("/proc/self/task/*/children")
	if err != nil {
		h.Fatal(err)
	}
	var pids []string
	for _, list := range lists {
		b, _ := os.ReadFile(list) // the thread may have ended
		pids = append(pids, strings.Fields(string(b))...)
	}
	if len(pids) != 1 {
		h.Fatalf("child processes %v, want one", pids)
	}
	pid, err := strconv.Atoi(pids[0])
	if err != nil {
		h.Fatal(err)
	}
	return pid
}

func (h *host) signal(pid int, s syscall.Signal) {
	h.Helper()
	if err := syscall.Kill(pid, s); err != nil {
		h.Fatal(err)
	}
}

// TestRuleOfGoneEvent starts a session that has a rule for an event that the
// kernel has no more.
func TestRuleOfGoneEvent(t *testing.T) {
	h := newHost(t, nil)
	w := h.hitter()
	h.event(w, "stays")
	remove := h.numbered(w, "goes")
	h.enable(agent.Tracepoint, h.group+":stays", "", "")
	h.enable(agent.Tracepoint, h.group+":goes", "", "")
	h.disable(h.group + ":goes")
	remove()
	h.start()
	h.hit(w, 20)
	h.stop()
	if n := strings.Count(h.destroy(), " stays: "); n != 20 {
		t.Errorf("%d events are recorded, want 20", n)
	}
}

// TestEventMadeAnew records an event that was another one when an earlier session
// recorded it, with a number and fields of its own.
func TestEventMadeAnew(t *testing.T) {
	h := newHost(t, nil)
	w := h.hitter()
	remove := h.numbered(w, "call")
	h.enable(agent.Tracepoint, h.group+":call", "", "")
	h.start()
	h.hit(w, 10)
	h.stop()
	h.destroy()
	remove()
	h.event(w, "call")
	h.out += "2"
	h.create()
	h.enable(agent.Tracepoint, h.group+":call", "", "")
	h.start()
	h.hit(w, 20)
	h.stop()
	text := h.destroy()
	if n, with := strings.Count(text, " call: "), strings.Count(text, ", n = "); n != 20 || with != 0 {
		t.Errorf("%d events are recorded, %d with the old field; want 20, none", n, with)
	}
}
