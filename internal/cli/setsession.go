// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"os"

	"github.com/spf13/cobra"
)

// newSetSessionCommand returns "weir set-session".
func newSetSessionCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "set-session NAME",
		Short: "Choose the current tracing session",
		Long: `Make a tracing session the current one, which commands without -s are about.
Its name is kept in ~/.config/weir/session.`,
		Example:           "  weir set-session demo",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: firstOnly(completeSessions),
	}
	return agentCommand(c, false, func(c *agentCall) error {
		s, err := c.api.Session(c.ctx, c.args[0])
		if err != nil {
			return err
		}
		c.set("session", s.Name)
		c.say("Session set to %s", s.Name)
		return writeCurrentSession(os.Getenv, s.Name)
	})
}
