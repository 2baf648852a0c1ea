// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/weir-io/weir/client/agent"
)

// triggerConditions are the types of conditions, with what they are about.
var triggerConditions = map[string]string{
	"event-rule-matches":        "event rule matches",
	"channel-buffer-usage-ge":   "rings of a channel fuller than",
	"channel-buffer-usage-le":   "rings of a channel emptier than",
	"session-consumed-size-ge":  "session has recorded at least",
	"session-rotation-starts":   "session rotation starts",
	"session-rotation-finishes": "session rotation finishes",
}

// triggerActions are the types of actions; true for those on a session.
var triggerActions = map[string]bool{
	"notify": false, "start-session": true, "stop-session": true, "rotate-session": true, "snapshot-session": true,
}

// triggerFlags are the flags of "weir add-trigger". As LTTng has it, --name
// before --condition names the trigger, and after it the event.
type triggerFlags struct {
	condition, name, event string
	kind, filter, location string
	exclude                []string
	session, channel       string
	ratio                  float64
	threshold              sizeFlag
	actions                []string
}

// newAddTriggerCommand returns "weir add-trigger".
func newAddTriggerCommand() *cobra.Command {
	var f triggerFlags
	c := &cobra.Command{
		Use:   "add-trigger",
		Short: "Do something when something happens",
		Long: `Add a trigger: a condition, and what is done each time it becomes true.

Conditions:
  event-rule-matches         an event: --type kernel:tracepoint, kernel:syscall, ...,
                             --name PATTERN, --filter EXPR, --exclude-name NAME
  channel-buffer-usage-ge    rings filled: --session-name, --channel, --threshold-ratio
  channel-buffer-usage-le    rings emptied: the same
  session-consumed-size-ge   recorded: --session-name, --threshold-size
  session-rotation-starts    --session-name
  session-rotation-finishes  --session-name

Actions: notify, and start-session, stop-session, rotate-session and
snapshot-session, each with the name of a session behind it.

--name before --condition names the trigger.`,
		Example: `  weir add-trigger --name oops --condition event-rule-matches --type kernel:tracepoint --name mark_victim --action snapshot-session flight
  weir add-trigger --condition session-consumed-size-ge --session-name demo --threshold-size 1G --action rotate-session demo`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: completeSessions,
	}
	f.add(c.Flags())
	c = agentCommand(c, false, func(c *agentCall) error {
		t, err := f.trigger(c.args)
		if err != nil {
			return err
		}
		if t, err = c.api.AddTrigger(c.ctx, t); err != nil {
			return err
		}
		c.set("triggers", []agent.Trigger{t})
		c.say("Added trigger `%s`.", t.Name)
		return nil
	})
	mustComplete(c, "session-name", completeSessions)
	return c
}

func (f *triggerFlags) add(fl *pflag.FlagSet) {
	fl.StringVar(&f.condition, "condition", "", "when: `TYPE` of condition")
	fl.Var(nameOrder{f}, "name", "`NAME` of the trigger, or after --condition of the event")
	fl.StringVarP(&f.kind, "type", "t", "kernel:tracepoint", "`KIND` of event: kernel:tracepoint, kernel:syscall[:entry|:exit], kernel:kprobe, kernel:uprobe")
	fl.StringVarP(&f.filter, "filter", "f", "", "only events for which `EXPR` is true")
	fl.StringSliceVarP(&f.exclude, "exclude-name", "x", nil, "but not events of these `NAME,...`")
	fl.StringVarP(&f.location, "location", "L", "", "`LOCATION` of a probe")
	fl.StringVar(&f.session, "session-name", "", "the `SESSION` of the condition")
	fl.StringVar(&f.channel, "channel", "", "the `CHANNEL` of the condition")
	fl.Float64Var(&f.ratio, "threshold-ratio", 0, "`PART` of the rings, 0 to 1")
	fl.Var(&f.threshold, "threshold-size", "bytes recorded")
	fl.StringArrayVar(&f.actions, "action", nil, "what: `TYPE` of action; may be repeated")
}

// nameOrder is the flag whose meaning depends on what came before it.
type nameOrder struct{ f *triggerFlags }

// String returns the trigger's name.
func (n nameOrder) String() string {
	if n.f == nil {
		return ""
	}
	return n.f.name
}

// Set sets the trigger's name, or the event's once there is a condition.
func (n nameOrder) Set(text string) error {
	if n.f.condition == "" {
		n.f.name = text
		return nil
	}
	n.f.event = text
	return nil
}

// Type names the kind of value in help texts.
func (n nameOrder) Type() string { return "NAME" }

// trigger makes the document; sessions are the names behind the actions.
func (f *triggerFlags) trigger(sessions []string) (agent.Trigger, error) {
	t := agent.Trigger{Name: f.name}
	if len(f.actions) == 0 {
		return t, usageErrorf("want an --action")
	}
	for _, kind := range f.actions {
		kind, session, named := strings.Cut(kind, ":")
		onSession, known := triggerActions[kind]
		switch {
		case !known:
			return t, usageErrorf("--action: unknown type %q", kind)
		case onSession && !named:
			if len(sessions) == 0 {
				return t, usageErrorf("--action %s: want a session behind it", kind)
			}
			session, sessions = sessions[0], sessions[1:]
		}
		t.Actions = append(t.Actions, agent.TriggerAction{Type: kind, Session: session})
	}
	if len(sessions) > 0 {
		return t, usageErrorf("unexpected argument %q", sessions[0])
	}
	var err error
	t.Condition, err = f.conditionOf()
	return t, err
}

func (f *triggerFlags) conditionOf() (agent.TriggerCondition, error) {
	cond := agent.TriggerCondition{Type: f.condition, Session: f.session, Channel: f.channel}
	if _, known := triggerConditions[f.condition]; !known {
		return cond, usageErrorf("--condition: unknown type %q", f.condition)
	}
	switch f.condition {
	case "event-rule-matches":
		rule, err := f.rule()
		cond.Rule = rule
		return cond, err
	case "channel-buffer-usage-ge", "channel-buffer-usage-le":
		if f.channel == "" || f.ratio < 0 || f.ratio > 1 {
			return cond, usageErrorf("--condition %s: want --channel and --threshold-ratio from 0 to 1", f.condition)
		}
		cond.Ratio = f.ratio
	case "session-consumed-size-ge":
		if cond.Bytes = uint64(f.threshold); cond.Bytes == 0 {
			return cond, usageErrorf("--condition %s: want --threshold-size", f.condition)
		}
	}
	if f.session == "" {
		return cond, usageErrorf("--condition %s: want --session-name", f.condition)
	}
	return cond, nil
}

func (f *triggerFlags) rule() (*agent.EventRule, error) {
	kinds := map[string]agent.EventType{
		"kernel:tracepoint": agent.Tracepoint, "kernel": agent.Tracepoint,
		"kernel:syscall": agent.Syscall, "syscall": agent.Syscall,
		"kernel:syscall:entry": agent.Syscall, "kernel:syscall:exit": agent.Syscall, "kernel:syscall:entry+exit": agent.Syscall,
		"kernel:kprobe": agent.Probe, "kernel:uprobe": agent.UserspaceProbe,
	}
	kind, known := kinds[f.kind]
	if !known {
		return nil, usageErrorf("--type: unknown kind of event %q", f.kind)
	}
	if (kind == agent.Probe || kind == agent.UserspaceProbe) != (f.location != "") {
		return nil, usageErrorf("--location goes with probes, and probes with it")
	}
	pattern := f.event
	if pattern == "" {
		pattern = "*"
	}
	// Of a system call by its name both are meant.
	switch f.kind {
	case "kernel:syscall:entry":
		pattern = "syscall_entry_" + pattern
	case "kernel:syscall:exit":
		pattern = "syscall_exit_" + pattern
	}
	return &agent.EventRule{Type: kind, Pattern: pattern, Filter: f.filter, Exclusions: f.exclude, Location: f.location, Enabled: true}, nil
}

// newListTriggersCommand returns "weir list-triggers".
func newListTriggersCommand() *cobra.Command {
	c := &cobra.Command{
		Use:     "list-triggers",
		Short:   "List triggers",
		Long:    "List the triggers with their conditions, actions and how often they have fired.",
		Example: "  weir list-triggers",
		Args:    noArguments,
	}
	return agentCommand(c, false, func(c *agentCall) error {
		all, err := c.api.Triggers(c.ctx)
		if err != nil {
			return err
		}
		c.set("triggers", all)
		for _, t := range all {
			c.say("- name: %s", t.Name)
			c.say("  condition: %s", conditionText(t.Condition))
			for _, a := range t.Actions {
				c.say("  action: %s", strings.TrimSpace(a.Type+" "+a.Session))
			}
			c.say("  fired: %d times", t.Fired)
		}
		return nil
	})
}

func conditionText(c agent.TriggerCondition) string {
	text := triggerConditions[c.Type]
	if text == "" {
		text = c.Type
	}
	switch {
	case c.Rule != nil:
		text += fmt.Sprintf(": %s", ruleText(*c.Rule))
	case c.Bytes > 0:
		text += fmt.Sprintf(" %d bytes", c.Bytes)
	case c.Channel != "":
		text += fmt.Sprintf(" %g", c.Ratio)
	}
	if c.Session != "" {
		text += ", session " + c.Session
	}
	if c.Channel != "" {
		text += ", channel " + c.Channel
	}
	return text
}

// newRemoveTriggerCommand returns "weir remove-trigger".
func newRemoveTriggerCommand() *cobra.Command {
	c := &cobra.Command{
		Use:               "remove-trigger NAME",
		Short:             "Remove a trigger",
		Long:              "Remove a trigger by its name.",
		Example:           "  weir remove-trigger oops",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: firstOnly(completeTriggers),
	}
	return agentCommand(c, false, func(c *agentCall) error {
		if err := c.api.RemoveTrigger(c.ctx, c.args[0]); err != nil {
			return err
		}
		c.set("name", c.args[0])
		c.say("Removed trigger `%s`.", c.args[0])
		return nil
	})
}
