// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/weir-io/weir/client/flow"
)

// newFlowTraceCommand returns "weir flow trace".
func newFlowTraceCommand() *cobra.Command {
	c := newGroup("trace", "Trace what becomes of packets at a bridge, router or port", `A trace request names a device and a condition. While it is enabled, packets that meet
the condition at the device are traced: every step that was taken with them, on the host
where they came in and on those where they went out.

A condition is words, as src 10.0.0.0/8 proto tcp dst-port 80-90; ! before a value
inverts it. See docs/protocol/flow-rest.md for all words.`,
		`  weir flow trace create --name web --router 7b1f… proto tcp dst-port 80 --limit 10 --enable
  weir flow trace list
  weir flow trace follow 0c55…`)
	n := addNetworks(c)
	c.AddCommand(
		newFlowTraceCreateCommand(n), newFlowTraceListCommand(n), newFlowTraceShowCommand(n),
		newFlowTraceVerbCommand(n, "enable", "Trace packets by a request", (*flow.Client).EnableTrace),
		newFlowTraceVerbCommand(n, "disable", "Trace no more packets by a request", (*flow.Client).DisableTrace),
		newFlowTraceVerbCommand(n, "delete", "Delete a request with what it has traced", (*flow.Client).DeleteTrace),
		newFlowTraceFlowsCommand(n), newFlowTraceEventsCommand(n), newFlowTraceFollowCommand(n),
	)
	return c
}

// flowTraceFlags are the flags of "weir flow trace create".
type flowTraceFlags struct {
	name                 string
	bridge, router, port string
	limit                int64
	enable               bool
}

func newFlowTraceCreateCommand(n *networksFlag) *cobra.Command {
	var f flowTraceFlags
	var form flowForm
	c := &cobra.Command{
		Use:   "create --name NAME (--bridge | --router | --port) ID [CONDITION…]",
		Short: "Make a trace request",
		Long: `Make a trace request for a device, and print its ID. Without a condition it is for all
packets. It traces nothing until it is enabled. With --json: an object with the ID.`,
		Example: `  weir flow trace create --name web --router 7b1f… proto tcp dst-port 80 --limit 10 --enable
  weir flow trace create --name arp --port 22c8… ethertype arp`,
		Args: cobra.ArbitraryArgs,
	}
	fl := c.Flags()
	fl.StringVar(&f.name, "name", "", "call it `NAME`")
	fl.StringVar(&f.bridge, "bridge", "", "trace at the bridge `ID`")
	fl.StringVar(&f.router, "router", "", "trace at the router `ID`")
	fl.StringVar(&f.port, "port", "", "trace at the port `ID`")
	fl.Int64Var(&f.limit, "limit", math.MaxInt64, "trace at most `N` flows on each host")
	fl.BoolVar(&f.enable, "enable", false, "begin at once")
	form.add(c, "text", "json")
	c.RunE = func(c *cobra.Command, condition []string) error {
		if err := form.check("text", "json"); err != nil {
			return err
		}
		t, err := f.request(condition)
		if err != nil {
			return err
		}
		return n.with(c, func(ctx context.Context, api *flow.Client) error {
			id, err := api.CreateTrace(ctx, t)
			if err != nil {
				return err
			}
			if form == "json" {
				return writeJSON(c.OutOrStdout(), struct {
					ID string `json:"id"`
				}{id})
			}
			_, err = fmt.Fprintln(c.OutOrStdout(), id)
			return err
		})
	}
	return c
}

func (f *flowTraceFlags) request(condition []string) (flow.TraceRequest, error) {
	t := flow.TraceRequest{Name: f.name, Limit: f.limit, Enabled: f.enable}
	devices := 0
	for kind, id := range map[string]string{flow.Bridge: f.bridge, flow.Router: f.router, flow.Port: f.port} {
		if id != "" {
			t.DeviceType, t.DeviceID = kind, id
			devices++
		}
	}
	switch {
	case f.name == "":
		return t, usageErrorf("--name is missing")
	case devices != 1:
		return t, usageErrorf("want one of --bridge, --router and --port")
	case f.limit < 1:
		return t, usageErrorf("--limit: want at least 1, got %d", f.limit)
	}
	if len(condition) > 0 {
		t.Condition = flow.Words(strings.Join(condition, " "))
	}
	return t, nil
}

func newFlowTraceListCommand(n *networksFlag) *cobra.Command {
	var tenant string
	var form flowForm
	c := &cobra.Command{
		Use:     "list",
		Short:   "List trace requests",
		Long:    "List the trace requests that the user may see.\nWith --json: an array of them as /midonet-api/traces has them.",
		Example: "  weir flow trace list --tenant red",
		Args:    noArguments,
	}
	c.Flags().StringVar(&tenant, "tenant", "", "only those of a `TENANT`")
	form.add(c, "text", "json")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if err := form.check("text", "json"); err != nil {
			return err
		}
		return n.with(c, func(ctx context.Context, api *flow.Client) error {
			list, err := api.Traces(ctx, tenant)
			if err != nil {
				return err
			}
			if form == "json" {
				return writeJSON(c.OutOrStdout(), list)
			}
			return writeTraces(c.OutOrStdout(), list)
		})
	}
	return c
}

// writeTraces writes a table of requests.
func writeTraces(w io.Writer, list []flow.TraceRequest) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "ID\tNAME\tTENANT\tDEVICE\tLIMIT\tSTATE\tCONDITION")
	for _, r := range list {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s %s\t%s\t%s\t%s\n", r.ID, printable(r.Name), printable(r.TenantID),
			strings.ToLower(r.DeviceType), r.DeviceID, limitText(r.Limit), stateText(r.Enabled), r.Condition)
	}
	return t.Flush()
}

func limitText(limit int64) string {
	if limit == math.MaxInt64 || limit == 0 {
		return "none"
	}
	return strconv.FormatInt(limit, 10)
}

func stateText(enabled bool) string {
	if enabled {
		return "enabled"
	}
	return "disabled"
}

func newFlowTraceShowCommand(n *networksFlag) *cobra.Command {
	var form flowForm
	c := &cobra.Command{
		Use:     "show ID",
		Short:   "Show a trace request, and how its hosts count",
		Long:    "Show a trace request, and how many flows each host has traced.\nWith --json: the request as /midonet-api/traces/ID has it.",
		Example: "  weir flow trace show 0c55…",
		Args:    cobra.ExactArgs(1),
	}
	form.add(c, "text", "json")
	c.RunE = func(c *cobra.Command, args []string) error {
		if err := form.check("text", "json"); err != nil {
			return err
		}
		return n.with(c, func(ctx context.Context, api *flow.Client) error {
			r, err := api.Trace(ctx, args[0])
			if err != nil {
				return err
			}
			if form == "json" {
				return writeJSON(c.OutOrStdout(), r)
			}
			return writeTrace(c.OutOrStdout(), &r)
		})
	}
	return c
}

// writeTrace writes what is known of a request.
func writeTrace(w io.Writer, r *flow.TraceRequest) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	state := stateText(r.Enabled)
	if r.Warning != "" {
		state += ", " + r.Warning
	}
	fmt.Fprintf(t, "id\t%s\nname\t%s\ntenant\t%s\ndevice\t%s %s\ncondition\t%s\nlimit\t%s\nstate\t%s\ncreated\t%s\n",
		r.ID, printable(r.Name), printable(r.TenantID), strings.ToLower(r.DeviceType), r.DeviceID, r.Condition, limitText(r.Limit),
		state, time.UnixMilli(r.CreatedMS).Format(time.RFC3339))
	for _, h := range r.Hosts {
		reached := ""
		if h.LimitReached {
			reached = ", the limit"
		}
		fmt.Fprintf(t, "host %s\t%d flows%s\n", h.Host, h.Hits, reached)
	}
	if r.FlowsDropped > 0 {
		fmt.Fprintf(t, "not kept\t%d flows\n", r.FlowsDropped)
	}
	return t.Flush()
}

// newFlowTraceVerbCommand returns a command that does something with requests.
func newFlowTraceVerbCommand(n *networksFlag, verb, short string, do func(*flow.Client, context.Context, string) error) *cobra.Command {
	c := &cobra.Command{
		Use: verb + " ID…", Short: short, Long: short + ". What is so already is no error.",
		Example: "  weir flow trace " + verb + " 0c55…", Args: cobra.MinimumNArgs(1),
	}
	c.RunE = func(c *cobra.Command, args []string) error {
		return n.with(c, func(ctx context.Context, api *flow.Client) error {
			for _, id := range args {
				if err := do(api, ctx, id); err != nil {
					return fmt.Errorf("%s: %w", id, err)
				}
			}
			return nil
		})
	}
	return c
}
