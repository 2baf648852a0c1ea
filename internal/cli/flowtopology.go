// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/weir-io/weir/client/flow"
)

// newFlowTopologyCommand returns "weir flow topology".
func newFlowTopologyCommand() *cobra.Command {
	c := newGroup("topology", "Bring a whole topology into a hub, or out of it", `A topology is a JSON document; see docs/format/topology-json.md. These commands are for
administrators: a document has the networks of all tenants.`,
		`  weir flow topology import net.json
  weir flow topology export > net.json`)
	n := addNetworks(c)
	c.AddCommand(newFlowImportCommand(n), newFlowExportCommand(n))
	return c
}

func newFlowImportCommand(n *networksFlag) *cobra.Command {
	c := &cobra.Command{
		Use:   "import FILE",
		Short: "Make the objects of a document",
		Long: `Make the objects of a document in the networks of a hub, and replace those that are
there; others stay. Objects without an id get one that follows from their names, so that
the same document can be brought in again. - is standard input.`,
		Example: `  weir flow topology import net.json`,
		Args:    cobra.ExactArgs(1),
	}
	c.RunE = func(c *cobra.Command, args []string) error {
		d, err := readTopology(c, args[0])
		if err != nil {
			return err
		}
		if _, err := d.Snapshot(); err != nil {
			return fmt.Errorf("%s: %w", args[0], err)
		}
		var b bytes.Buffer
		if err := d.Write(&b); err != nil {
			return err
		}
		return n.with(c, func(ctx context.Context, api *flow.Client) error {
			if err := api.ImportTopology(ctx, &b); err != nil {
				return err
			}
			_, err := fmt.Fprintf(c.OutOrStdout(), "%d bridges, %d routers, %d ports, %d chains are there.\n",
				len(d.Bridges), len(d.Routers), len(d.Ports), len(d.Chains))
			return err
		})
	}
	return c
}

func newFlowExportCommand(n *networksFlag) *cobra.Command {
	var output string
	c := &cobra.Command{
		Use:     "export",
		Short:   "Print the networks of a hub as a document",
		Long:    "Print the networks of a hub as a document, which can be brought in again.",
		Example: `  weir flow topology export --output net.json`,
		Args:    noArguments,
	}
	c.Flags().StringVar(&output, "output", "", "write to `FILE`")
	c.RunE = func(c *cobra.Command, _ []string) error {
		return n.with(c, func(ctx context.Context, api *flow.Client) error {
			document, err := api.ExportTopology(ctx)
			if err != nil {
				return err
			}
			var b bytes.Buffer
			if err := json.Indent(&b, document, "", "  "); err != nil {
				return err
			}
			b.WriteByte('\n')
			if output != "" {
				return os.WriteFile(output, b.Bytes(), 0o644)
			}
			_, err = io.Copy(c.OutOrStdout(), &b)
			return err
		})
	}
	return c
}
