// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

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
		Long:    `Print the client id that 20 bytes in hexadecimal stand for, or a number of 64 bits, its old form.`,
		Example: `  weir feed nid decode 00020000c0000207000000000000000000000000`,
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			n, err := parseHexNID(args[0])
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(c.OutOrStdout(), n)
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
				return usageErrorf("%w", err)
			}
			_, err = fmt.Fprintf(c.OutOrStdout(), "%x\n", n[:])
			return err
		},
	})
	return c
}

// parseHexNID reads the bytes of a client id, or the number that it was in old records.
func parseHexNID(text string) (n changelog.NID, err error) {
	digits := strings.TrimPrefix(text, "0x")
	if len(digits) == 2*len(n) {
		if _, err := hex.Decode(n[:], []byte(digits)); err == nil {
			return n, nil
		}
	}
	if v, err := strconv.ParseUint(digits, 16, 64); err == nil && (len(digits) == 16 || digits != text) {
		if n, ok := changelog.NIDOfUint64(v); ok {
			return n, nil
		}
		return n, usageErrorf("client id %q: the type of its network is unknown", text)
	}
	return n, usageErrorf("client id %q: want %d bytes in hexadecimal, or a number of 8", text, len(n))
}
