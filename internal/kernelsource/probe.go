// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package kernelsource

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/client/agent"
	"github.com/weir-io/weir/internal/kernel/tracefs"
)

// probes are the events that a channel has made of places in the kernel and in
// programs. They are in a group of its own, which is written down, as instances
// are, before the first of them is made.
type probes struct {
	group string // "": none was made
	names []tracefs.EventName
}

// What LTTng calls the two events of a function.
const (
	entrySuffix = "_entry"
	exitSuffix  = "_exit"
)

// addProbes makes the events of a rule.
func (c *channel) addProbes(r *agent.EventRule) ([]tracefs.EventName, error) {
	made, err := placesOf(r)
	if err != nil {
		return nil, err
	}
	if err := c.probes.begin(c); err != nil {
		return nil, fmt.Errorf("group of probes: %w", err)
	}
	var names []tracefs.EventName
	for _, p := range made {
		p.Event.System = c.probes.group
		if err := c.t.fs.AddProbe(p); err != nil {
			return nil, errors.Join(probeProblem(r, err), c.dropProbes(names))
		}
		names = append(names, p.Event)
		c.probes.names = append(c.probes.names, p.Event)
	}
	return names, nil
}

// placesOf are the probes of a rule, without their group.
func placesOf(r *agent.EventRule) ([]tracefs.Probe, error) {
	named := func(suffix string) tracefs.EventName { return tracefs.EventName{Name: r.Pattern + suffix} }
	switch {
	case r.Location == "":
		return nil, agent.NewProblem(agent.CodeInvalid, fmt.Sprintf("event %s of type %s: want its location", r.Pattern, r.Type))
	case len(r.Exclusions) > 0:
		return nil, agent.NewProblem(agent.CodeInvalid, fmt.Sprintf("event %s of type %s is one event: nothing can be left out", r.Pattern, r.Type))
	}
	switch r.Type {
	case agent.Probe:
		return []tracefs.Probe{{Event: named(""), Symbol: r.Location}}, nil
	case agent.Function:
		return []tracefs.Probe{{Event: named(entrySuffix), Symbol: r.Location}, {Event: named(exitSuffix), Symbol: r.Location, Return: true}}, nil
	}
	place, err := tracefs.ParseUserPlace(r.Location)
	if errors.Is(err, errors.ErrUnsupported) {
		return nil, agent.NewProblem(agent.CodeNotSupported, err.Error())
	}
	if err != nil {
		return nil, agent.NewProblem(agent.CodeInvalid, err.Error())
	}
	offset, err := place.Offset()
	if err != nil {
		return nil, agent.NewProblem(agent.CodeInvalid, err.Error())
	}
	return []tracefs.Probe{{Event: named(""), Path: place.Path, Offset: offset}}, nil
}

// probeProblem says why a probe could not be made.
func probeProblem(r *agent.EventRule, err error) error {
	text := fmt.Sprintf("event %s: %v", r.Pattern, err)
	var missing *tracefs.MissingError
	switch {
	case errors.As(err, &missing):
		return agent.NewProblem(agent.CodeNotSupported, text)
	case errors.Is(err, fs.ErrExist):
		return agent.NewProblem(agent.CodeKernelEventExists, fmt.Sprintf("event %s exists already in this channel", r.Pattern))
	}
	return agent.NewProblem(agent.CodeInvalid, text)
}

// begin writes the group down.
func (p *probes) begin(c *channel) error {
	if p.group != "" {
		return nil
	}
	var random [3]byte
	rand.Read(random[:])
	group := fmt.Sprintf("%s%d_%d_%x", tracefs.ProbeGroupPrefix, c.t.info.ID, c.id, random)
	if err := c.t.s.note(group, c.t.info.Name); err != nil {
		return err
	}
	p.group = group
	return nil
}

// dropProbes removes probes that no instance has enabled.
func (c *channel) dropProbes(names []tracefs.EventName) error {
	var errs []error
	for _, n := range names {
		if err := c.t.fs.RemoveProbe(n); err != nil {
			errs = append(errs, err)
			continue
		}
		c.probes.forget(c.t.s, n)
	}
	return errors.Join(errs...)
}

func (p *probes) forget(s *Source, n tracefs.EventName) {
	s.forgetFormats([]tracefs.EventName{n})
	for i, have := range p.names {
		if have == n {
			p.names = append(p.names[:i], p.names[i+1:]...)
			return
		}
	}
}

// removeProbes removes all probes of a channel whose instance is gone. Where
// somebody else records one of them it is tried again until ctx is done; what
// is left is swept at the next start.
func (c *channel) removeProbes(ctx context.Context) error {
	if c.probes.group == "" {
		return nil
	}
	if err := c.t.s.sweepGroup(ctx, c.t.fs, c.probes.group); err != nil {
		return err
	}
	c.t.s.forgetFormats(c.probes.names)
	c.probes = probes{}
	return nil
}

// sweepGroup removes the probes of a group, and what was written down of it.
func (s *Source) sweepGroup(ctx context.Context, f *tracefs.FS, group string) error {
	others := func(n tracefs.EventName) bool { return n.System != group }
	removed, err := f.SweepProbes(group, others)
	for pause := 5 * time.Millisecond; errors.Is(err, unix.EBUSY); pause = min(2*pause, 100*time.Millisecond) {
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("%w (%w): another instance records it", err, context.Cause(ctx))
		case <-timer.C:
		}
		removed, err = f.SweepProbes(group, others)
	}
	if err != nil {
		return err
	}
	s.log.Debug("probes are removed", "group", group, "probes", len(removed))
	return s.forget(group)
}

// sweepProbes removes the probes that a daemon that is gone has left behind:
// those of groups that are written down.
func (s *Source) sweepProbes(ctx context.Context) error {
	entries, err := os.ReadDir(s.instances)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var errs []error
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), tracefs.ProbeGroupPrefix) || s.owned(e.Name()) {
			continue
		}
		f, err := s.open()
		if err != nil {
			return err
		}
		if err := s.sweepGroup(ctx, f, e.Name()); err != nil {
			errs = append(errs, err)
			continue
		}
		s.log.Info("probes that were left behind are removed", "group", e.Name())
	}
	return errors.Join(errs...)
}

// isProbe reports whether an event is a probe of weir's: it belongs to the rule
// that made it, and no pattern chooses it.
func isProbe(n tracefs.EventName) bool { return strings.HasPrefix(n.System, tracefs.ProbeGroupPrefix) }

// forgetFormats has formats read again: events of these names may be others now.
func (s *Source) forgetFormats(events []tracefs.EventName) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range events {
		delete(s.formats, n)
	}
}
