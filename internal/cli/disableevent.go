// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"slices"

	"github.com/spf13/cobra"

	"github.com/weir-io/weir/client/agent"
)

// newDisableEventCommand returns "weir disable-event".
func newDisableEventCommand() *cobra.Command {
	var domain domainFlags
	var types eventTypeFlags
	var all bool
	var channel string
	c := &cobra.Command{
		Use:   "disable-event [NAME[,NAME]...]...",
		Short: "Disable event rules of a session",
		Long: `Disable event rules of a channel: those of the names given, or all of a kind
(-a). What they have recorded stays; "weir enable-event" enables them again.`,
		Example:           "  weir disable-event -k sched_switch\n  weir disable-event -k -a --syscall",
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: completeEvents,
	}
	fl := c.Flags()
	domain.add(fl)
	domain.addLoggers(fl)
	types.add(fl)
	fl.BoolVarP(&all, "all", "a", false, "all rules, or all of the kind chosen")
	fl.BoolVar(&all, "all-events", false, "the same as --all")
	fl.StringVarP(&channel, "channel", "c", "", "of this `CHANNEL`; default: the only one")
	c = agentCommand(c, true, func(c *agentCall) error {
		r := agent.DisableEvents{Channel: channel, All: all}
		var err error
		if r.Type, _, err = types.one(); err != nil {
			return err
		}
		if all == (len(c.args) > 0) {
			return usageErrorf("want names of events or -a")
		}
		if !all {
			if r.Patterns, err = allNames(c.args); err != nil {
				return err
			}
		}
		if r.Domain, err = domain.one(); err != nil {
			return err
		}
		if domain.loggers() && (r.Type != "" || channel != "") {
			return usageErrorf("--python, --jul and --log4j have no kinds of events and channels")
		}
		return disableEvents(c, r)
	})
	mustComplete(c, "channel", completeChannels)
	return c
}

func disableEvents(c *agentCall, r agent.DisableEvents) error {
	name, err := c.current()
	if err != nil {
		return err
	}
	done, err := c.api.DisableEvents(c.ctx, name, r)
	if err != nil {
		return err
	}
	c.did(name, done)
	channel := r.Channel
	if channel == "" {
		channel = "channel0"
	}
	if slices.Contains([]string{domainPython, domainJUL, domainLog4j}, r.Domain) {
		channel = "lttng_" + r.Domain + "_channel"
	}
	if r.All {
		kind := "any"
		if r.Type != "" {
			kind = string(r.Type)
		}
		c.say("All %s events of type %s are disabled in channel %s", r.Domain, kind, channel)
	}
	for _, p := range r.Patterns {
		c.say("%s event %s disabled in channel %s for session %s", domainTitle(r.Domain), p, channel, name)
	}
	return nil
}
