// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package session

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weir-io/weir/client/agent"
	"github.com/weir-io/weir/internal/selfsource"
)

func TestNames(t *testing.T) {
	h := newHost(t)
	to := []agent.URI{h.place("snapshots")}
	if _, _, err := h.daemon.Create(t.Context(), h.by, agent.CreateSession{Name: "keeps", Mode: agent.Snapshot, URIs: to}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{".", "..", "a/b", "../a", "a\x00", "a\nb", "\x1b[2J", strings.Repeat("a", maxNameBytes+1)} {
		if _, _, err := h.daemon.Create(t.Context(), h.by, agent.CreateSession{Name: name, Mode: agent.NoOutput}); err == nil {
			t.Errorf("session %q was made", name)
		}
		if _, err := h.daemon.AddSnapshotOutput(t.Context(), h.by, "keeps", agent.SnapshotOutput{Name: name, URIs: to}); err == nil {
			t.Errorf("snapshot output %q was made", name)
		}
	}
}

// TestLongName records a session of the longest name.
func TestLongName(t *testing.T) {
	h := newHost(t)
	home, name := t.TempDir(), strings.Repeat("a", maxNameBytes)
	_, _, err := h.daemon.Create(t.Context(), h.by, agent.CreateSession{Name: name, Home: home})
	h.must(err)
	_, err = h.daemon.EnableEvents(t.Context(), h.by, name, agent.EnableEvents{
		Domain: selfsource.Domain, Rules: []agent.EventRule{{Type: agent.Tracepoint, Pattern: "weir:trigger"}},
	})
	h.must(err)
	_, err = h.daemon.Start(t.Context(), h.by, name)
	h.must(err)
}

// TestChannelOfRules names a channel that is not there: rules make it, and what is about
// rules that exist does not.
func TestChannelOfRules(t *testing.T) {
	h := newHost(t)
	_, _, err := h.daemon.Create(t.Context(), h.by, agent.CreateSession{Name: sessionName, Mode: agent.NoOutput})
	h.must(err)
	for _, pattern := range []string{"weir:trigger", "weir:state"} {
		_, err = h.daemon.EnableEvents(t.Context(), h.by, sessionName, agent.EnableEvents{
			Domain: selfsource.Domain, Channel: "own", Rules: []agent.EventRule{{Type: agent.Tracepoint, Pattern: pattern}},
		})
		h.must(err)
	}
	_, err = h.daemon.DisableEvents(t.Context(), h.by, sessionName, agent.DisableEvents{Domain: selfsource.Domain, Channel: "third", All: true})
	if p, ok := errors.AsType[*agent.Problem](err); !ok || p.Code != agent.CodeChannelNotFound {
		t.Errorf("disable in a channel that is not there: got %v, want error %d", err, agent.CodeChannelNotFound)
	}
	_, err = h.daemon.EnableEvents(t.Context(), h.by, sessionName, agent.EnableEvents{
		Domain: selfsource.Domain, Channel: "a/b", Rules: []agent.EventRule{{Type: agent.Tracepoint, Pattern: "weir:trigger"}},
	})
	if p, ok := errors.AsType[*agent.Problem](err); !ok || p.Code != agent.CodeBadChannelName {
		t.Errorf("a channel of a name that cannot be: got %v, want error %d", err, agent.CodeBadChannelName)
	}
	var names []string
	for _, c := range h.session().Domains[0].Channels {
		names = append(names, fmt.Sprint(c.Name, " ", len(c.Events)))
	}
	if want := []string{"own 2"}; !slices.Equal(names, want) {
		t.Errorf("channels and their rules are %q, want %q", names, want)
	}
}

func TestLiveTimers(t *testing.T) {
	h := newHost(t)
	for _, r := range []agent.CreateSession{
		{Mode: agent.Live, LiveTimer: -1},
		{Mode: agent.Live, LiveTimer: time.Microsecond},
		{Mode: agent.Live, LiveTimer: minTimer - 1},
		{Mode: agent.Normal, LiveTimer: 1},
		{Mode: agent.Normal, LiveTimer: time.Second},
	} {
		if _, _, err := h.daemon.Create(t.Context(), h.by, r); !isInvalid(err) {
			t.Errorf("a %s session with timer %v: got %v, want it refused", r.Mode, r.LiveTimer, err)
		}
	}
	if _, _, err := h.daemon.Create(t.Context(), h.by, agent.CreateSession{Mode: agent.Live, LiveTimer: minTimer}); err != nil {
		t.Error(err)
	}
}

// TestShortTimers refuses what would leave other threads no time.
func TestShortTimers(t *testing.T) {
	h := newHost(t)
	h.begin(h.place("trace"))
	if _, _, err := h.daemon.Create(t.Context(), h.by, agent.CreateSession{Name: "other", Mode: agent.NoOutput}); err != nil {
		t.Fatal(err)
	}
	for _, set := range []agent.ChannelSettings{
		{ReadTimer: time.Microsecond}, {SwitchTimer: time.Millisecond}, {MonitorTimer: minTimer - 1}, {ReadTimer: -time.Second},
	} {
		_, err := h.daemon.EnableChannel(t.Context(), h.by, "other", agent.EnableChannel{Domain: selfsource.Domain, Name: "c", ChannelSettings: set})
		if !isInvalid(err) {
			t.Errorf("timers %v, %v, %v: got %v, want them refused", set.ReadTimer, set.SwitchTimer, set.MonitorTimer, err)
		}
	}
	if _, err := h.daemon.EnableRotation(t.Context(), h.by, sessionName, agent.RotationSchedule{Period: time.Millisecond}); !isInvalid(err) {
		t.Errorf("rotation each millisecond: got %v, want it refused", err)
	}
}

func isInvalid(err error) bool { return hasCode(err, agent.CodeInvalid) }

func hasCode(err error, code agent.Code) bool {
	p, ok := errors.AsType[*agent.Problem](err)
	return ok && p.Code == code
}

// TestNobodyBlocks refuses to wait for room where no program does.
func TestNobodyBlocks(t *testing.T) {
	h := newHost(t)
	h.begin(h.place("trace"))
	if _, _, err := h.daemon.Create(t.Context(), h.by, agent.CreateSession{Name: "other", Mode: agent.NoOutput}); err != nil {
		t.Fatal(err)
	}
	for _, most := range []time.Duration{time.Second, agent.Forever} {
		_, err := h.daemon.EnableChannel(t.Context(), h.by, "other", agent.EnableChannel{
			Domain: selfsource.Domain, Name: "c", ChannelSettings: agent.ChannelSettings{BlockingTimeout: most},
		})
		if !hasCode(err, agent.CodeNotSupported) {
			t.Errorf("timeout %v: got %v, want it refused", most, err)
		}
	}
}
