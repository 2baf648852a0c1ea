// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"github.com/spf13/cobra"

	"github.com/weir-io/weir/internal/config"
)

// newConfigCommand returns "weir config" with its commands.
func newConfigCommand() *cobra.Command {
	c := newGroup("config", "Check and show the configuration",
		"Show what weir would run with, and where each value comes from.",
		"  weir config check --config weir.toml")
	c.AddCommand(newConfigCheckCommand(), newConfigDefaultsCommand())
	return c
}

// newConfigCheckCommand returns "weir config check".
func newConfigCheckCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "check",
		Short: "Check the configuration and print the effective values",
		Long: `Read the configuration as "weir up" would and print the effective values as
TOML; behind each value that is not the default stands where it was set. An
unknown key or a wrong value is an error that names its line: exit code 1.
With --json: section → key → value, sizes and durations as text.`,
		Example: `  weir config check --config weir.toml
  WEIR_RELAY_WORKERS=2 weir config check`,
	}
	s := addSettings(c)
	c.Flags().BoolVar(&asJSON, "json", false, "print as JSON")
	c.RunE = func(c *cobra.Command, _ []string) error {
		cfg, err := s.load()
		if err != nil {
			return err
		}
		if asJSON {
			return writeJSON(c.OutOrStdout(), cfg.Values())
		}
		return cfg.WriteTOML(c.OutOrStdout())
	}
	return c
}

// newConfigDefaultsCommand returns "weir config defaults".
func newConfigDefaultsCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "defaults",
		Short:   "Print a commented configuration file with the defaults",
		Long:    "Print every key with its description and default value: a configuration file to start from.",
		Example: "  weir config defaults > weir.toml",
		RunE: func(c *cobra.Command, _ []string) error {
			return config.Default().WriteTemplate(c.OutOrStdout())
		},
	}
}
