// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package session

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/weir-io/weir/client/agent"
	"github.com/weir-io/weir/internal/handover"
)

// snapshotOutput is a place for snapshots. It is guarded by Session.mu.
type snapshotOutput struct {
	agent.SnapshotOutput

	to destination
}

// addOutput adds a place.
func (s *Session) addOutput(o agent.SnapshotOutput) (agent.SnapshotOutput, error) {
	to, err := parseDestination(o.URIs)
	if err != nil {
		return o, err
	}
	if err := checkSnapshotName(o.Name); err != nil {
		return o, err
	}
	s.lastOut++
	o.ID = s.lastOut
	o.Name = cmp.Or(o.Name, fmt.Sprintf("snapshot-%d", o.ID))
	for _, old := range s.outputs {
		if old.Name == o.Name {
			return o, problemf(agent.CodeInvalid, "session %s has a snapshot output %s already", s.name, o.Name)
		}
	}
	s.outputs = append(s.outputs, snapshotOutput{o, to})
	return o, nil
}

// checkSnapshotName refuses what would not name a directory beside the others.
func checkSnapshotName(name string) error {
	if err := checkName(name); err != nil {
		return problemf(agent.CodeInvalid, "snapshot: %v", err)
	}
	return nil
}

func (s *Session) needSnapshots() error {
	if s.mode != agent.Snapshot {
		return problemf(agent.CodeNotSnapshotSession, "session %s is no snapshot session", s.name)
	}
	return nil
}

// AddSnapshotOutput adds a place for snapshots.
func (d *Daemon) AddSnapshotOutput(_ context.Context, by Caller, name string, o agent.SnapshotOutput) (added agent.SnapshotOutput, err error) {
	err = d.with(by, name, func(s *Session) error {
		if err := s.needSnapshots(); err != nil {
			return err
		}
		added, err = s.addOutput(o)
		return err
	})
	return added, err
}

// RemoveSnapshotOutput removes a place by number or name.
func (d *Daemon) RemoveSnapshotOutput(_ context.Context, by Caller, name, output string) error {
	return d.with(by, name, func(s *Session) error {
		n := len(s.outputs)
		s.outputs = slices.DeleteFunc(s.outputs, func(o snapshotOutput) bool {
			return o.Name == output || strconv.Itoa(int(o.ID)) == output
		})
		if len(s.outputs) == n {
			return problemf(agent.CodeInvalid, "session %s has no snapshot output %s", s.name, output)
		}
		return nil
	})
}

// SnapshotOutputs lists the places.
func (d *Daemon) SnapshotOutputs(by Caller, name string) (all []agent.SnapshotOutput, err error) {
	err = d.with(by, name, func(s *Session) error {
		if err := s.needSnapshots(); err != nil {
			return err
		}
		for _, o := range s.outputs {
			all = append(all, o.SnapshotOutput)
		}
		return nil
	})
	return all, err
}

// SnapshotRecord stores what the rings hold, at the place given or at all that the
// session has.
func (d *Daemon) SnapshotRecord(ctx context.Context, by Caller, name string, to agent.SnapshotOutput) (done agent.Done, err error) {
	err = d.with(by, name, func(s *Session) error { return s.record(ctx, to, &done) })
	return done, err
}

func (s *Session) record(ctx context.Context, to agent.SnapshotOutput, done *agent.Done) (err error) {
	if err := s.needSnapshots(); err != nil {
		return err
	}
	if !s.started {
		return problemf(agent.CodeNeverStarted, "session %s has never been started", s.name)
	}
	if err := checkSnapshotName(to.Name); err != nil {
		return err
	}
	places := s.outputs
	if len(to.URIs) > 0 {
		d, err := parseDestination(to.URIs)
		if err != nil {
			return err
		}
		places = []snapshotOutput{{to, d}}
	}
	if len(places) == 0 {
		return problemf(agent.CodeInvalid, "session %s has no place for snapshots", s.name)
	}
	if to.Pause && s.active {
		goOn, err := s.pauseRecording()
		if err != nil {
			return errors.Join(err, goOn())
		}
		defer func() { err = errors.Join(err, goOn()) }()
	}
	for _, p := range places {
		if to.MaxBytes > 0 {
			p.MaxBytes = to.MaxBytes
		}
		if to.Name != "" {
			p.Name = to.Name
		}
		place, err := s.recordTo(ctx, p)
		s.snaps++ // also of one that failed: its directory may be there
		if err != nil {
			return err
		}
		done.Names = append(done.Names, place)
	}
	s.d.notify(s, "state", "snapshot recorded")
	return nil
}

// pauseRecording lets no channel record, and returns what lets those go on that
// are enabled.
func (s *Session) pauseRecording() (goOn func() error, err error) {
	for _, m := range s.domains {
		err = errors.Join(err, m.stopRecording())
	}
	return func() error {
		var errs []error
		for _, m := range s.domains {
			for _, c := range m.channels {
				if c.enabled {
					errs = append(errs, c.Start())
				}
			}
		}
		return errors.Join(errs...)
	}, err
}

// recordTo stores a snapshot at one place.
func (s *Session) recordTo(ctx context.Context, p snapshotOutput) (string, error) {
	name := fmt.Sprintf("%s-%s-%d", p.Name, time.Now().Format(timeLayout), s.snaps)
	place := filepath.Join(p.to.path, name)
	for _, m := range s.running() {
		if err := m.dumpState(ctx); err != nil {
			s.log.Warn("state not dumped", "domain", m.src.Domain(), "err", err)
		}
		o := handover.Snapshot{
			Output:   handover.Output{Kind: handover.OutputDirectory, Chunk: handover.Chunk{ID: s.snaps, Begin: time.Now()}, Trace: m.place()},
			MaxBytes: int64(p.MaxBytes),
		}
		if p.to.path == "" {
			place = p.to.String() + " " + name
			if err := s.recordToRelay(ctx, m, p, name, o); err != nil {
				return "", err
			}
			continue
		}
		l, err := s.openLocal(place, m.place())
		if err != nil {
			return "", err
		}
		err = m.proc.Call(ctx, handover.OpSnapshot, o, nil, l.dir)
		l.settle()
		if err != nil {
			return "", err
		}
	}
	return place, nil
}

func (s *Session) recordToRelay(ctx context.Context, m *domain, p snapshotOutput, name string, o handover.Snapshot) error {
	to := p.to
	to.subdir = filepath.Join(cmp.Or(to.subdir, s.directoryName()), name)
	r, err := s.dial(ctx, to, to.within(agent.EnableConsumer{}), 0)
	if err != nil {
		return relayProblem(err)
	}
	h, err := r.Detach(ctx)
	if err != nil {
		return err
	}
	defer h.Close()
	o.Output.Kind, o.Output.SpoolDisk = handover.OutputRelay, s.consumer.spoolDisk()
	if o.Output.Relay, err = json.Marshal(h.State); err != nil {
		return err
	}
	return m.proc.Call(ctx, handover.OpSnapshot, o, nil, h.Control, h.Data)
}
