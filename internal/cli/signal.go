// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// untilSignal returns a context for a command, which SIGINT and SIGTERM end. stop
// gives the signals back what they do by default.
func untilSignal(c *cobra.Command) (ctx context.Context, stop context.CancelFunc) {
	return signal.NotifyContext(c.Context(), syscall.SIGINT, syscall.SIGTERM)
}
