// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"github.com/spf13/cobra"

	"github.com/weir-io/weir/internal/tail"
)

// newGuardCommand returns the hidden "weir guard": the process that a relay
// starts to repair its files should it be killed.
func newGuardCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "guard TABLE",
		Short:  "Repair the files of a relay when it is killed",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if code := tail.GuardMain(args[0]); code != exitOK {
				return &exitError{code: code}
			}
			return nil
		},
	}
}
