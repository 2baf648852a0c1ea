// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/weir-io/weir/client"
)

// newHostsCommand returns "weir hosts" with its commands.
func newHostsCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "hosts",
		Short: "List the hosts that a hub knows, show, invite and remove them",
		Long: `List the hosts that a hub knows: those that agents have registered ("weir agent
--hub", "weir xmlsysd --hub") and those of its configuration, with what the hub
finds when it asks them. "weir top --hub" watches them.
With --json: an array of the hosts as /api/v1/hosts has them.`,
		Example: `  weir hosts
  weir hosts show node01
  weir hosts alarms
  weir hosts invite`,
		Args: unknownCommand,
	}
	hub := addHub(c)
	c.Flags().BoolVar(&asJSON, "json", false, "print as JSON")
	c.RunE = func(c *cobra.Command, _ []string) error {
		return hub.with(c, func(ctx context.Context, api *client.Client) error {
			return listAll(c.OutOrStdout(), api.Hosts(ctx), asJSON, writeHosts)
		})
	}
	c.AddCommand(newHostsShowCommand(hub), newHostsRemoveCommand(hub), newHostsAlarmsCommand(hub),
		newHostsInviteCommand(), newHostsEnrolledCommand(), newHostsExpelCommand())
	return c
}

// listAll prints what is walked, as JSON or by write.
func listAll[T any](w io.Writer, items func(func(T, error) bool), asJSON bool, write func(io.Writer, []T, time.Time) error) error {
	all := []T{}
	for item, err := range items {
		if err != nil {
			return err
		}
		all = append(all, item)
	}
	if asJSON {
		return writeJSON(w, all)
	}
	return write(w, all, time.Now())
}

func newHostsShowCommand(hub *hubFlag) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "show NAME",
		Short: "Show a host with the numbers that the hub was told",
		Long: `Show one host: how the hub knows it, whether it answers, and its numbers by the
names that alarms use; rates are by second, shares in percent.
With --json: the host as /api/v1/hosts/NAME has it.`,
		Example: "  weir hosts show node01",
		Args:    cobra.ExactArgs(1),
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print as JSON")
	c.RunE = func(c *cobra.Command, args []string) error {
		return hub.with(c, func(ctx context.Context, api *client.Client) error {
			h, err := api.Host(ctx, args[0])
			if err != nil {
				return err
			}
			if asJSON {
				return writeJSON(c.OutOrStdout(), h)
			}
			return writeHost(c.OutOrStdout(), &h, time.Now())
		})
	}
	return c
}

func newHostsRemoveCommand(hub *hubFlag) *cobra.Command {
	c := &cobra.Command{
		Use:   "remove NAME",
		Short: "Make the hub forget a host",
		Long: `Make the hub forget a host that has registered. An agent that lives registers it
again soon; hosts of the hub's configuration stay.`,
		Example: "  weir hosts remove node17",
		Args:    cobra.ExactArgs(1),
	}
	c.RunE = func(c *cobra.Command, args []string) error {
		return hub.with(c, func(ctx context.Context, api *client.Client) error { return api.RemoveHost(ctx, args[0]) })
	}
	return c
}

func newHostsAlarmsCommand(hub *hubFlag) *cobra.Command {
	var asJSON, follow bool
	c := &cobra.Command{
		Use:   "alarms",
		Short: "List the last alarms of hosts that have begun or ended",
		Long: `List the alarms that the hub has seen begin and end, the newest first: those of
the hosts file that hosts.file of its configuration names. With --follow it prints
them as they come, the oldest first, until it is interrupted.
With --json: an array of the alarms as /api/v1/alarms has them; with --follow, too,
one a line.`,
		Example: `  weir hosts alarms
  weir hosts alarms --follow`,
		Args: noArguments,
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print as JSON")
	c.Flags().BoolVar(&follow, "follow", false, "go on with alarms as they come")
	c.RunE = func(c *cobra.Command, _ []string) error {
		return hub.with(c, func(ctx context.Context, api *client.Client) error {
			if follow {
				return followAlarms(ctx, c.OutOrStdout(), api, asJSON)
			}
			return listAll(c.OutOrStdout(), api.HostAlarms(ctx), asJSON, writeHostAlarms)
		})
	}
	return c
}

// followAlarms prints alarms as they come, until ctx ends.
func followAlarms(ctx context.Context, w io.Writer, api *client.Client, asJSON bool) error {
	for a, err := range api.TailHostAlarms(ctx, true) {
		switch {
		case err != nil && ctx.Err() != nil:
			return nil
		case err != nil:
			return err
		case asJSON:
			err = json.NewEncoder(w).Encode(&a)
		default:
			_, err = fmt.Fprintf(w, "%s  %-16s  %-12s  %-6s  %-4s  %8s  %s\n", a.Time.Format(time.RFC3339),
				printable(a.Host), printable(a.Alarm), printable(a.State), printable(a.Level), alarmValue(&a), printable(orNone(a.Note)))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// alarmValue is what an alarm is about, as people read it.
func alarmValue(a *client.HostAlarm) string {
	if a.Value == nil {
		return none
	}
	return strconv.FormatFloat(*a.Value, 'g', 6, 64)
}

// writeHosts prints the table of "weir hosts".
func writeHosts(w io.Writer, hosts []client.Host, now time.Time) error {
	t := newTable(w, "HOST", "GROUP", "KNOWN", "ADDRESS", "ANSWERS", "ALARMS", "VERSION", "SEEN")
	for i := range hosts {
		h := &hosts[i]
		answers, alarms := h.Problem, none
		if s := h.Statistics; s != nil {
			answers = s.State
			if s.Reason != "" {
				answers += ": " + s.Reason
			}
			if len(s.Alarms) > 0 {
				alarms = strings.Join(s.Alarms, ",")
			}
		}
		seen := none
		if !h.Seen.IsZero() {
			seen = ageText(now.Sub(h.Seen))
		}
		t.row(h.ID, orNone(h.Group), string(h.State), orNone(h.Address), orNone(answers), alarms, orNone(h.Version), seen)
	}
	return t.end()
}

func orNone(s string) string {
	if s == "" {
		return none
	}
	return s
}

// writeHost prints "weir hosts show".
func writeHost(w io.Writer, h *client.Host, now time.Time) error {
	if err := writeHosts(w, []client.Host{*h}, now); err != nil || h.Statistics == nil {
		return err
	}
	if _, err := fmt.Fprintln(w); err != nil {
		return err
	}
	t := newTable(w, "VALUE", "IS")
	for _, name := range slices.Sorted(maps.Keys(h.Statistics.Values)) {
		t.row(name, strconv.FormatFloat(h.Statistics.Values[name], 'f', -1, 64))
	}
	return t.end()
}

// writeHostAlarms prints the table of "weir hosts alarms".
func writeHostAlarms(w io.Writer, alarms []client.HostAlarm, _ time.Time) error {
	t := newTable(w, "TIME", "HOST", "ALARM", "STATE", "LEVEL", "VALUE", "NOTE")
	for i := range alarms {
		a := &alarms[i]
		t.row(a.Time.Format(time.RFC3339), a.Host, a.Alarm, a.State, a.Level, alarmValue(a), orNone(a.Note))
	}
	return t.end()
}
