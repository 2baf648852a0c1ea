// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"os"
	"runtime/debug"

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

// programPath is the package path of weir's main function.
const programPath = "github.com/weir-io/weir/cmd/weir"

// ownProgram returns the executable that understands the hidden commands, such as
// "guard", or "" when this process is not weir: a test binary that starts itself
// again would run its tests, which start it again.
func ownProgram() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Path != programPath {
		return ""
	}
	exe, err := os.Executable()
	if err != nil {
		return ""
	}
	return exe
}
