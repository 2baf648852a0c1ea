// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package session

import (
	"errors"
	"slices"
	"testing"

	"github.com/weir-io/weir/client/agent"
	"github.com/weir-io/weir/internal/selfsource"
	"github.com/weir-io/weir/internal/source"
)

// channels are those of a domain of the session; nil if it is not there.
func (h *host) channels(domain string) []string {
	h.Helper()
	for _, d := range h.session().Domains {
		if d.Name == domain {
			names := []string{}
			for _, c := range d.Channels {
				names = append(names, c.Name)
			}
			return names
		}
	}
	return nil
}

// enableRule enables the event of a pattern.
func (h *host) enableRule(channel, pattern, filter string) error {
	h.Helper()
	_, err := h.daemon.EnableEvents(h.Context(), h.by, sessionName, agent.EnableEvents{
		Domain: selfsource.Domain, Channel: channel,
		Rules: []agent.EventRule{{Type: agent.Tracepoint, Pattern: pattern, Filter: filter}},
	})
	return err
}

// TestNothingLeftOfRefused enables an event that is refused: there is neither a channel nor
// a domain afterwards, and what is enabled then is as if nobody had tried.
func TestNothingLeftOfRefused(t *testing.T) {
	h := newHost(t)
	_, _, err := h.daemon.Create(t.Context(), h.by, agent.CreateSession{Name: sessionName, URIs: []agent.URI{h.place("trace")}})
	h.must(err)
	if err := h.enableRule("", "weir:nonsense", ""); err == nil {
		t.Fatal("an event that is not there is enabled")
	}
	if got := h.channels(selfsource.Domain); got != nil {
		t.Errorf("channels %q are left of it, want no domain", got)
	}
	_, err = h.daemon.Track(t.Context(), h.by, sessionName, agent.Track{Domain: selfsource.Domain, All: true})
	h.must(err)
	if err := h.enableRule("mine", "weir:nonsense", ""); err == nil {
		t.Fatal("an event that is not there is enabled")
	}
	if got := h.channels(selfsource.Domain); got == nil || len(got) != 0 {
		t.Errorf("channels %q are left of it, want the domain without one", got)
	}
	h.must(h.enableRule("", "weir:trigger", ""))
	if err := h.enableRule("", "weir:nonsense", ""); err == nil {
		t.Fatal("an event that is not there is enabled")
	}
	if got := h.channels(selfsource.Domain); len(got) != 1 || got[0] != defaultChannel {
		t.Errorf("channels %q, want the default one", got)
	}
	h.start()
	h.emit()
	h.until("the event is recorded", func() bool { return h.recorded() == 1 })
}

// TestChannelToBeNamed enables an event without a channel's name where there are several
// and none is the default one.
func TestChannelToBeNamed(t *testing.T) {
	h := newHost(t, func(o *Options) { o.Sources = append(o.Sources, several{selfsource.New(o.Log)}) })
	_, _, err := h.daemon.Create(t.Context(), h.by, agent.CreateSession{Name: sessionName, URIs: []agent.URI{h.place("trace")}})
	h.must(err)
	make := func(channel string) {
		_, err := h.daemon.EnableChannel(t.Context(), h.by, sessionName, agent.EnableChannel{Domain: severalDomain, Name: channel})
		h.must(err)
	}
	enable := func() error {
		_, err := h.daemon.EnableEvents(t.Context(), h.by, sessionName, agent.EnableEvents{
			Domain: severalDomain, Rules: []agent.EventRule{{Type: agent.Tracepoint, Pattern: "weir:trigger"}},
		})
		return err
	}
	make("a")
	h.must(enable()) // there is no other
	make("b")
	if p, ok := errors.AsType[*agent.Problem](enable()); !ok || p.Code != agent.CodeNeedChannelName {
		t.Errorf("got %v, want that a channel is to be named", p)
	}
	if got := h.channels(severalDomain); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("channels %q, want a and b", got)
	}
	make(defaultChannel)
	h.must(enable())
}

const severalDomain = "several"

// several is weir's own domain with several channels, of which each has a trace.
type several struct{ *selfsource.Source }

type severalTrace struct {
	source.Trace

	open func() (source.Trace, error)
}

func (several) Domain() string { return severalDomain }

func (s several) Open(info source.SessionInfo) (source.Trace, error) {
	t, err := s.Source.Open(info)
	return &severalTrace{t, func() (source.Trace, error) { return s.Source.Open(info) }}, err
}

func (t *severalTrace) Channel(id uint32, name string, s agent.ChannelSettings) (source.Channel, error) {
	own, err := t.open()
	if err != nil {
		return nil, err
	}
	return own.Channel(id, name, s)
}
