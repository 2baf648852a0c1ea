// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bufio"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/weir-io/weir/changelog"
	"github.com/weir-io/weir/client/feed"
)

// feedReader are the flags of the commands that print records.
type feedReader struct {
	max    int
	follow bool
	wait   time.Duration
	format string
	reint  bool
}

// newFeedReadCommand returns "weir feed read".
func newFeedReadCommand() *cobra.Command {
	var r feedReader
	var keep, noCancel, steal bool
	c := &cobra.Command{
		Use:   "read FEED",
		Short: "Print the records of a feed, and cancel them",
		Long: `Print the records of a feed. A batch is cancelled when the next is asked for, and the
last one when the command ends in order and all is printed: what was printed when it
was killed is printed again.

With --follow it outlives the agent: when that is stopped or killed it waits for the
next one and goes on behind what it has printed. In the native form each record has its
length before it, in four bytes, little-endian.`,
		Example: `  weir feed read audit
  weir feed read audit --follow --format json | jq .path`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeFeeds,
	}
	f := c.Flags()
	f.IntVar(&r.max, "max", 0, "end after `N` records; 0: none")
	f.BoolVar(&r.follow, "follow", false, "wait for more, until the command is interrupted")
	f.DurationVar(&r.wait, "wait", 0, "wait for `TIME` for the first record")
	f.StringVar(&r.format, "format", "text", "print records as `FORMAT`: text, json, lustre or native")
	f.BoolVar(&r.reint, "reint", false, "add the block of Lustre's MDS_REINT to JSON; the native form always has it")
	f.BoolVar(&keep, "keep", false, "cancel nothing until the end")
	f.BoolVar(&noCancel, "no-cancel", false, "cancel nothing")
	f.BoolVar(&steal, "steal", false, "take the feed from the consumer that reads it")
	return feedCommand(c, func(call *feedCall) error {
		if r.max < 0 || r.wait < 0 {
			return usageErrorf("--max %d, --wait %v: want 0 or more", r.max, r.wait)
		}
		format, err := r.parse(call)
		if err != nil {
			return err
		}
		open := call.opener(steal)
		n, err := open(call.api)
		if err != nil {
			return err
		}
		p := &feedPrinter{call: call, consumer: n, format: format, reint: r.reint}
		if r.follow {
			p.reopen = open
		}
		defer func() { p.consumer.Close() }()
		return p.readAll(&r, keep || noCancel, !noCancel)
	})
}

// parse returns the form of records.
func (r *feedReader) parse(call *feedCall) (feed.Format, error) {
	f := feed.FormatJSON
	if !call.json {
		var err error
		if f, err = feed.ParseFormat(r.format); err != nil {
			return 0, usageErrorf("--format: %w", err)
		}
	}
	if r.reint && f != feed.FormatJSON {
		return 0, usageErrorf("--reint is for JSON: use --format json")
	}
	return f, nil
}

// newFeedChangelogCommand returns "weir feed changelog".
func newFeedChangelogCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "changelog FEED [START [END]]",
		Short: "Print records of a feed as \"lfs changelog\" does, and cancel none",
		Long: `Print the records of a feed from one index to another, or all that there are, as
"lfs changelog" prints them. None is cancelled, and whoever reads the feed is not
disturbed. Of a feed that was given up it prints what is still there, and ends with 3.

Where --socket is an address of HTTP, the command takes the feed as its consumer does,
and fails while there is one.`,
		Example:           `  weir feed changelog cl1 100 200`,
		Args:              cobra.RangeArgs(1, 3),
		ValidArgsFunction: completeFeeds,
	}
	return feedCommand(c, func(call *feedCall) error {
		from, to, err := indexRange(call.args[1:])
		if err != nil {
			return err
		}
		o := feed.OpenOptions{Look: !call.api.Remote(), From: from}
		n, err := call.api.Open(call.ctx, call.args[0], o)
		if err != nil {
			return err
		}
		defer n.Close()
		if err := call.changelog(n, from, to); err != nil {
			return err
		}
		if i := n.Info(); i.Aborted != nil {
			a := i.Aborted
			return &exitError{code: exitAborted, err: fmt.Errorf("feed %s was given up (%s): records %d to %d are lost to it", feedLabel(&i), a.Reason, a.First, a.Last)}
		}
		return nil
	})
}

// indexRange parses the bounds of "changelog".
func indexRange(args []string) (from, to uint64, err error) {
	bounds := []uint64{0, 1<<64 - 1}
	for i, a := range args {
		if bounds[i], err = strconv.ParseUint(a, 10, 64); err != nil {
			return 0, 0, usageErrorf("index %q: want a number", a)
		}
	}
	if bounds[0] > bounds[1] {
		return 0, 0, usageErrorf("START %d is behind END %d", bounds[0], bounds[1])
	}
	return bounds[0], bounds[1], nil
}

// changelog prints the records with indexes in a range.
func (c *feedCall) changelog(n *feed.Consumer, from, to uint64) error {
	out := bufio.NewWriter(c.cmd.OutOrStdout())
	defer out.Flush()
	var line []byte
	for {
		b, err := n.Read(c.ctx, feed.ReadOptions{Keep: true})
		if err != nil {
			return err
		}
		for i := range b.Records {
			r := &b.Records[i]
			if r.Index < from || r.Index > to {
				continue
			}
			if c.json {
				r.Has &^= changelog.HasReint
				line = changelog.AppendJSON(line[:0], r)
			} else {
				line = changelog.AppendText(line[:0], r)
			}
			if _, err := out.Write(append(line, '\n')); err != nil {
				return err
			}
		}
		if !b.More || b.Through >= to {
			return nil
		}
	}
}

// newFeedCancelCommand returns "weir feed cancel".
func newFeedCancelCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "cancel FEED INDEX",
		Short: "Say that records through an index are not needed any more",
		Long: `Cancel the records of a feed through an index, as "lfs changelog_clear" does; 0 stands
for all that there are. When the command ends, that is on disk.`,
		Example:           `  weir feed cancel audit 4711`,
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: completeFeeds,
	}
	return feedCommand(c, func(call *feedCall) error {
		through, err := strconv.ParseUint(call.args[1], 10, 64)
		if err != nil {
			return usageErrorf("index %q: want a number", call.args[1])
		}
		n, err := call.api.Open(call.ctx, call.args[0], feed.OpenOptions{})
		if err != nil {
			return err
		}
		defer n.Close()
		cancelled, err := n.Cancel(call.ctx, through)
		if err != nil {
			return err
		}
		if call.json {
			return call.print(map[string]uint64{"cancelled": cancelled})
		}
		_, err = fmt.Fprintf(c.OutOrStdout(), "cancelled through %d\n", cancelled)
		return err
	})
}
