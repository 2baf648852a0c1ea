// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/weir-io/weir/client/feed"
	"github.com/weir-io/weir/internal/feed/match"
)

// parseFilterFlags parses the filters of the command line.
func parseFilterFlags(flags []string) (*match.Filter, error) { return match.ParseFlags(flags) }

// feedLimits are the flags of a feed's limits.
type feedLimits struct {
	timeout time.Duration
	size    uint64
	bytes   sizeFlag
	product uint64
	filter  []string
	owner   uint32
}

func (l *feedLimits) addFlags(c *cobra.Command) {
	f := c.Flags()
	f.DurationVar(&l.timeout, "abort-timeout", 0, "give it up when it has not cancelled for `TIME`; 0s: never; default: 720h")
	f.Uint64Var(&l.size, "abort-size", 0, "give it up when it is `N` records behind; 0: never; default: 100000000")
	f.Var(&l.bytes, "abort-bytes", "give it up when it is so many bytes behind; 0: never; default: 10G")
	f.Uint64Var(&l.product, "abort-product", 0, "give it up when the seconds since it has cancelled times the records that it is behind are more than `N`;\n0: never, the default")
	f.StringArrayVarP(&l.filter, "filter", "f", nil, "deliver only what has `FIELD=LIST`, or a filter as JSON; may be repeated:\ntypes, uid, gid, owner, path, name, kind, comm, job, pid, synth, merged")
	f.Uint32Var(&l.owner, "owner", 0, "let the user of this `UID` read and cancel it; default: who creates it")
}

// options are those flags that were given.
func (l *feedLimits) options(c *cobra.Command) (o feed.CreateOptions, err error) {
	if c.Flags().Changed("abort-timeout") {
		s := feed.Seconds(l.timeout)
		o.AbortTimeout = &s
	}
	if c.Flags().Changed("abort-size") {
		o.AbortSize = &l.size
	}
	if c.Flags().Changed("abort-bytes") {
		n := uint64(l.bytes)
		o.AbortBytes = &n
	}
	if c.Flags().Changed("abort-product") {
		o.AbortProduct = &l.product
	}
	if c.Flags().Changed("owner") {
		o.Owner = &l.owner
	}
	o.Filter, err = feedFilter(l.filter)
	return o, err
}

// newFeedCreateCommand returns "weir feed create".
func newFeedCreateCommand() *cobra.Command {
	var o feed.CreateOptions
	var l feedLimits
	var mode string
	var brief, keepMoves bool
	c := &cobra.Command{
		Use:   "create",
		Short: "Create a feed",
		Long: `Create a feed of the file system that a directory is on; of a directory that is not
where it is mounted, the feed has what lies below that. The first feed of a file
system has it watched and its names indexed, which takes a second for some hundred
thousand files; the feed begins then, unless --start says otherwise.`,
		Example: `  weir feed create --source /srv
  weir feed create -u audit --source /home -m -CLOSE --filter 'path=!**/.cache/**'`,
		Args: noArguments,
	}
	f := c.Flags()
	f.StringVarP(&o.Name, "name", "u", "", "`NAME` of the feed: a letter, then letters, digits, - or _")
	f.StringVar(&o.Source, "source", "", "watch the file system of this `DIR`, or of a UUID that is watched")
	f.StringVarP(&o.Mask, "mask", "m", "", "deliver records of these `TYPES`, as in CREAT,UNLNK or -CLOSE+ATIME; default: all but\nATIME, OPEN, GXATR, NOPEN")
	f.StringVar(&mode, "mode", "", "`MODE` oneshot: the next read cancels; explicit: only cancel does; default: oneshot")
	f.StringVar(&o.Start, "start", "", "begin at now, oldest, or an `INDEX`; default: now")
	f.StringVar(&o.Index, "index", "", "know `WHAT` of the file system: full, or dirs; default: full")
	f.BoolVar(&o.Restricted, "restricted", false, "deliver what the owner could see by himself")
	f.BoolVar(&keepMoves, "no-expand-moves", false, "do not tell of what lies below a directory that is moved in")
	f.BoolVarP(&brief, "brief", "n", false, "print the id only")
	l.addFlags(c)
	must(c.MarkFlagRequired("source"))
	must(c.MarkFlagDirname("source"))
	return feedCommand(c, func(call *feedCall) error {
		limits, err := l.options(c)
		if err != nil {
			return err
		}
		limits.Name, limits.Source, limits.Mask, limits.Start = o.Name, o.Source, o.Mask, o.Start
		limits.Mode, limits.Index, limits.Restricted = feed.Mode(mode), o.Index, o.Restricted
		if keepMoves {
			no := false
			limits.ExpandMoves = &no
		}
		if abs, err := filepath.Abs(o.Source); err == nil && !isUUID(o.Source) {
			limits.Source = abs
		}
		i, err := call.api.Create(call.ctx, limits)
		if err != nil {
			return err
		}
		return call.created(&i, brief)
	})
}

// created prints what was created.
func (c *feedCall) created(i *feed.Info, brief bool) error {
	switch {
	case c.json:
		return c.print(i)
	case brief:
		_, err := fmt.Fprintln(c.cmd.OutOrStdout(), feedLabel(i))
		return err
	}
	_, err := fmt.Fprintf(c.cmd.OutOrStdout(), "feed %s of %s, from record %d on\n", feedLabel(i), printable(i.Place()), i.Cancelled+1)
	return err
}

// isUUID reports whether a text is a UUID rather than a path.
func isUUID(text string) bool {
	hex := 0
	for _, r := range text {
		switch {
		case r >= '0' && r <= '9', r >= 'a' && r <= 'f', r >= 'A' && r <= 'F':
			hex++
		case r != '-':
			return false
		}
	}
	return hex == 32
}

// must is for what only a mistake in the program makes fail.
func must(err error) {
	if err != nil {
		panic("cli: " + err.Error())
	}
}
