// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/weir-io/weir/internal/version"
)

// newVersionCommand returns "weir version".
func newVersionCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Long: `Print weir's version, the commit it was built from and the Go release that
built it. With --json: version, revision, modified, go, platform.`,
		Example: "  weir version --json",
		RunE: func(c *cobra.Command, _ []string) error {
			info := version.Get()
			if asJSON {
				return writeJSON(c.OutOrStdout(), info)
			}
			line := "weir " + info.Version
			if info.Revision != "" {
				line += " (" + info.Revision
				if info.Modified {
					line += ", modified"
				}
				line += ")"
			}
			_, err := fmt.Fprintf(c.OutOrStdout(), "%s %s %s\n", line, info.Go, info.Platform)
			return err
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print as JSON")
	return c
}

// writeJSON writes a value as indented JSON.
func writeJSON(w io.Writer, value any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(value)
}
