// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/weir-io/weir/client/agent"
	"github.com/weir-io/weir/ctf/schema"
	"github.com/weir-io/weir/internal/loggers"
	"github.com/weir-io/weir/internal/ust/wire"
)

// The elements of a domain in a file of "lttng save".
type (
	lttngDomain struct {
		Type     string         `xml:"type"`
		Buffers  string         `xml:"buffer_type"`
		Channels []lttngChannel `xml:"channels>channel"`
		Trackers lttngTrackers  `xml:"process_attr_trackers"`
		OldPIDs  []int32        `xml:"trackers>pid_tracker>targets>pid_target>pid"`
	}
	// lttngTrackers are nil where all are tracked.
	lttngTrackers struct {
		PID  *lttngTracker `xml:"pid_process_attr_tracker"`
		VPID *lttngTracker `xml:"vpid_process_attr_tracker"`
		UID  *lttngTracker `xml:"uid_process_attr_tracker"`
		VUID *lttngTracker `xml:"vuid_process_attr_tracker"`
		GID  *lttngTracker `xml:"gid_process_attr_tracker"`
		VGID *lttngTracker `xml:"vgid_process_attr_tracker"`
	}
	lttngTracker struct {
		PID  []lttngTracked `xml:"process_attr_values>pid"`
		VPID []lttngTracked `xml:"process_attr_values>vpid"`
		UID  []lttngTracked `xml:"process_attr_values>uid"`
		VUID []lttngTracked `xml:"process_attr_values>vuid"`
		GID  []lttngTracked `xml:"process_attr_values>gid"`
		VGID []lttngTracked `xml:"process_attr_values>vgid"`
	}
	lttngTracked struct {
		ID   int64  `xml:"id"`
		Name string `xml:"name"`
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
		Blocking       int64          `xml:"blocking_timeout"`
		TracefileBytes uint64         `xml:"tracefile_size"`
		TracefileCount uint64         `xml:"tracefile_count"`
		Events         []lttngEvent   `xml:"events>event"`
		Contexts       []lttngContext `xml:"contexts>context"`
	}
	lttngEvent struct {
		Name       string   `xml:"name"`
		Enabled    *bool    `xml:"enabled"`
		Type       string   `xml:"type"`
		LevelType  string   `xml:"loglevel_type"`
		Level      int32    `xml:"loglevel"`
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
		Type     string `xml:"type"`
		Perf     string `xml:"perf>name"`
		Provider string `xml:"app>provider_name"`
		AppName  string `xml:"app>ctx_name"`
	}
)

// lttngDomains are the domains by their names in such files.
var lttngDomains = map[string]string{
	"KERNEL": domainKernel, "UST": domainUST, "PYTHON": domainPython, "JUL": domainJUL, "LOG4J": domainLog4j,
}

// lttngReader makes the domains of a session, and takes note of what is left out.
type lttngReader struct {
	domains []agent.Domain
	skipped []string
}

func (r *lttngReader) skip(format string, args ...any) {
	r.skipped = append(r.skipped, fmt.Sprintf(format, args...))
}

// domain returns a domain of the session, which is there then.
func (r *lttngReader) domain(name string) *agent.Domain {
	i := slices.IndexFunc(r.domains, func(d agent.Domain) bool { return d.Name == name })
	if i < 0 {
		i = len(r.domains)
		r.domains = append(r.domains, agent.Domain{Name: name})
	}
	return &r.domains[i]
}

// add reads a domain.
func (r *lttngReader) add(x *lttngDomain) error {
	name := lttngDomains[x.Type]
	if name == "" {
		r.skip("domain %s is left out: not in this build", x.Type)
		return nil
	}
	for i := range x.Channels {
		c := r.channel(name, &x.Channels[i])
		if x.Buffers == "PER_PID" {
			c.Buffers = agent.BuffersPID
		}
		if loggerTitles[name] != "" { // the channel is one of applications
			r.domain(name).Channels = append(r.domain(name).Channels, agent.Channel{Name: c.Name, Enabled: c.Enabled, Events: c.Events})
			c.Events, name = nil, domainUST
		}
		r.domain(name).Channels = append(r.domain(name).Channels, c)
		name = lttngDomains[x.Type]
	}
	if loggerTitles[name] != "" {
		return nil
	}
	return r.track(r.domain(name), x)
}

// track reads who is tracked: of applications by the numbers that they see.
func (r *lttngReader) track(d *agent.Domain, x *lttngDomain) error {
	t := &x.Trackers
	pids, uids, gids := t.PID, t.UID, t.GID
	if d.Name == domainUST {
		pids, uids, gids = t.VPID, t.VUID, t.VGID
	} else if t.VPID != nil || t.VUID != nil || t.VGID != nil {
		r.skip("domain %s: virtual numbers of processes, users and groups are not tracked", x.Type)
	}
	if pids != nil {
		d.PIDs = []int32{}
		for _, p := range slices.Concat(pids.PID, pids.VPID) {
			d.PIDs = append(d.PIDs, int32(p.ID))
		}
	}
	d.PIDs = append(d.PIDs, x.OldPIDs...)
	for _, of := range []struct {
		tracker *lttngTracker
		to      *[]int64
		number  func(string) (int64, error)
	}{{uids, &d.UIDs, userNumber}, {gids, &d.GIDs, groupNumber}} {
		if of.tracker == nil {
			continue
		}
		*of.to = []int64{}
		for _, u := range slices.Concat(of.tracker.UID, of.tracker.VUID, of.tracker.GID, of.tracker.VGID) {
			if u.Name != "" {
				var err error
				if u.ID, err = of.number(u.Name); err != nil {
					return fmt.Errorf("tracked %s of domain %s: %w", u.Name, x.Type, err)
				}
			}
			*of.to = append(*of.to, u.ID)
		}
	}
	return nil
}

func (r *lttngReader) channel(domain string, x *lttngChannel) agent.Channel {
	us := func(n uint64) time.Duration { return time.Duration(n) * time.Microsecond }
	c := agent.Channel{
		Name: x.Name, Enabled: x.Enabled == nil || *x.Enabled,
		ChannelSettings: agent.ChannelSettings{
			Overwrite: x.Mode == "OVERWRITE", SubbufBytes: x.SubbufBytes, SubbufCount: x.SubbufCount,
			SwitchTimer: us(uint64(x.SwitchTimer)), ReadTimer: us(uint64(x.ReadTimer)), MonitorTimer: us(x.MonitorTimer),
			TracefileBytes: x.TracefileBytes, TracefileCount: x.TracefileCount, BlockingTimeout: us(uint64(max(x.Blocking, 0))),
		},
	}
	if x.Blocking < 0 {
		c.BlockingTimeout = agent.Forever
	}
	for _, t := range x.Contexts {
		name := t.name()
		if t.Perf != "" && domain != domainKernel {
			perf, ok := wire.FindPerfContext(t.Perf)
			if !ok {
				r.skip("channel %s: context %s is left out: there is no such counter", x.Name, name)
				continue
			}
			name = perf.Name
		}
		c.Contexts = append(c.Contexts, name)
	}
	for _, e := range x.Events {
		c.Events = append(c.Events, e.rule(domain))
	}
	return c
}

func (x *lttngContext) name() string {
	switch {
	case x.Perf != "":
		return x.Perf
	case x.Provider != "":
		return "$app." + x.Provider + ":" + x.AppName
	}
	return strings.ReplaceAll(strings.ToLower(x.Type), "callstack_", "callstack-")
}

// lttngEventTypes are the kinds of events by their names in such files.
var lttngEventTypes = map[string]agent.EventType{
	"": agent.Tracepoint, "TRACEPOINT": agent.Tracepoint, "SYSCALL": agent.Syscall, "ALL": agent.AllEvents,
	"PROBE": agent.Probe, "KPROBE": agent.Probe, "FUNCTION": agent.Function, "FUNCTION_ENTRY": agent.Function,
	"KRETPROBE": agent.Function, "USERSPACE_PROBE": agent.UserspaceProbe,
}

func (x *lttngEvent) rule(domain string) agent.EventRule {
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
	if x.LevelType == "RANGE" || x.LevelType == "SINGLE" {
		r.LogLevelOnly = x.LevelType == "SINGLE"
		r.LogLevel = x.level(domain)
	}
	if loggerTitles[domain] != "" {
		r.Filter = x.ownFilter()
		if r.LogLevel == "" { // one without a name: LTTng's own filter has it
			r.Filter, r.LogLevelOnly = x.Filter, false
		}
	}
	return r
}

// level is the name of a log level.
func (x *lttngEvent) level(domain string) string {
	if domain == domainUST {
		return schema.LogLevel(x.Level).String()
	}
	name, _ := loggers.LevelName(domain, x.Level)
	return name
}

// ownFilter is the filter of a logger as it was given: LTTng keeps it with what it adds
// about the logger's name and the level.
func (x *lttngEvent) ownFilter() string {
	text := x.Filter
	take := func(condition string) {
		switch rest, ok := strings.CutSuffix(text, " && ("+condition+")"); {
		case text == condition:
			text = ""
		case ok && strings.HasPrefix(rest, "(") && strings.HasSuffix(rest, ")"):
			text = rest[1 : len(rest)-1]
		}
	}
	switch x.LevelType {
	case "RANGE":
		take(fmt.Sprintf("int_loglevel >= %d", x.Level))
	case "SINGLE":
		take(fmt.Sprintf("int_loglevel == %d", x.Level))
	}
	if x.Name != "*" {
		take(`logger_name == "` + x.Name + `"`)
	}
	return text
}
