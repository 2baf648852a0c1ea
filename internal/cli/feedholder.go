// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"net"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/weir-io/weir/internal/feed/holder"
)

// newFeedHolderCommand returns the hidden "weir feed-holder": the process that keeps
// the kernel's notices of file systems while no agent runs.
func newFeedHolderCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "feed-holder",
		Short:  "Keep notices of file systems for an agent",
		Hidden: true,
		Args:   noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			log, err := newLogger(c.ErrOrStderr(), "warn", "text")
			if err != nil {
				return err
			}
			// It outlives the agent and its terminal, and ends by itself.
			signal.Ignore(syscall.SIGINT, syscall.SIGHUP)
			_ = os.WriteFile("/proc/self/comm", []byte("weir-feed-hold"), 0)
			f := os.NewFile(holder.Descriptor, "socket of the holder")
			l, err := net.FileListener(f)
			if err != nil {
				return fmt.Errorf("feed-holder: it is started by the agent only: %w", err)
			}
			f.Close()
			return holder.New(holder.Options{Log: log}).Run(l.(*net.UnixListener))
		},
	}
}
