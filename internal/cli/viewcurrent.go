// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/weir-io/weir/client/agent"
)

// currentOutput returns the directory of the current session's trace, or "."
// where there is none: without a session, a daemon, or with a trace elsewhere, of
// which it tells.
func currentOutput(c *cobra.Command) string {
	const here = "."
	name, err := readCurrentSession(os.Getenv)
	if err != nil || name == "" {
		return here
	}
	ctx, cancel := context.WithTimeout(c.Context(), completeTimeout)
	defer cancel()
	api := agent.New("")
	defer api.Close()
	s, err := api.Session(ctx, name)
	if err != nil {
		return here
	}
	if !filepath.IsAbs(s.Output) {
		fmt.Fprintf(c.ErrOrStderr(), "weir: session %s records to %s: the current directory is read instead\n", printable(name), printable(s.Output))
		return here
	}
	return s.Output
}
