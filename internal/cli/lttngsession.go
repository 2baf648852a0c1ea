// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"encoding/xml"
	"fmt"
	"time"

	"github.com/weir-io/weir/client/agent"
)

// lttngSuffix ends the names of files that "lttng save" writes.
const lttngSuffix = ".lttng"

// The elements of such a file that mean something here, as lttng-tools'
// session.xsd has them.
type (
	lttngSessions struct {
		XMLName  xml.Name       `xml:"sessions"`
		Sessions []lttngSession `xml:"session"`
	}
	lttngSession struct {
		Name       string          `xml:"name"`
		Domains    []lttngDomain   `xml:"domains>domain"`
		Started    bool            `xml:"started"`
		Snapshot   bool            `xml:"attributes>snapshot_mode"`
		LiveTimer  uint32          `xml:"attributes>live_timer_interval"` // µs
		RotateTime uint64          `xml:"attributes>rotation_schedules>periodic>time_us"`
		RotateSize uint64          `xml:"attributes>rotation_schedules>size_threshold>bytes"`
		Output     *lttngConsumer  `xml:"output>consumer_output"`
		Snapshots  []lttngSnapshot `xml:"output>snapshot_outputs>output"`
	}
	lttngConsumer struct {
		Path    string `xml:"destination>path"`
		Control string `xml:"destination>net_output>control_uri"`
		Data    string `xml:"destination>net_output>data_uri"`
	}
	lttngSnapshot struct {
		Name   string        `xml:"name"`
		Max    uint64        `xml:"max_size"`
		Output lttngConsumer `xml:"consumer_output"`
	}
)

// parseLTTngSessions reads a file of "lttng save".
func parseLTTngSessions(text []byte) ([]savedSession, error) {
	var file lttngSessions
	if err := xml.Unmarshal(text, &file); err != nil {
		return nil, err
	}
	var all []savedSession
	for _, s := range file.Sessions {
		saved, err := s.saved()
		if err != nil {
			return nil, fmt.Errorf("session %q: %w", s.Name, err)
		}
		all = append(all, saved)
	}
	return all, nil
}

func (x *lttngSession) saved() (savedSession, error) {
	s := agent.Session{
		Name: x.Name, Mode: agent.Normal, State: agent.Inactive, LiveTimer: time.Duration(x.LiveTimer) * time.Microsecond,
		Rotation: agent.RotationSchedule{Period: time.Duration(x.RotateTime) * time.Microsecond, Bytes: x.RotateSize},
	}
	switch {
	case x.Snapshot:
		s.Mode = agent.Snapshot
	case x.LiveTimer > 0:
		s.Mode = agent.Live
	case x.Output == nil:
		s.Mode = agent.NoOutput
	}
	if x.Started {
		s.State = agent.Active
	}
	saved := savedSession{Version: savedVersion}
	if x.Output != nil {
		uris, err := x.Output.uris()
		if err != nil {
			return saved, err
		}
		s.Consumer.URIs = agent.Strings(uris)
	}
	for _, o := range x.Snapshots {
		uris, err := o.Output.uris()
		if err != nil {
			return saved, err
		}
		saved.Outputs = append(saved.Outputs, agent.SnapshotOutput{Name: o.Name, MaxBytes: o.Max, URIs: uris})
	}
	var r lttngReader
	for i := range x.Domains {
		if err := r.add(&x.Domains[i]); err != nil {
			return saved, err
		}
	}
	s.Domains, saved.skipped = r.domains, r.skipped
	saved.Session = s
	return saved, nil
}

func (x *lttngConsumer) uris() ([]agent.URI, error) {
	uris, _, err := agent.ParseConsumerURIs(x.Path, x.Control, x.Data, "/")
	return uris, err
}
