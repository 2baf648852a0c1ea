// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"encoding/hex"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/weir-io/weir/changelog"
)

// newFeedNIDCommand returns "weir feed nid".
func newFeedNIDCommand() *cobra.Command {
	c := newGroup("nid", "Translate client ids", `Client ids are 20 bytes in records, written in hexadecimal, or texts such as
192.0.2.7@tcp.`, `  weir feed nid decode 00020000c0000207000000000000000000000000
  weir feed nid encode 192.0.2.7@tcp`)
	c.AddCommand(&cobra.Command{
		Use:     "decode HEX",
		Short:   "Print a client id as text",
		Long:    `Print the client id that 20 bytes in hexadecimal stand for.`,
		Example: `  weir feed nid decode 00020000c0000207000000000000000000000000`,
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			b, err := hex.DecodeString(args[0])
			if err != nil || len(b) != len(changelog.NID{}) {
				return usageErrorf("client id %q: want %d bytes in hexadecimal", args[0], len(changelog.NID{}))
			}
			_, err = fmt.Fprintln(c.OutOrStdout(), changelog.NID(b))
			return err
		},
	}, &cobra.Command{
		Use:     "encode TEXT",
		Short:   "Print the bytes of a client id",
		Long:    `Print the 20 bytes of a client id in hexadecimal.`,
		Example: `  weir feed nid encode 192.0.2.7@tcp`,
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			n, err := changelog.ParseNID(args[0])
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(c.OutOrStdout(), "%x\n", n[:])
			return err
		},
	})
	return c
}
