// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package agenttest is a session daemon that does nothing: a double for tests of
// its interface and of the commands that use it. Sessions are kept and change
// their states; nothing is recorded.
package agenttest

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/weir-io/weir/client/agent"
	daemon "github.com/weir-io/weir/internal/agent"
)

// Service is the double. It may be used by several goroutines.
type Service struct {
	// Fail and Warn are answers to verbs, such as "start": an error, or
	// warnings of what is done. Set before use.
	Fail map[string]error
	Warn map[string][]agent.Problem
	// Losses are what stop and destroy tell of. Set before use.
	Losses []agent.ChannelLoss
	// Hold makes the orders of a verb wait for their context's end.
	Hold map[string]chan<- struct{} // gets a value when one waits

	mu       sync.Mutex
	calls    []string                          // guarded by mu
	sessions []*agent.Session                  // guarded by mu
	outputs  map[string][]agent.SnapshotOutput // by session; guarded by mu
	triggers []agent.Trigger                   // guarded by mu
	watchers []chan agent.Notice               // guarded by mu
}

// Calls returns what was ordered so far, a line each: verb, session and the
// document in JSON.
func (s *Service) Calls() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

// Notify gives a notice to all who watch.
func (s *Service) Notify(n agent.Notice) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range s.watchers {
		select {
		case w <- n:
		default: // as the real one: a slow watcher loses some
		}
	}
}

// note records a call and returns what the verb answers.
func (s *Service) note(ctx context.Context, verb, session string, document any) (agent.Done, error) {
	line := verb
	if session != "" {
		line += " " + session
	}
	if document != nil {
		text, err := json.Marshal(document)
		if err != nil {
			return agent.Done{}, err
		}
		line += " " + string(text)
	}
	s.mu.Lock()
	s.calls = append(s.calls, line)
	s.mu.Unlock()
	if waits := s.Hold[verb]; waits != nil {
		waits <- struct{}{}
		<-ctx.Done()
		return agent.Done{}, ctx.Err()
	}
	done := agent.Done{Warnings: s.Warn[verb]}
	if verb == "stop" || verb == "destroy" {
		done.Losses = s.Losses
	}
	return done, s.Fail[verb]
}

// order records a call to a session and changes the session by it.
func (s *Service) order(ctx context.Context, verb, session string, document any, change func(*agent.Session)) (agent.Done, error) {
	if _, err := s.find(session); err != nil {
		return agent.Done{}, err
	}
	done, err := s.note(ctx, verb, session, document)
	if err != nil {
		return done, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, found := range s.sessions {
		if found.Name == session && change != nil {
			change(found)
		}
	}
	return done, nil
}

func (s *Service) find(name string) (agent.Session, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, found := range s.sessions {
		if found.Name == name {
			return copyOf(found), nil
		}
	}
	return agent.Session{}, agent.NewProblem(agent.CodeSessionNotFound, fmt.Sprintf("session %q not found", name))
}

// Create makes a session.
func (s *Service) Create(ctx context.Context, by daemon.Caller, r agent.CreateSession) (agent.Session, agent.Done, error) {
	done, err := s.note(ctx, "create", "", r)
	if err != nil {
		return agent.Session{}, done, err
	}
	if r.Name == "" {
		r.Name = "auto-20261128-120000"
	}
	if _, err := s.find(r.Name); err == nil {
		return agent.Session{}, done, agent.NewProblem(agent.CodeSessionExists, fmt.Sprintf("session %q exists already", r.Name))
	}
	made := &agent.Session{
		Name: r.Name, ID: 1, UID: by.UID, GID: by.GID, Mode: r.Mode, State: agent.Inactive, LiveTimer: r.LiveTimer,
		Created:  time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC),
		Output:   agent.FormatURIs(r.URIs),
		Consumer: agent.Consumer{State: agent.ConsumerReady, URIs: agent.Strings(r.URIs)},
		Domains:  []agent.Domain{},
	}
	if made.Mode == "" {
		made.Mode = agent.Normal
	}
	if made.Output == "" && made.Mode != agent.NoOutput {
		made.Output = "/traces/" + r.Name + "-20261128-120000"
		made.Consumer.URIs = []string{"file://" + made.Output}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sessions = append(s.sessions, made)
	return copyOf(made), done, nil
}

// Sessions lists all.
func (s *Service) Sessions(daemon.Caller) []agent.Session {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []agent.Session
	for _, found := range s.sessions {
		all = append(all, copyOf(found))
	}
	return all
}

// Session returns one.
func (s *Service) Session(_ daemon.Caller, name string) (agent.Session, error) { return s.find(name) }

// Destroy forgets a session.
func (s *Service) Destroy(ctx context.Context, _ daemon.Caller, name string, wait bool) (agent.Done, error) {
	done, err := s.order(ctx, "destroy", name, wait, nil)
	if err != nil {
		return done, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sessions = slices.DeleteFunc(s.sessions, func(found *agent.Session) bool { return found.Name == name })
	return done, nil
}

// SetConsumerURI makes a template.
func (s *Service) SetConsumerURI(ctx context.Context, _ daemon.Caller, name string, uris []agent.URI) (agent.Done, error) {
	return s.order(ctx, "set-consumer-uri", name, agent.Strings(uris), func(x *agent.Session) {
		x.Consumer = agent.Consumer{State: agent.ConsumerTemplate, URIs: agent.Strings(uris)}
		x.Output = agent.FormatURIs(uris)
	})
}

// EnableConsumer enables a template.
func (s *Service) EnableConsumer(ctx context.Context, _ daemon.Caller, name string, o agent.EnableConsumer) (agent.Done, error) {
	return s.order(ctx, "enable-consumer", name, o, func(x *agent.Session) { x.Consumer.State = agent.ConsumerReady })
}

// DisableConsumer disables the consumer.
func (s *Service) DisableConsumer(ctx context.Context, _ daemon.Caller, name string, now bool) (agent.Done, error) {
	return s.order(ctx, "disable-consumer", name, now, func(x *agent.Session) { x.Consumer.State = agent.ConsumerDisabled })
}

// EnableChannel adds a channel.
func (s *Service) EnableChannel(ctx context.Context, _ daemon.Caller, name string, r agent.EnableChannel) (agent.Done, error) {
	return s.order(ctx, "enable-channel", name, r, func(x *agent.Session) {
		c := channel(x, r.Domain, r.Name)
		c.ChannelSettings, c.Enabled = r.ChannelSettings, true
	})
}

// DisableChannel disables one.
func (s *Service) DisableChannel(ctx context.Context, _ daemon.Caller, name, domain, ch string) (agent.Done, error) {
	return s.order(ctx, "disable-channel", name, agent.ChannelName{Domain: domain, Channel: ch}, func(x *agent.Session) {
		channel(x, domain, ch).Enabled = false
	})
}

// EnableEvents adds rules.
func (s *Service) EnableEvents(ctx context.Context, _ daemon.Caller, name string, r agent.EnableEvents) (agent.Done, error) {
	return s.order(ctx, "enable-event", name, r, func(x *agent.Session) {
		c := channel(x, r.Domain, r.Channel)
		for _, rule := range r.Rules {
			rule.Enabled, rule.Matches = true, 1
			c.Events = append(c.Events, rule)
		}
	})
}

// DisableEvents records the order.
func (s *Service) DisableEvents(ctx context.Context, _ daemon.Caller, name string, r agent.DisableEvents) (agent.Done, error) {
	return s.order(ctx, "disable-event", name, r, nil)
}

// AddContext adds contexts.
func (s *Service) AddContext(ctx context.Context, _ daemon.Caller, name string, r agent.AddContext) (agent.Done, error) {
	return s.order(ctx, "add-context", name, r, func(x *agent.Session) {
		c := channel(x, r.Domain, r.Channel)
		c.Contexts = append(c.Contexts, r.Types...)
	})
}

// Start makes a session active.
func (s *Service) Start(ctx context.Context, _ daemon.Caller, name string) (agent.Done, error) {
	return s.order(ctx, "start", name, nil, func(x *agent.Session) { x.State = agent.Active })
}

// Stop makes it inactive.
func (s *Service) Stop(ctx context.Context, _ daemon.Caller, name string, wait bool) (agent.Done, error) {
	return s.order(ctx, "stop", name, wait, func(x *agent.Session) { x.State = agent.Inactive })
}

// Clear records the order.
func (s *Service) Clear(ctx context.Context, _ daemon.Caller, name string) (agent.Done, error) {
	return s.order(ctx, "clear", name, nil, nil)
}

// Rotate names a chunk.
func (s *Service) Rotate(ctx context.Context, _ daemon.Caller, name string, wait bool) (agent.Done, error) {
	done, err := s.order(ctx, "rotate", name, wait, func(x *agent.Session) { x.Chunks++ })
	done.Names = []string{"/traces/" + name + "/archives/1"}
	return done, err
}

// EnableRotation sets a schedule.
func (s *Service) EnableRotation(ctx context.Context, _ daemon.Caller, name string, r agent.RotationSchedule) (agent.Done, error) {
	return s.order(ctx, "enable-rotation", name, r, func(x *agent.Session) { x.Rotation = r })
}

// DisableRotation removes schedules.
func (s *Service) DisableRotation(ctx context.Context, _ daemon.Caller, name string, r agent.RotationSchedule) (agent.Done, error) {
	return s.order(ctx, "disable-rotation", name, r, func(x *agent.Session) { x.Rotation = agent.RotationSchedule{} })
}

// RegenerateMetadata records the order.
func (s *Service) RegenerateMetadata(ctx context.Context, _ daemon.Caller, name string) (agent.Done, error) {
	return s.order(ctx, "regenerate-metadata", name, nil, nil)
}

// RegenerateStatedump records the order.
func (s *Service) RegenerateStatedump(ctx context.Context, _ daemon.Caller, name string) (agent.Done, error) {
	return s.order(ctx, "regenerate-statedump", name, nil, nil)
}

// KernelEvents lists two tracepoints and a system call.
func (s *Service) KernelEvents(_ context.Context, _ string, kind agent.EventType, fields bool) ([]agent.KernelEvent, error) {
	all := []agent.KernelEvent{
		{Name: "sched_switch", System: "sched", Event: "sched_switch", Type: agent.Tracepoint},
		{Name: "irq_softirq_entry", System: "irq", Event: "softirq_entry", Type: agent.Tracepoint},
		{Name: "syscall_entry_openat", System: "syscalls", Event: "sys_enter_openat", Type: agent.Syscall},
		{Name: "syscall_exit_openat", System: "syscalls", Event: "sys_exit_openat", Type: agent.Syscall},
	}
	all = slices.DeleteFunc(all, func(e agent.KernelEvent) bool { return kind != "" && e.Type != kind })
	for i := range all {
		if fields {
			all[i].Fields = []agent.KernelField{{Name: "_n", Type: "integer { size = 32; align = 8; signed = 1; }"}}
		}
	}
	return all, s.Fail["kernel-events"]
}

// KernelContexts lists two.
func (s *Service) KernelContexts() []string { return []string{"pid", "procname"} }

// UserContexts lists two.
func (s *Service) UserContexts() []string { return []string{"procname", "perf:thread:cycles"} }

// StatEvents lists three, one of which has a field and one is not shown.
func (s *Service) StatEvents(_ context.Context, pattern string, fields bool) []agent.StatEvent {
	all := []agent.StatEvent{
		{Name: "proc/loadavg", Section: "loadavg", Class: "legacy", Source: "/proc/loadavg"},
		{Name: "system/filesystems/fs", Section: "filesystems", Class: "default", Source: "statfs", Slow: true},
		{Name: "system/cgroups/cgroup", Section: "cgroups", Class: "by name", Source: "/sys/fs/cgroup", Hidden: true},
	}
	if fields {
		all[0].Fields = []agent.StatField{{Name: "load1", Type: "floating point"}}
	}
	begin, _, _ := strings.Cut(pattern, "*")
	return slices.DeleteFunc(all, func(e agent.StatEvent) bool {
		return !strings.HasPrefix(e.Name, begin) && !strings.HasPrefix(e.Section, begin)
	})
}

// UserEvents lists two of one application, one of which has a field.
func (s *Service) UserEvents(_ context.Context, _ daemon.Caller, pattern string, fields bool) ([]agent.UserEvent, error) {
	all := []agent.UserEvent{
		{PID: 7, UID: 1000, Process: "app", Name: "app:begin", LogLevel: "TRACE_INFO"},
		{PID: 7, UID: 1000, Process: "app", Name: "app:end"},
	}
	if fields {
		all[0].Fields = []agent.UserField{{Name: "n", Type: "integer"}}
	}
	begin, _, _ := strings.Cut(pattern, "*")
	return slices.DeleteFunc(all, func(e agent.UserEvent) bool { return !strings.HasPrefix(e.Name, begin) }), nil
}

// Loggers lists two of one program.
func (s *Service) Loggers(context.Context, daemon.Caller, string) ([]agent.Logger, error) {
	return []agent.Logger{
		{PID: 7, UID: 1000, Process: "/usr/bin/python3", Name: "app"},
		{PID: 7, UID: 1000, Process: "/usr/bin/python3", Name: "app.db"},
	}, nil
}

// Capabilities tells that all is well.
func (s *Service) Capabilities() map[string]string { return map[string]string{"kernel": "yes"} }

// Watch gives what Notify is given.
func (s *Service) Watch(ctx context.Context, _ daemon.Caller, _ string) <-chan agent.Notice {
	const queue = 16
	c := make(chan agent.Notice, queue) // never closed: Notify may be about to send
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watchers = append(s.watchers, c)
	context.AfterFunc(ctx, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.watchers = slices.DeleteFunc(s.watchers, func(w chan agent.Notice) bool { return w == c })
	})
	return c
}

// Watchers returns how many watch.
func (s *Service) Watchers() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.watchers)
}

// copyOf makes a copy that shares nothing.
func copyOf(x *agent.Session) agent.Session {
	text, err := json.Marshal(x)
	var c agent.Session
	if err == nil {
		err = json.Unmarshal(text, &c)
	}
	if err != nil {
		panic("agenttest: " + err.Error())
	}
	return c
}

// channel finds a channel, which it makes if need be; "" is channel0.
func channel(x *agent.Session, domain, name string) *agent.Channel {
	if name == "" {
		name = "channel0"
	}
	i := slices.IndexFunc(x.Domains, func(d agent.Domain) bool { return d.Name == domain })
	if i < 0 {
		i = len(x.Domains)
		x.Domains = append(x.Domains, agent.Domain{Name: domain})
	}
	d := &x.Domains[i]
	j := slices.IndexFunc(d.Channels, func(c agent.Channel) bool { return c.Name == name })
	if j < 0 {
		j = len(d.Channels)
		d.Channels = append(d.Channels, agent.Channel{Name: name, Enabled: true, Events: []agent.EventRule{}})
	}
	return &d.Channels[j]
}
