// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/weir-io/weir/internal/flow/topology"
)

// newFlowCommand returns "weir flow".
func newFlowCommand() *cobra.Command {
	c := newGroup("flow", "Ask why packets of virtual networks go where they go", `Virtual networks are made of bridges, routers, ports and chains of rules. These
commands take a packet through them and tell what each device did with it, and which
rule decided.

A topology is a JSON document; see docs/format/topology-json.md.`,
		`  weir flow simulate --topology net.json --src web1 --dst db1 --proto tcp --dport 5432
  weir flow reach --topology net.json
  weir flow diff net.json new.json`)
	c.AddCommand(newFlowSimulateCommand(), newFlowReachCommand(), newFlowDiffCommand(), newFlowTopologyCommand(), newFlowTraceCommand(), newFlowAccountCommand())
	c.AddCommand(newFlowDataPathCommands()...)
	return c
}

// readTopology reads a document from a file, or from standard input if it is "-".
func readTopology(c *cobra.Command, name string) (*topology.Document, error) {
	in := c.InOrStdin()
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer f.Close() //nolint:errcheck // it is only read
		in = f
	}
	d, err := topology.ReadDocument(in)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	warnUnknown(c.ErrOrStderr(), name, d.Unknown)
	return d, nil
}

// warnUnknown tells of members that nothing is done with: they may be misspelt.
func warnUnknown(w io.Writer, name string, paths []string) {
	for _, p := range paths {
		fmt.Fprintf(w, "%s: %s: no such member; it is let be\n", name, p)
	}
}
