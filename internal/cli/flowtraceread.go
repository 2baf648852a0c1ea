// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/weir-io/weir/client/flow"
)

func newFlowTraceFlowsCommand(n *networksFlag) *cobra.Command {
	var form flowForm
	var q flow.Query
	c := &cobra.Command{
		Use:     "flows ID",
		Short:   "List the flows that a request has traced",
		Long:    "List the flows that a request has traced: one line for each packet that was simulated, in\na tree with its steps below it. The newest come first.",
		Example: "  weir flow trace flows 0c55… --verdict Drop --since 10m",
		Args:    cobra.ExactArgs(1),
	}
	parse := addFlowQuery(c, &q, "oldest", flow.Ascending)
	c.Flags().StringVar(&q.Verdict, "verdict", "", "only those that ended with `RESULT`, as Drop")
	c.Flags().StringVar(&q.Host, "host", "", "only those that were traced on the host `ID`")
	form.add(c, "text", "tree", "json")
	c.RunE = func(c *cobra.Command, args []string) error {
		if err := form.check("text", "tree", "json"); err != nil {
			return err
		}
		if err := parse(); err != nil {
			return err
		}
		return n.with(c, func(ctx context.Context, api *flow.Client) error {
			list, err := api.Flows(ctx, args[0], q)
			if err != nil {
				return err
			}
			if form == "json" {
				return writeJSON(c.OutOrStdout(), list)
			}
			for i := range list {
				if err := writeTraced(ctx, c.OutOrStdout(), api, args[0], &list[i], form); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return c
}

// writeFlow writes a flow on a line.
func writeFlow(w io.Writer, f *flow.Flow) error {
	packet := "another tenant's device"
	if !f.Redacted {
		packet = flowPacket(f)
	}
	lost := ""
	switch {
	case f.EventsDropped > 0:
		lost = fmt.Sprintf("  (%d events are not kept)", f.EventsDropped)
	case f.Incomplete:
		lost = "  (not all events are kept)"
	}
	_, err := fmt.Fprintf(w, "%s  %s  %s  %s%s\n", f.Time.Local().Format("2006-01-02 15:04:05.000"), f.ID, f.Verdict, packet, lost)
	return err
}

func flowPacket(f *flow.Flow) string {
	if f.NetworkSrc == "" {
		return fmt.Sprintf("%s > %s ethertype 0x%04x", f.EthSrc, f.EthDst, f.EtherType)
	}
	protocol := map[int]string{1: "icmp", 6: "tcp", 17: "udp"}[f.NetworkProto]
	if protocol == "" {
		protocol = "proto " + strconv.Itoa(f.NetworkProto)
	}
	return fmt.Sprintf("%s:%d > %s:%d %s", f.NetworkSrc, f.SrcPort, f.NetworkDst, f.DstPort, protocol)
}

func newFlowTraceEventsCommand(n *networksFlag) *cobra.Command {
	var form flowForm
	var q flow.Query
	c := &cobra.Command{
		Use:     "events ID FLOW",
		Short:   "Tell what happened to a traced flow",
		Long:    "Tell what happened to a flow that a request has traced, step by step: a line for each,\nor a tree of devices and chains.",
		Example: "  weir flow trace events 0c55… 01890a5d… -o tree",
		Args:    cobra.ExactArgs(2),
	}
	parse := addFlowQuery(c, &q, "newest", flow.Descending)
	form.add(c, "text", "tree", "json")
	c.RunE = func(c *cobra.Command, args []string) error {
		if err := form.check("text", "tree", "json"); err != nil {
			return err
		}
		if err := parse(); err != nil {
			return err
		}
		return n.with(c, func(ctx context.Context, api *flow.Client) error {
			list, err := api.Events(ctx, args[0], args[1], q)
			if err != nil {
				return err
			}
			if form == "json" {
				return writeJSON(c.OutOrStdout(), list)
			}
			if form == "tree" {
				return writeTree(ctx, c.OutOrStdout(), api, list)
			}
			return writeEvents(c.OutOrStdout(), list)
		})
	}
	return c
}

func newFlowTraceFollowCommand(n *networksFlag) *cobra.Command {
	var form flowForm
	c := &cobra.Command{
		Use:   "follow ID",
		Short: "Print flows as a request traces them",
		Long: `Print flows as a request traces them, until SIGINT: a line for each, with its steps below
it (tree), or an object a line (json).`,
		Example: "  weir flow trace follow 0c55… -o tree",
		Args:    cobra.ExactArgs(1),
	}
	form.add(c, "text", "tree", "json")
	c.RunE = func(c *cobra.Command, args []string) error {
		if err := form.check("text", "tree", "json"); err != nil {
			return err
		}
		return n.with(c, func(ctx context.Context, api *flow.Client) error {
			for f, err := range api.FollowFlows(ctx, args[0], flow.Query{}) {
				if err == nil {
					err = writeTraced(ctx, c.OutOrStdout(), api, args[0], &f, form)
				}
				if err != nil {
					if ctx.Err() != nil {
						return nil // SIGINT
					}
					return err
				}
			}
			return nil
		})
	}
	return c
}

// maxEvents is the most events that a hub lists: all of nearly every flow.
const maxEvents = 10000

// writeTraced writes a flow, in a tree with its steps below it.
func writeTraced(ctx context.Context, w io.Writer, api *flow.Client, request string, f *flow.Flow, form flowForm) error {
	if form == "json" {
		return json.NewEncoder(w).Encode(f)
	}
	if err := writeFlow(w, f); err != nil || form == "text" {
		return err
	}
	events, err := api.Events(ctx, request, f.ID, flow.Query{Limit: maxEvents})
	if err != nil {
		return err
	}
	return writeTree(ctx, w, api, events)
}
