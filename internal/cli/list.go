// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weir-io/weir/client/agent"
	"github.com/weir-io/weir/ctf/schema"
)

// listFlags are the flags of "weir list".
type listFlags struct {
	domain          domainFlags
	fields, syscall bool
	channel         string
	domains         bool
	capabilities    bool
}

// newListCommand returns "weir list".
func newListCommand() *cobra.Command {
	var f listFlags
	c := &cobra.Command{
		Use:   "list [SESSION]",
		Short: "List sessions, or what one records, or what could be recorded",
		Long: `List the tracing sessions; with a SESSION: what it records, how much it has
recorded and lost, and how its consumer is.

With -k and without a SESSION: the events that the kernel offers; --syscall the
system calls, -f also the fields of each; --capabilities what else the kernel
can do. With -u: the events of the applications that run, -f also the fields of each.
With --stat: the events of the host's statistics by their sections, -f
also the fields that each may have. With --python, --jul or --log4j: the loggers of the
programs that run and have LTTng's agents.`,
		Example: `  weir list
  weir list demo -c channel0
  weir list -k --syscall
  weir list -u
  weir list --python
  weir list --stat -f`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: firstOnly(completeSessions),
	}
	fl := c.Flags()
	f.domain.add(fl)
	f.domain.addLoggers(fl)
	fl.BoolVarP(&f.fields, "fields", "f", false, "show the fields of events")
	fl.BoolVar(&f.syscall, "syscall", false, "list system calls")
	fl.BoolVar(&f.capabilities, "capabilities", false, "list what the kernel's tracing can do")
	fl.StringVarP(&f.channel, "channel", "c", "", "only this `CHANNEL` of the session")
	fl.BoolVarP(&f.domains, "domain", "d", false, "only the domains of the session")
	c = agentCommand(c, true, f.run)
	mustComplete(c, "channel", completeChannels)
	return c
}

func (f *listFlags) run(c *agentCall) error {
	if len(c.args) > 0 || c.session != "" {
		name, err := c.name()
		if err != nil {
			return err
		}
		return f.session(c, name)
	}
	if f.domain == (domainFlags{}) && !f.syscall && !f.capabilities {
		return listTracingSessions(c)
	}
	if f.domain == (domainFlags{}) {
		f.domain.kernel = true // which has system calls
	}
	domain, err := f.domain.one()
	if err != nil {
		return err
	}
	switch {
	case f.domain.loggers() && (f.syscall || f.capabilities):
		return usageErrorf("list --%s: --syscall and --capabilities are of -k", domain)
	case f.domain.loggers():
		return listLoggers(c, domain)
	case domain == domainUST && (f.syscall || f.capabilities):
		return usageErrorf("list -u: --syscall and --capabilities are of -k")
	case domain == domainUST:
		return f.userEvents(c)
	case domain == domainWeir, domain == domainFS:
		return usageErrorf("list -w and list --fs: want a session")
	case domain == domainStat && (f.syscall || f.capabilities):
		return usageErrorf("list --stat: --syscall and --capabilities are of -k")
	case domain == domainStat:
		return f.statEvents(c)
	}
	if f.capabilities {
		return sayCapabilities(c)
	}
	return f.events(c)
}

// sayCapabilities lists what the daemon's host can do.
func sayCapabilities(c *agentCall) error {
	all, err := c.api.Capabilities(c.ctx)
	if err != nil {
		return err
	}
	c.set("capabilities", all)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		c.say("%s: %s", name, all[name])
	}
	return nil
}

// events lists what the kernel offers.
func (f *listFlags) events(c *agentCall) error {
	kind, title := agent.Tracepoint, "Kernel events:"
	if f.syscall {
		kind, title = agent.Syscall, "System calls:"
	}
	all, err := c.api.KernelEvents(c.ctx, "", kind, f.fields)
	if err != nil {
		return err
	}
	c.set("events", all)
	c.say("%s", title)
	c.say("-------------")
	if f.syscall && !f.fields {
		for _, name := range eventNames(all) {
			c.say("      %s (type: %s)", name, agent.Syscall)
		}
		return nil
	}
	for _, e := range all {
		c.say("      %s (type: %s)", e.Name, e.Type)
		for _, field := range e.Fields {
			c.say("        field: %s (%s)", field.Name, field.Type)
		}
	}
	return nil
}

// userEvents lists the events of applications.
func (f *listFlags) userEvents(c *agentCall) error {
	all, err := c.api.UserEvents(c.ctx, "", f.fields)
	if err != nil {
		return err
	}
	c.set("events", all)
	c.say("UST events:")
	c.say("-------------")
	if len(all) == 0 {
		c.say("None")
	}
	pid := int32(-1)
	for _, e := range all {
		if e.PID != pid {
			pid = e.PID
			c.say("")
			c.say("PID: %d - Name: %s", e.PID, e.Process)
		}
		level := ""
		if e.LogLevel != "" {
			level = fmt.Sprintf(" (loglevel: %s (%d))", e.LogLevel, levelNumber(e.LogLevel))
		}
		c.say("      %s%s (type: %s)", e.Name, level, agent.Tracepoint)
		for _, field := range e.Fields {
			note := ""
			if field.NotWritten {
				note = " [no write]"
			}
			c.say("        field: %s (%s)%s", field.Name, fieldTypeText(field.Type), note)
		}
	}
	return nil
}

// fieldTypeText is LTTng's word for a kind of field: of arrays, programs tell no more.
func fieldTypeText(kind string) string {
	if kind == "other" {
		return "unknown"
	}
	return kind
}

// levelNumber is the number of a log level, or -1. The more severe, the smaller.
func levelNumber(name string) int {
	for l := schema.LogLevel(0); l <= schema.MaxLogLevel; l++ {
		if l.String() == name {
			return int(l)
		}
	}
	return -1
}

// userNames are the names of events, each once.
func userNames(all []agent.UserEvent) (names []string) {
	for _, e := range all {
		names = append(names, e.Name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// statEvents lists the events of the host's statistics.
func (f *listFlags) statEvents(c *agentCall) error {
	all, err := c.api.StatEvents(c.ctx, "", f.fields)
	if err != nil {
		return err
	}
	c.set("events", all)
	c.say("Host statistics:")
	c.say("-------------")
	for _, e := range all {
		c.say("      %s (section: %s, selected: %s)%s", e.Name, e.Section, e.Class, statNote(e))
		for _, field := range e.Fields {
			c.say("        field: %s (%s)", field.Name, field.Type)
		}
	}
	return nil
}

// statNote says what is special about an event.
func statNote(e agent.StatEvent) string {
	switch {
	case e.Hidden:
		return " [not exposed]"
	case e.Slow:
		return " [read every few seconds]"
	}
	return ""
}

// statNames returns names that rules know events by: those of sections, and their
// own.
func statNames(all []agent.StatEvent) []string {
	var names []string
	for _, e := range all {
		if e.Section != "" {
			names = append(names, e.Section)
		}
		names = append(names, e.Name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// eventNames returns the names that rules know events by. A system call has one
// name, its events two: that of its entry and that of its exit.
func eventNames(all []agent.KernelEvent) []string {
	var names []string
	for _, e := range all {
		name := e.Name
		if e.Type == agent.Syscall {
			name = strings.TrimPrefix(strings.TrimPrefix(name, "syscall_entry_"), "syscall_exit_")
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// session shows one session.
func (f *listFlags) session(c *agentCall, name string) error {
	s, err := c.api.Session(c.ctx, name)
	if err != nil {
		return err
	}
	if err := f.choose(&s); err != nil {
		return err
	}
	c.set("sessions", []agent.Session{s})
	sayTracingSession(c, s, f.domains)
	return nil
}

// choose leaves the domain and the channel that were asked for.
func (f *listFlags) choose(s *agent.Session) error {
	domain := ""
	if f.domain != (domainFlags{}) {
		var err error
		if domain, err = f.domain.one(); err != nil {
			return err
		}
	}
	kept := []agent.Domain{}
	found := false
	for _, d := range s.Domains {
		if domain != "" && d.Name != domain {
			continue
		}
		channels := []agent.Channel{}
		for _, ch := range d.Channels {
			if f.channel == "" || ch.Name == f.channel {
				channels = append(channels, ch)
				found = true
			}
		}
		d.Channels = channels
		kept = append(kept, d)
	}
	if f.channel != "" && !found {
		return agent.NewProblem(agent.CodeChannelNotFound, "session "+s.Name+" has no channel "+f.channel)
	}
	s.Domains = kept
	return nil
}

// listTracingSessions lists all, shortly.
func listTracingSessions(c *agentCall) error {
	all, err := c.api.Sessions(c.ctx)
	if err != nil {
		return err
	}
	c.set("sessions", all)
	if len(all) == 0 {
		c.say("Currently no available recording session")
		return nil
	}
	c.say("Available recording sessions:")
	for i, s := range all {
		c.say("  %d) %s [%s]", i+1, s.Name, sessionStateText(s))
		if s.Output != "" {
			c.say("    Trace output: %s", s.Output)
		}
		if s.LiveTimer > 0 {
			c.say("    Live timer interval: %d µs", s.LiveTimer.Microseconds())
		}
	}
	c.say("")
	c.say("Use weir list <session_name> for more details")
	return nil
}

// newStatusCommand returns "weir status".
func newStatusCommand() *cobra.Command {
	c := &cobra.Command{
		Use:     "status",
		Short:   "Show the current session",
		Long:    "Show the current tracing session, or that of -s: what it records, has recorded and lost, and how its consumer is.",
		Example: "  weir status\n  weir status --json",
		Args:    noArguments,
	}
	return agentCommand(c, true, func(c *agentCall) error {
		name, err := c.current()
		if err != nil {
			return err
		}
		s, err := c.api.Session(c.ctx, name)
		if err != nil {
			return err
		}
		c.set("sessions", []agent.Session{s})
		sayTracingSession(c, s, false)
		return nil
	})
}
