// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"context"
	"errors"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/weir-io/weir/client"
)

// watchPeriod is the time between two tables of "weir sessions --watch". The
// hub's rates are as old.
const watchPeriod = 2 * time.Second

// clearScreen moves the cursor home and clears what is below it.
const clearScreen = "\x1b[H\x1b[J"

// newSessionsCommand returns "weir sessions" with its commands.
func newSessionsCommand() *cobra.Command {
	var asJSON, watch bool
	var filter client.Filter
	var state string
	c := &cobra.Command{
		Use:   "sessions",
		Short: "List trace sessions, or show, delete and download one",
		Long: `List the sessions that a hub receives and has stored, newest first. With
--watch the table is shown again and again until SIGINT.
With --json: an array of the sessions as /api/v1/sessions has them.`,
		Example: `  weir sessions
  weir sessions --state active --watch
  weir sessions show 9f86d081884c7d65`,
		Args: unknownCommand,
	}
	hub := addHub(c)
	c.Flags().BoolVar(&asJSON, "json", false, "print as JSON")
	c.Flags().BoolVar(&watch, "watch", false, "show the table again and again")
	c.Flags().StringVar(&filter.Host, "host", "", "only sessions of this `HOST`")
	c.Flags().StringVar(&filter.Name, "name", "", "only sessions of this `NAME`")
	c.Flags().StringVar(&state, "state", "", "only sessions in this `STATE`: active or closed")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if filter.State = client.State(state); state != "" && filter.State != client.Active && filter.State != client.Closed {
			return usageErrorf("--state: want active or closed, got %q", state)
		}
		if watch && asJSON {
			return usageErrorf("--watch and --json exclude each other")
		}
		return hub.with(c, func(ctx context.Context, api *client.Client) error {
			if watch {
				return watchSessions(ctx, c.OutOrStdout(), api, filter, watchPeriod)
			}
			return listSessions(ctx, c.OutOrStdout(), api, filter, asJSON)
		})
	}
	c.AddCommand(newSessionsShowCommand(hub), newSessionsDeleteCommand(hub), newSessionsDownloadCommand(hub))
	return c
}

// hubFlag is the hub that a command talks to.
type hubFlag struct{ url string }

// addHub adds the flag to a command and all below it.
func addHub(c *cobra.Command) *hubFlag {
	h := new(hubFlag)
	c.PersistentFlags().StringVar(&h.url, "api", client.DefaultURL, "`URL` of the hub")
	return h
}

// with calls do with a client of the hub and a context that ends with SIGINT
// or SIGTERM.
func (h *hubFlag) with(c *cobra.Command, do func(context.Context, *client.Client) error) error {
	api, err := client.New(h.url)
	if err != nil {
		return usageErrorf("--api: %w", err)
	}
	defer api.Close()
	ctx, stop := untilSignal(c)
	defer stop()
	return do(ctx, api)
}

// listSessions prints all sessions once.
func listSessions(ctx context.Context, w io.Writer, api *client.Client, f client.Filter, asJSON bool) error {
	all := []client.Session{}
	for s, err := range api.Sessions(ctx, f) {
		if err != nil {
			return err
		}
		all = append(all, s)
	}
	if asJSON {
		return writeJSON(w, all)
	}
	return writeSessions(w, all, time.Now())
}

// watchSessions prints the table until ctx ends. A table is written at once,
// so that it does not flicker.
func watchSessions(ctx context.Context, w io.Writer, api *client.Client, f client.Filter, period time.Duration) error {
	ticker := time.NewTicker(period)
	defer ticker.Stop()
	for {
		table := bytes.NewBufferString(clearScreen)
		err := listSessions(ctx, table, api, f, false)
		if errors.Is(err, context.Canceled) {
			return nil
		}
		if err != nil {
			return err
		}
		if _, err := w.Write(table.Bytes()); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}
