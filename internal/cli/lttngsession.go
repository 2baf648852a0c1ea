// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"encoding/xml"
	"fmt"
	"strings"
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
	lttngDomain struct {
		Type     string         `xml:"type"`
		Channels []lttngChannel `xml:"channels>channel"`
		PIDs     []int32        `xml:"process_attr_trackers>pid_process_attr_tracker>process_attr_values>pid>id"`
		OldPIDs  []int32        `xml:"trackers>pid_tracker>targets>pid_target>pid"`
	}
	lttngChannel struct {
		Name           string         `xml:"name"`
		Enabled        *bool          `xml:"enabled"`
		Mode           string         `xml:"overwrite_mode"`
		SubbufBytes    uint64         `xml:"subbuffer_size"`
		SubbufCount    uint64         `xml:"subbuffer_count"`
		SwitchTimer    uint32         `xml:"switch_timer_interval"` // µs
		ReadTimer      uint32         `xml:"read_timer_interval"`
		MonitorTimer   uint64         `xml:"monitor_timer_interval"`
		TracefileBytes uint64         `xml:"tracefile_size"`
		TracefileCount uint64         `xml:"tracefile_count"`
		Events         []lttngEvent   `xml:"events>event"`
		Contexts       []lttngContext `xml:"contexts>context"`
	}
	lttngEvent struct {
		Name       string   `xml:"name"`
		Enabled    *bool    `xml:"enabled"`
		Type       string   `xml:"type"`
		Filter     string   `xml:"filter"`
		Exclusions []string `xml:"exclusions>exclusion"`
		Symbol     string   `xml:"attributes>probe_attributes>symbol_name"`
		Address    uint64   `xml:"attributes>probe_attributes>address"`
		Offset     uint64   `xml:"attributes>probe_attributes>offset"`
		Function   string   `xml:"attributes>function_attributes>symbol_name"`
		Binary     string   `xml:"attributes>userspace_probe_function_attributes>binary_path"`
		UserSymbol string   `xml:"attributes>userspace_probe_function_attributes>function_name"`
	}
	lttngContext struct {
		Type string `xml:"type"`
		Perf string `xml:"perf>name"`
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
	for _, d := range x.Domains {
		if d.Type != "KERNEL" {
			saved.skipped = append(saved.skipped, fmt.Sprintf("domain %s is left out: not in this build", d.Type))
			continue
		}
		s.Domains = append(s.Domains, d.domain())
	}
	saved.Session = s
	return saved, nil
}

func (x *lttngConsumer) uris() ([]agent.URI, error) {
	uris, _, err := agent.ParseConsumerURIs(x.Path, x.Control, x.Data, "/")
	return uris, err
}

func (x *lttngDomain) domain() agent.Domain {
	d := agent.Domain{Name: domainKernel, PIDs: append(x.PIDs, x.OldPIDs...)}
	for _, c := range x.Channels {
		d.Channels = append(d.Channels, c.channel())
	}
	return d
}

func (x *lttngChannel) channel() agent.Channel {
	us := func(n uint64) time.Duration { return time.Duration(n) * time.Microsecond }
	c := agent.Channel{
		Name: x.Name, Enabled: x.Enabled == nil || *x.Enabled,
		ChannelSettings: agent.ChannelSettings{
			Overwrite: x.Mode == "OVERWRITE", SubbufBytes: x.SubbufBytes, SubbufCount: x.SubbufCount,
			SwitchTimer: us(uint64(x.SwitchTimer)), ReadTimer: us(uint64(x.ReadTimer)), MonitorTimer: us(x.MonitorTimer),
			TracefileBytes: x.TracefileBytes, TracefileCount: x.TracefileCount,
		},
	}
	for _, t := range x.Contexts {
		name := strings.ReplaceAll(strings.ToLower(t.Type), "callstack_", "callstack-")
		if t.Perf != "" {
			name = t.Perf
		}
		c.Contexts = append(c.Contexts, name)
	}
	for _, e := range x.Events {
		c.Events = append(c.Events, e.rule())
	}
	return c
}

// lttngEventTypes are the kinds of events by their names in such files.
var lttngEventTypes = map[string]agent.EventType{
	"": agent.Tracepoint, "TRACEPOINT": agent.Tracepoint, "SYSCALL": agent.Syscall, "ALL": agent.AllEvents,
	"PROBE": agent.Probe, "KPROBE": agent.Probe, "FUNCTION": agent.Function, "FUNCTION_ENTRY": agent.Function,
	"KRETPROBE": agent.Function, "USERSPACE_PROBE": agent.UserspaceProbe,
}

func (x *lttngEvent) rule() agent.EventRule {
	r := agent.EventRule{
		Type: lttngEventTypes[x.Type], Pattern: x.Name, Filter: x.Filter, Exclusions: x.Exclusions,
		Enabled: x.Enabled == nil || *x.Enabled,
	}
	if r.Pattern == "" {
		r.Pattern = "*"
	}
	switch {
	case x.Symbol != "" && x.Offset > 0:
		r.Location = fmt.Sprintf("%s+0x%x", x.Symbol, x.Offset)
	case x.Symbol != "":
		r.Location = x.Symbol
	case x.Address > 0:
		r.Location = fmt.Sprintf("0x%x", x.Address)
	case x.Function != "":
		r.Location = x.Function
	case x.Binary != "":
		r.Location = "elf:" + x.Binary + ":" + x.UserSymbol
	}
	return r
}
