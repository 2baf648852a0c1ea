// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package kernelsource

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/weir-io/weir/client/agent"
	"github.com/weir-io/weir/internal/kernel/ftrace"
	"github.com/weir-io/weir/internal/kernel/tracefs"
	"github.com/weir-io/weir/internal/kerneltrace"
	"github.com/weir-io/weir/internal/source"
	"github.com/weir-io/weir/internal/traceclock"
)

// Domain is the name of the kernel's domain.
const Domain = "kernel"

const (
	// wakePercent is how full a ring wakes its reader: later, and a busy machine
	// overruns it before the reader runs; earlier, and waking it costs more than
	// reading.
	wakePercent = 40
	// Defaults of channels.
	defaultSubbufBytes = 256 << 10
	defaultSubbufCount = 16
	defaultReadTimer   = 100 * time.Millisecond
	defaultMonitor     = time.Second
)

// Source is the kernel's tracing. It is safe for concurrent use.
type Source struct {
	// Immutable.
	log       *slog.Logger
	instances string // directory of what instances there are
	clock     func(id int32) traceclock.Offset
	// processors tells of those that are online, as /sys/devices/system/cpu does.
	processors fs.FS

	own ownThreads

	mu      sync.Mutex
	fs      *tracefs.FS // guarded by mu; nil until it can be opened
	formats map[tracefs.EventName]*ftrace.Format
	events  []tracefs.EventName // as last listed
}

// New makes the source. Its own instances are written down in a directory.
func New(instances string, log *slog.Logger) *Source {
	return &Source{log: log, instances: instances, clock: traceclock.Measure, processors: os.DirFS("/sys/devices/system/cpu"), formats: make(map[tracefs.EventName]*ftrace.Format)}
}

// Domain implements source.Source.
func (s *Source) Domain() string { return Domain }

// Check implements source.Source.
func (s *Source) Check(tracing bool) error {
	if !tracing {
		return agent.NewProblem(agent.CodePermission, "kernel domain: only root and the group tracing may trace the kernel")
	}
	_, err := s.open()
	return err
}

// open opens the kernel's files, when it is first needed: they may be mounted
// later than the daemon starts.
func (s *Source) open() (*tracefs.FS, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fs != nil {
		return s.fs, nil
	}
	f, err := tracefs.Find()
	if err != nil {
		return nil, agent.NewProblem(agent.CodeKernelUnavailable, fmt.Sprintf("kernel tracing is not available: %v", err))
	}
	s.fs = f
	return f, nil
}

// Close closes the kernel's files. Instances stay.
func (s *Source) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fs == nil {
		return nil
	}
	defer func() { s.fs = nil }()
	return s.fs.Close()
}

// Defaults implements source.Source.
func (s *Source) Defaults(mode agent.Mode) agent.ChannelSettings {
	return agent.ChannelSettings{
		Overwrite: mode == agent.Snapshot, SubbufBytes: defaultSubbufBytes, SubbufCount: defaultSubbufCount,
		ReadTimer: defaultReadTimer, MonitorTimer: defaultMonitor,
	}
}

// list returns the events that the kernel has now, without weir's own probes.
func (s *Source) list() ([]tracefs.EventName, error) {
	f, err := s.open()
	if err != nil {
		return nil, err
	}
	events, err := f.Events()
	if err != nil {
		return nil, agent.NewProblem(agent.CodeKernelUnavailable, err.Error())
	}
	events = slices.DeleteFunc(events, isProbe)
	s.mu.Lock()
	s.events = events
	s.mu.Unlock()
	return events, nil
}

// format returns the format of an event, which is read once for each trace.
func (s *Source) format(n tracefs.EventName) (*ftrace.Format, error) {
	f, err := s.open()
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if known := s.formats[n]; known != nil {
		return known, nil
	}
	text, err := f.Format(n, nil)
	if err != nil {
		return nil, err
	}
	parsed, err := ftrace.ParseFormat(n.System, text)
	if err != nil {
		return nil, err
	}
	s.formats[n] = parsed
	return parsed, nil
}

// Open implements source.Source.
func (s *Source) Open(info source.SessionInfo) (source.Trace, error) {
	f, err := s.open()
	if err != nil {
		return nil, err
	}
	naming := kerneltrace.LTTng
	if info.Naming != "" {
		if naming, err = kerneltrace.ParseNaming(info.Naming); err != nil {
			return nil, agent.NewProblem(agent.CodeInvalid, err.Error())
		}
	}
	capabilities, err := f.Capabilities()
	if err != nil {
		return nil, agent.NewProblem(agent.CodeKernelUnavailable, err.Error())
	}
	clock, err := chooseClock(info.Clock, capabilities.Clocks)
	if err != nil {
		return nil, err
	}
	layout, err := f.HeaderPage()
	if err != nil {
		return nil, err
	}
	if _, err := ftrace.ParseHeaderPage(layout); err != nil {
		return nil, agent.NewProblem(agent.CodeKernelUnavailable, err.Error())
	}
	// Modules and probes may have come anew since another trace: their events have
	// other numbers then.
	s.mu.Lock()
	clear(s.formats)
	s.mu.Unlock()
	t := &trace{s: s, fs: f, info: info, naming: naming, clock: clock}
	if info.HashPointers {
		t.key = new([16]byte)
		rand.Read(t.key[:])
	}
	return t, nil
}

// KernelEvents lists events, by a pattern over any of their names; "" is all.
func (s *Source) KernelEvents(pattern string, kind agent.EventType, fields bool) ([]agent.KernelEvent, error) {
	if err := checkPatterns(&agent.EventRule{Pattern: pattern}); err != nil {
		return nil, err
	}
	events, err := s.list()
	if err != nil {
		return nil, err
	}
	if pattern == "" {
		pattern = "*"
	}
	rule := &agent.EventRule{Type: kind, Pattern: pattern}
	if kind == "" {
		rule.Type = agent.AllEvents
	}
	all := []agent.KernelEvent{}
	for _, n := range choose(events, rule, kerneltrace.LTTng) {
		e := agent.KernelEvent{Name: kerneltrace.LTTng.EventName(n.System, n.Name), System: n.System, Event: n.Name, Type: kindOf(n)}
		if fields {
			f, err := s.format(n)
			if errors.Is(err, tracefs.ErrNoEvent) {
				continue // a module was unloaded
			}
			if err != nil {
				return nil, err
			}
			e.Fields = describeFields(f)
		}
		all = append(all, e)
	}
	return all, nil
}

// describeFields lists the fields of an event with the types that the kernel
// declares.
func describeFields(f *ftrace.Format) []agent.KernelField {
	var all []agent.KernelField
	for i := range f.Fields {
		all = append(all, agent.KernelField{Name: f.Fields[i].Name, Type: f.Fields[i].Type})
	}
	return all
}

// Capabilities tells what the kernel can do, by name, and why not.
func (s *Source) Capabilities() map[string]string {
	f, err := s.open()
	if err != nil {
		return map[string]string{"kernel": err.Error()}
	}
	c, err := f.Capabilities()
	if err != nil {
		return map[string]string{"kernel": err.Error()}
	}
	return describeCapabilities(c)
}
