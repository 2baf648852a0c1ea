// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"errors"
	"slices"

	"github.com/spf13/cobra"
)

// newFlowDataPathCommands returns the commands that look at the flows of a host, and trace
// them there. Hosts have none: they are refused with what to do instead, whatever their
// arguments, because whoever types them knows them from elsewhere.
func newFlowDataPathCommands() []*cobra.Command {
	refused := func(use, short, instead string) *cobra.Command {
		return &cobra.Command{
			Use: use, Short: short, Hidden: true, DisableFlagParsing: true,
			Long: short + ". Agents of this version forward no packets of virtual networks,\nso that no host has such flows: the command is refused.",
			RunE: func(c *cobra.Command, args []string) error {
				if slices.Contains(args, "--help") || slices.Contains(args, "-h") {
					return c.Help()
				}
				return errors.New("agents of this version forward no packets of virtual networks, so that no host has installed flows: " + instead)
			},
		}
	}
	return []*cobra.Command{
		refused("dump", "Show the flows that hosts have installed", `"weir flow simulate" tells what would become of a packet`),
		refused("local", "Trace on this host, without the hub",
			`"weir flow trace create" asks for traces of all hosts, "weir flow simulate --topology FILE" takes a packet through networks without a hub`),
	}
}
