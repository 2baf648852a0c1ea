// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"cmp"
	"encoding/json"
	"fmt"
	"path/filepath"
	"reflect"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/weir-io/weir/client/feed"
)

// newFeedListCommand returns "weir feed ls".
func newFeedListCommand() *cobra.Command {
	c := &cobra.Command{
		Use:     "ls",
		Aliases: []string{"list"},
		Short:   "List feeds",
		Long: `List the feeds that the user may see, with how many records each has to read, and who
reads it.`,
		Example: `  weir feed ls
  weir feed ls --json`,
		Args: noArguments,
	}
	return feedCommand(c, func(call *feedCall) error {
		infos, err := call.api.List(call.ctx)
		if err != nil {
			return err
		}
		if call.json {
			return call.print(infos)
		}
		if len(infos) == 0 {
			_, err := fmt.Fprintln(c.OutOrStdout(), "no feeds; \"weir feed create --source DIR\" makes one")
			return err
		}
		t := tabwriter.NewWriter(c.OutOrStdout(), 0, 0, 2, ' ', 0)
		fmt.Fprintln(t, "FEED\tSOURCE\tSTATE\tAVAILABLE\tLAST\tREADER")
		for _, i := range infos {
			fmt.Fprintf(t, "%s\t%s\t%s\t%d\t%d\t%s\n", feedLabel(&i), printable(i.Place()), feedAndSource(&i), i.Available, i.Last, feedReaderOf(&i))
		}
		return t.Flush()
	})
}

// feedState is the state of a feed, and why it is that.
func feedState(i *feed.Info) string {
	if i.Aborted != nil {
		return "aborted (" + i.Aborted.Reason + ")"
	}
	return i.State
}

// feedAndSource are the states of a feed and, where nothing comes of it, of its source.
func feedAndSource(i *feed.Info) string {
	if i.SourceState == "" || i.SourceState == sourceActive {
		return feedState(i)
	}
	return feedState(i) + ", source " + i.SourceState
}

// sourceActive is the state of a source that is watched.
const sourceActive = "active"

// feedReaderOf names the process that reads a feed.
func feedReaderOf(i *feed.Info) string {
	if i.Consumer == nil {
		return "-"
	}
	if i.Consumer.PID == 0 { // it comes from another host, or through a hub
		return fmt.Sprintf("user %d", i.Consumer.UID)
	}
	return fmt.Sprintf("pid %d", i.Consumer.PID)
}

// newFeedInfoCommand returns "weir feed info".
func newFeedInfoCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "info FEED",
		Short: "Show what is known of a feed",
		Long: `Show a feed: its place in the journal, what is available, who reads it, its limits, and
the gaps that it has had. It needs no turn at reading.`,
		Example:           `  weir feed info audit`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeFeeds,
	}
	return feedCommand(c, func(call *feedCall) error {
		i, err := call.api.Info(call.ctx, call.args[0])
		if err != nil {
			return err
		}
		return call.describe(&i)
	})
}

// describe prints all that is known of a feed.
func (c *feedCall) describe(i *feed.Info) error {
	if c.json {
		return c.print(i)
	}
	t := tabwriter.NewWriter(c.cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) {
		fmt.Fprintf(t, "%s\t%s\n", name, printable(fmt.Sprintf(format, args...)))
	}
	row("feed", "%s (%s, %s)", feedLabel(i), i.Kind, i.Mode)
	row("source", "%s of %s", i.Place(), i.Source)
	row("state", "%s", feedState(i))
	if a := i.Aborted; a != nil {
		row("lost", "records %d to %d, given up at %s; \"weir feed reset %s\" has it go on", a.First, a.Last, a.Since.Format(time.DateTime), feedLabel(i))
	}
	if i.SourceState != sourceActive {
		row("source is", "%s", strings.TrimSpace(i.SourceState+" "+i.Problem))
	}
	row("owner", "%d", i.Owner)
	if i.Mask != "" {
		row("mask", "%s", i.Mask)
	}
	if len(i.Filter) > 0 {
		row("filter", "%s", i.Filter)
	}
	exact := ""
	if !i.AvailableExact {
		exact = ", less what the filter drops"
	}
	row("available", "%s to read%s; the journal's last is %d", plural(int64(i.Available), "record"), exact, i.Last)
	if i.First > 0 {
		row("kept", "%s (%d bytes) from %d on", plural(int64(i.Last+1-i.First), "record"), i.Bytes, i.First)
	}
	row("cancelled", "through %d", i.Cancelled)
	if i.Consumer != nil {
		row("reader", "%s since %s, holds %d", i.Consumer, i.Consumer.Since.Format(time.DateTime), i.Consumer.Held)
	}
	row("created", "%s", i.Created.Format(time.DateTime))
	row("limits", "%s", feedBounds(i))
	if i.AbortIn != "" {
		row("given up in", "%s", i.AbortIn)
	}
	if i.Gaps > 0 {
		row("gaps", "%d, the last at %d", i.Gaps, i.LastGap)
	}
	row("rate", "%.1f records a second", i.Rate)
	return t.Flush()
}

// feedBounds tells at which limits a feed is given up.
func feedBounds(i *feed.Info) string {
	var all []string
	if i.AbortTimeout > 0 {
		all = append(all, time.Duration(i.AbortTimeout).String())
	}
	if i.AbortSize > 0 {
		all = append(all, fmt.Sprintf("%d records", i.AbortSize))
	}
	if i.AbortBytes > 0 {
		all = append(all, fmt.Sprintf("%d bytes", i.AbortBytes))
	}
	if i.AbortProduct > 0 {
		all = append(all, fmt.Sprintf("%d seconds times records", i.AbortProduct))
	}
	if len(all) == 0 {
		return "none"
	}
	return strings.Join(all, ", ")
}

// newFeedDestroyCommand returns "weir feed destroy".
func newFeedDestroyCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "destroy FEED...",
		Short: "Remove feeds",
		Long: `Remove feeds for good; their readers are disconnected. When the last feed of a file system
is gone, that is not watched any more.`,
		Example:           `  weir feed destroy audit`,
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: completeFeeds,
	}
	return feedCommand(c, func(call *feedCall) error {
		for _, name := range call.args {
			if err := call.api.Destroy(call.ctx, name); err != nil {
				return err
			}
			if !call.json {
				fmt.Fprintf(c.OutOrStdout(), "feed %s destroyed\n", name)
			}
		}
		return nil
	})
}

// newFeedResetCommand returns "weir feed reset".
func newFeedResetCommand() *cobra.Command {
	var r feed.ResetRequest
	c := &cobra.Command{
		Use:     "reset FEED",
		Short:   "Have a feed begin anew",
		Example: `  weir feed reset audit --rescan`,
		Long: `Have a feed that was given up, or any other, begin anew. A record before its first says
what it has skipped.`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeFeeds,
	}
	c.Flags().StringVar(&r.From, "from", "now", "begin at now, oldest, or an `INDEX`")
	c.Flags().BoolVar(&r.Rescan, "rescan", false, "compare the file system with what the journal knows of it")
	return feedCommand(c, func(call *feedCall) error {
		r.Feed = call.args[0]
		i, err := call.api.Reset(call.ctx, r)
		if err != nil {
			return err
		}
		return call.created(&i, false)
	})
}

// newFeedSetCommand returns "weir feed set".
func newFeedSetCommand() *cobra.Command {
	var l feedLimits
	c := &cobra.Command{
		Use:   "set FEED",
		Short: "Change limits, filter or owner of a feed",
		Long: `Change the limits, the filter or the owner of a feed. A filter counts from the next read
on; "null" takes it away.`,
		Example: `  weir feed set audit --abort-size 1000000
  weir feed set audit --filter 'uid=1000-1999'`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeFeeds,
	}
	l.addFlags(c)
	return feedCommand(c, func(call *feedCall) error {
		o, err := l.options(c)
		if err != nil {
			return err
		}
		if reflect.ValueOf(o).IsZero() {
			return usageErrorf("nothing to change: want --filter, --owner or one of the limits")
		}
		i, err := call.api.Set(call.ctx, call.args[0], o)
		if err != nil {
			return err
		}
		return call.describe(&i)
	})
}

// newFeedSourcesCommand returns "weir feed sources".
func newFeedSourcesCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "sources",
		Short: "List the file systems that are watched",
		Long: `List the file systems that are watched: where they are mounted, how many events were read,
how many wait in the kernel, and how many gaps there were.`,
		Example: `  weir feed sources`,
		Args:    noArguments,
	}
	return feedCommand(c, func(call *feedCall) error {
		sources, err := call.api.Sources(call.ctx)
		if err != nil {
			return err
		}
		if call.json {
			return call.print(sources)
		}
		t := tabwriter.NewWriter(c.OutOrStdout(), 0, 0, 2, ' ', 0)
		fmt.Fprintln(t, "SOURCE\tDIR\tKIND\tSTATE\tEVENTS\tUNREAD\tGAPS")
		for _, raw := range sources {
			var s struct {
				UUID, Dir, Kind, State string
				Events, Unread, Gaps   uint64
			}
			if err := json.Unmarshal(raw, &s); err != nil {
				return err
			}
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%d\t%d\t%d\n", s.UUID, printable(s.Dir), s.Kind, s.State, s.Events, s.Unread, s.Gaps)
		}
		return t.Flush()
	})
}

// newFeedRescanCommand returns "weir feed rescan".
func newFeedRescanCommand() *cobra.Command {
	c := &cobra.Command{
		Use:     "rescan DIR",
		Short:   "Compare a file system with what its journal knows",
		Example: `  weir feed rescan /srv`,
		Long: `Compare the disk with the index of a file system that is watched, and record what
differs. It ends when that is done, and says how much that was.`,
		Args: cobra.ExactArgs(1),
	}
	return feedCommand(c, func(call *feedCall) error {
		source, err := absolute(call.args[0])
		if err != nil {
			return err
		}
		info, err := call.api.Rescan(call.ctx, source)
		if err != nil {
			return err
		}
		if call.json {
			return call.print(info)
		}
		var s struct {
			Dir  string
			Last struct{ Entries, Differences uint64 } `json:"last_scan"`
		}
		if err := json.Unmarshal(info, &s); err != nil {
			return err
		}
		entries := fmt.Sprintf("%d entries", s.Last.Entries)
		if s.Last.Entries == 1 {
			entries = "1 entry"
		}
		_, err = fmt.Fprintf(c.OutOrStdout(), "%s: %s compared, %s\n", printable(s.Dir), entries, plural(int64(s.Last.Differences), "difference"))
		return err
	})
}

// newFeedPathCommand returns "weir feed fid2path".
func newFeedPathCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "fid2path DIR FID",
		Short: "Print the names of an object",
		Long: `Print all names that the journal knows of an object, from the root of its file system,
which itself is a dot.`,
		Example: `  weir feed fid2path /srv '[0x2001:0x0:0xab74c07d]'`,
		Args:    cobra.ExactArgs(2),
	}
	return feedCommand(c, func(call *feedCall) error {
		source, err := absolute(call.args[0])
		if err != nil {
			return err
		}
		paths, err := call.api.Resolve(call.ctx, source, call.args[1])
		if err != nil {
			return err
		}
		if call.json {
			return call.print(paths)
		}
		if len(paths) == 0 {
			return fmt.Errorf("object %s: no name of it is known that you may see", call.args[1])
		}
		for _, p := range paths {
			fmt.Fprintln(c.OutOrStdout(), cmp.Or(printable(p), "."))
		}
		return nil
	})
}

// newFeedFIFOCommand returns "weir feed fifo".
func newFeedFIFOCommand() *cobra.Command {
	var format string
	c := &cobra.Command{
		Use:   "fifo FEED PATH",
		Short: "Have a feed's records written to a named pipe",
		Long: `Have the agent make a named pipe and write a feed's records to whoever reads it. A
batch is cancelled when its reader has gone on to the next. The name is gone while
there is a reader, so that there is one only. The next agent makes the pipe again; it
ends with the feed, or when "weir feed read --steal" takes that.`,
		Example:           `  weir feed fifo audit /run/audit.fifo && cat /run/audit.fifo`,
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: completeFeeds,
	}
	c.Flags().StringVar(&format, "format", "text", "write records as `FORMAT`: text, json, lustre or native")
	return feedCommand(c, func(call *feedCall) error {
		path, err := filepath.Abs(call.args[1])
		if err != nil {
			return err
		}
		return call.api.FIFO(call.ctx, feed.FIFORequest{Feed: call.args[0], Path: path, Format: format})
	})
}

// absolute makes a path absolute; a UUID is none.
func absolute(path string) (string, error) {
	if isUUID(path) {
		return path, nil
	}
	return filepath.Abs(path)
}
