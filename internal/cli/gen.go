// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/weir-io/weir/internal/config"
)

// newGenCommand returns the hidden "weir gen", which writes what the project
// keeps generated.
func newGenCommand() *cobra.Command {
	c := newGroup("gen", "Write generated documents",
		"Write the documents that are made from the program itself. Packagers and the project's own tests use it.",
		"  weir gen man docs/man")
	c.Hidden = true
	// To add here: a command that prints the OpenAPI document of the API.
	c.AddCommand(newGenManCommand(), newGenConfigCommand())
	return c
}

// newGenManCommand returns "weir gen man".
func newGenManCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "man DIR",
		Short:   "Write the manual pages",
		Long:    "Write one manual page a command into a directory, which is made if need be. Pages of commands that are gone are removed.",
		Example: "  weir gen man docs/man",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return writeManual(c.Root(), args[0])
		},
	}
}

// newGenConfigCommand returns "weir gen config".
func newGenConfigCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "config",
		Short:   "Print the configuration reference as Markdown",
		Long:    "Print docs/configuration.md: every key with its type, default and meaning.",
		Example: "  weir gen config > docs/configuration.md",
		RunE: func(c *cobra.Command, _ []string) error {
			return config.WriteReference(c.OutOrStdout())
		},
	}
}

// writeManual writes the pages of all visible commands into dir.
func writeManual(root *cobra.Command, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("write manual: %w", err)
	}
	stale, err := filepath.Glob(filepath.Join(dir, "weir*.1"))
	if err != nil {
		return fmt.Errorf("write manual: %w", err)
	}
	for _, path := range stale {
		if err := os.Remove(path); err != nil {
			return fmt.Errorf("write manual: %w", err)
		}
	}
	return walkVisible(root, func(c *cobra.Command) error {
		var page bytes.Buffer
		writeManPage(&page, c)
		if err := os.WriteFile(filepath.Join(dir, pageName(c)+".1"), page.Bytes(), 0o644); err != nil {
			return fmt.Errorf("write manual: %w", err)
		}
		return nil
	})
}

// walkVisible calls visit for the command and all below it that are not hidden.
func walkVisible(c *cobra.Command, visit func(*cobra.Command) error) error {
	if c.Hidden {
		return nil
	}
	if err := visit(c); err != nil {
		return err
	}
	for _, child := range c.Commands() {
		if err := walkVisible(child, visit); err != nil {
			return err
		}
	}
	return nil
}
