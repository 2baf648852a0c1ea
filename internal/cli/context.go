// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"slices"

	"github.com/spf13/cobra"

	"github.com/weir-io/weir/client/agent"
)

// newAddContextCommand returns "weir add-context".
func newAddContextCommand() *cobra.Command {
	var domain domainFlags
	var channel string
	var types []string
	var list bool
	c := &cobra.Command{
		Use:   "add-context",
		Short: "Record more with each event",
		Long: `Add fields of the context, such as the process, to all events of a channel, or
of all channels of a domain. --list shows what there is, in both domains, or in that of -k or -u.

Applications (-u) can have contexts of their own, which their code tells:
'$app.PROVIDER:NAME'. Java programs tell such with the messages of their loggers; --jul
and --log4j add to the channels of these.

Applications read counters of perf for each of their threads, where the machine and the
kernel let them: perf:thread:COUNTER, or by number perf:thread:raw:rHEX:NAME. Where one
cannot, that context is left out, and "weir status" says so.`,
		Example: "  weir add-context -k -t pid -t procname\n  weir add-context --jul -t '$app.web:user'\n  weir add-context -u -t perf:thread:cycles\n  weir add-context -u --list",
		Args:    noArguments,
	}
	fl := c.Flags()
	domain.add(fl)
	fl.BoolVar(&domain.jul, "jul", false, "loggers of Java programs: java.util.logging")
	fl.BoolVar(&domain.log4j, "log4j", false, "loggers of Java programs: log4j 1.2")
	fl.StringVarP(&channel, "channel", "c", "", "to this `CHANNEL`; default: to all of the domain")
	fl.StringSliceVarP(&types, "type", "t", nil, "the `TYPE` of context; may be repeated")
	fl.BoolVarP(&list, "list", "l", false, "list the types")
	c = agentCommand(c, true, func(c *agentCall) error {
		if list {
			return listContexts(c, &domain)
		}
		if len(types) == 0 {
			return usageErrorf("want a context: -t TYPE, or --list")
		}
		of, err := domain.one()
		if err != nil {
			return err
		}
		if domain.loggers() && channel != "" {
			return usageErrorf("--jul and --log4j have a channel of their own")
		}
		return addContext(c, agent.AddContext{Domain: of, Channel: channel, Types: types})
	})
	mustComplete(c, "channel", completeChannels)
	mustComplete(c, "type", completeContexts)
	return c
}

// listContexts lists those of the kernel, of applications, or of both.
func listContexts(c *agentCall, f *domainFlags) error {
	kernel, user := *f == domainFlags{kernel: true}, *f == domainFlags{user: true} || f.loggers()
	if !kernel && !user && *f != (domainFlags{}) {
		return usageErrorf("add-context --list: contexts are of -k or -u")
	}
	var all []string
	for _, of := range []struct {
		no   bool
		list func(context.Context) ([]string, error)
	}{{user, c.api.KernelContexts}, {kernel, c.api.UserContexts}} {
		if of.no {
			continue
		}
		names, err := of.list(c.ctx)
		if err != nil {
			return err
		}
		for _, name := range names {
			if !slices.Contains(all, name) {
				all = append(all, name)
			}
		}
	}
	c.set("contexts", all)
	for _, name := range all {
		c.say("%s", name)
	}
	return nil
}

func addContext(c *agentCall, r agent.AddContext) error {
	name, err := c.current()
	if err != nil {
		return err
	}
	done, err := c.api.AddContext(c.ctx, name, r)
	if err != nil {
		return err
	}
	c.did(name, done)
	for _, t := range r.Types {
		if r.Channel == "" {
			c.say("%s context %s added to all channels", domainTitle(r.Domain), t)
			continue
		}
		c.say("%s context %s added to channel %s", domainTitle(r.Domain), t, r.Channel)
	}
	return nil
}
