// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/weir-io/weir/client/feed"
)

// Exit codes of the commands of feeds, beside those of all.
const (
	exitAborted = 3 // the feed was given up
	exitBusy    = 4 // another consumer reads it
)

// newFeedCommand returns "weir feed".
func newFeedCommand() *cobra.Command {
	c := newGroup("feed", "Follow changes of file systems", `A feed is a registered reader of what changes in a file system. Every change is a
numbered record; records stay until the feed has cancelled them, also while nobody
reads, while the agent is killed and started again, and while the host is down (what
happens then is told as a gap, and found by comparing).

Reading the next batch cancels the one before: what a reader has not finished is
delivered again. A feed that is not read is given up, with a record that says so, when
one of its limits is reached.

The agent ("weir up" or "weir agent", as root) watches ext4, xfs, btrfs and tmpfs.
Exit codes: 3 when the feed was given up, 4 when another consumer reads it.`,
		`  weir feed create --name audit --source /srv
  weir feed read audit --follow
  weir feed ls`)
	c.AddCommand(
		newFeedCreateCommand(), newFeedListCommand(), newFeedInfoCommand(), newFeedDestroyCommand(), newFeedResetCommand(),
		newFeedSetCommand(), newFeedReadCommand(), newFeedChangelogCommand(), newFeedCancelCommand(), newFeedTailCommand(),
		newFeedFIFOCommand(), newFeedNIDCommand(), newFeedPathCommand(), newFeedSourcesCommand(), newFeedRescanCommand(),
		newFeedCheckCommand(), newFeedRepairCommand(), newFeedSinkCommand(), newFeedQueryCommand(), newFeedAuditCommand(),
		newFeedPublishCommand(), newFeedSubscribeCommand(), newFeedExportCommand(), newFeedPrintCommand(),
	)
	return c
}

// feedCall is one call of a command that talks to the agent of feeds.
type feedCall struct {
	ctx  context.Context // lives as long as the call, which the object is
	cmd  *cobra.Command
	api  *feed.Client
	args []string

	json   bool
	socket string
}

// feedCommand gives a command the flags of all that talk to the agent and has run
// called.
func feedCommand(c *cobra.Command, run func(*feedCall) error) *cobra.Command {
	return feedCommandIf(c, func() bool { return true }, run)
}

// feedCommandIf is feedCommand for a command that needs the agent only if needed says
// so; without it, the call has no api.
func feedCommandIf(c *cobra.Command, needed func() bool, run func(*feedCall) error) *cobra.Command {
	call := &feedCall{cmd: c}
	fl := c.Flags()
	fl.BoolVar(&call.json, "json", false, "print JSON")
	fl.StringVar(&call.socket, "socket", "", "the agent's socket for feeds at `PATH`, or http://HOST:PORT of a hub beside one; default: $WEIR_FEED_SOCKET or "+feed.SystemSocket)
	c.RunE = func(c *cobra.Command, args []string) error {
		ctx, stop := untilSignal(c)
		defer stop()
		var err error
		call.ctx, call.args = ctx, args
		if needed() {
			if call.api, err = feed.Dial(ctx, call.socket); err != nil {
				return noFeedAgent(err)
			}
			defer call.api.Close()
		}
		return feedError(run(call))
	}
	return c
}

// noFeedAgent says what to do where no agent answers.
func noFeedAgent(err error) error {
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("%w; start one with \"weir up\", as root; of an agent that runs and cannot watch file systems, the log says why", err)
	}
	return err
}

// feedError gives an error the exit code that scripts tell it by.
func feedError(err error) error {
	var answer *feed.Error
	if !errors.As(err, &answer) {
		return err
	}
	switch answer.Code {
	case feed.CodeAborted:
		return &exitError{code: exitAborted, err: err}
	case feed.CodeBusy:
		return &exitError{code: exitBusy, err: err}
	}
	return err
}

// print prints a value as JSON.
func (c *feedCall) print(v any) error {
	e := json.NewEncoder(c.cmd.OutOrStdout())
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// completeFeeds completes names of feeds.
func completeFeeds(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	socket, _ := c.Flags().GetString("socket")
	api, err := feed.Dial(context.Background(), socket)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	defer api.Close()
	infos, err := api.List(context.Background())
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var words []string
	for _, i := range infos {
		words = append(words, feedLabel(&i))
	}
	return words, cobra.ShellCompDirectiveNoFileComp
}

// feedLabel is a feed's id and name, as in "cl1-audit".
func feedLabel(i *feed.Info) string {
	if i.Name == "" {
		return i.ID
	}
	return i.ID + "-" + i.Name
}

// feedFilter makes the JSON of --filter FIELD=LIST flags.
func feedFilter(flags []string) (json.RawMessage, error) {
	if len(flags) == 0 {
		return nil, nil
	}
	if doc := strings.TrimSpace(flags[0]); len(flags) == 1 && (doc == "null" || strings.HasPrefix(doc, "{")) {
		return json.RawMessage(doc), nil
	}
	f, err := parseFilterFlags(flags)
	if err != nil {
		return nil, usageErrorf("--filter: %w", err)
	}
	return json.Marshal(f)
}
