// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/ctf/schema"
	"github.com/weir-io/weir/internal/convert"
	"github.com/weir-io/weir/internal/view"
)

// convertFlags are the flags of "weir convert". Those that "weir view" has too
// mean the same here.
type convertFlags struct {
	format                   string
	times                    timeFlags
	gmt, intersection        bool
	where, host              string
	events, exclude, streams []string
	forceCorrelate           bool
	jobs                     int
	json, noProgress         bool
}

// newConvertCommand returns "weir convert".
func newConvertCommand() *cobra.Command {
	var f convertFlags
	c := &cobra.Command{
		Use:   "convert [flags] PATH... OUT",
		Short: "Write traces anew: in another format, or less of them",
		Long: `Convert the traces at and below some directories to a new directory, which must
not be there, or be empty: to the other version of the format, to a part of
their time or of their events, or several into one tree, which "weir view" and
babeltrace2 show as one time line. A rotated session becomes one trace.

Each packet stays one, with its begin, its end and what it says of losses; those
outside of the chosen time are left out. Events that were not chosen are no
losses. A trace of which something was left out gets another uuid. See "weir help
view" for times and filters.

Nothing is named OUT before it is complete. Where a packet is bad, what lies
before it in its stream is converted, and the exit code is 1. What CTF 1.8 cannot
express is an error before anything is written.`,
		Example: `  weir convert --format ctf1 session/ for-older-viewers/
  weir convert --begin 12:00:01 --end 12:00:02 traces/ second/
  weir convert --where 'ret < 0' --event 'syscall_*' web1/ web2/ failures/`,
		Args: cobra.MinimumNArgs(2),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveFilterDirs
		},
	}
	f.add(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		job, err := f.job(c, args)
		if err != nil {
			return err
		}
		return runConvert(c, &f, job)
	}
	return c
}

func (f *convertFlags) add(c *cobra.Command) {
	fl := c.Flags()
	fl.StringVar(&f.format, "format", "", "write `FORMAT`: ctf1 (CTF 1.8) or ctf2; default: that of each trace")
	f.times.add(fl)
	fl.BoolVar(&f.gmt, "clock-gmt", false, "read times in UTC, not in the local time zone")
	fl.BoolVar(&f.intersection, "stream-intersection", false, "of each trace only the time that all its streams have in common")
	fl.StringVar(&f.where, "where", "", "only events for which the filter expression `EXPR` is true")
	fl.StringArrayVar(&f.events, "event", nil, "only events with this `NAME`; * stands for anything; may be repeated")
	fl.StringArrayVar(&f.exclude, "exclude-event", nil, "no events with this `NAME`; * stands for anything; may be repeated")
	fl.StringArrayVar(&f.streams, "stream", nil, "only streams of this `CHANNEL`, or CHANNEL_CPU; * stands for anything; may be repeated")
	fl.StringVar(&f.host, "host", "", "only traces of hosts with this `NAME`; * stands for anything")
	fl.BoolVar(&f.forceCorrelate, "clock-force-correlate", false, "take traces together although their clocks have nothing in common")
	fl.IntVar(&f.jobs, "jobs", 0, "use `N` processors; 0: all")
	fl.BoolVar(&f.json, "json", false, "print what was done as JSON, see docs/format/convert-json.md")
	fl.BoolVar(&f.noProgress, "no-progress", false, "show no progress on a terminal")
	err := c.RegisterFlagCompletionFunc("format", cobra.FixedCompletions([]string{"ctf1", "ctf2"}, cobra.ShellCompDirectiveNoFileComp))
	if err != nil {
		panic("cli: " + err.Error()) // the flag is above
	}
}

// job makes of the flags and arguments what is to be done.
func (f *convertFlags) job(c *cobra.Command, args []string) (*convert.Job, error) {
	if f.jobs < 0 {
		return nil, usageErrorf("--jobs: want a number from 0")
	}
	last := len(args) - 1
	j := &convert.Job{
		Inputs: args[:last], Output: args[last], ForceCorrelate: f.forceCorrelate, Jobs: f.jobs,
		Warn: func(path, text string) { fmt.Fprintf(c.ErrOrStderr(), "%s: %s\n", path, text) },
	}
	switch f.format {
	case "":
	case "ctf1":
		j.Format = schema.CTF1
	case "ctf2":
		j.Format = schema.CTF2
	default:
		return nil, usageErrorf("--format: unknown format %q: want ctf1 or ctf2", f.format)
	}
	var err error
	j.Select, err = f.selection(c.ErrOrStderr())
	return j, err
}

func (f *convertFlags) selection(stderr io.Writer) (convert.Selection, error) {
	s := convert.Selection{
		Intersection: f.intersection, Host: f.host, Events: f.events, Exclude: f.exclude, Streams: f.streams, WhereText: f.where,
	}
	if f.where != "" {
		where, err := view.NewWhere(f.where)
		if err != nil {
			return s, usageErrorf("--where: %w", err)
		}
		s.Opened = func(set *ctf.Set) { where.WarnMissing(stderr, set) }
		s.Where = func() func(*ctf.Event) bool { return where.Clone().Keep }
	}
	tz, set := os.LookupEnv("TZ")
	zone := view.Location(tz, set)
	if f.gmt {
		zone = time.UTC
	}
	begin, end, err := f.times.parse(zone)
	if err != nil || !begin.IsSet() && !end.IsSet() {
		return s, err
	}
	s.Window = func(first int64) (int64, int64, error) {
		w, err := view.WindowOf(begin, end, first, zone)
		return w.Begin, w.End, err
	}
	return s, nil
}

// runConvert does a job and prints its result.
func runConvert(c *cobra.Command, f *convertFlags, j *convert.Job) error {
	ctx, stop := untilSignal(c)
	defer stop()
	if !f.noProgress && isTerminal(c.ErrOrStderr()) {
		j.Progress = newProgress(c.ErrOrStderr())
	}
	r, err := j.Run(ctx)
	switch {
	case r != nil:
		return errors.Join(err, printConverted(c.OutOrStdout(), r, f.json))
	case ctx.Err() != nil:
		return fmt.Errorf("interrupted: nothing was written to %s", j.Output)
	default:
		return err
	}
}

// printConverted prints the result of a conversion.
func printConverted(w io.Writer, r *convert.Result, asJSON bool) error {
	if asJSON {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(r)
	}
	streams := 0
	for i := range r.Traces {
		streams += len(r.Traces[i].Streams)
	}
	_, err := fmt.Fprintf(w, "%s: %s, %s, %d of %s, %s, %s\n", filepath.Clean(r.Output), plural(int64(len(r.Traces)), "trace"), plural(int64(streams), "stream"),
		r.EventsWritten, plural(r.EventsRead, "event"), plural(r.PacketsWritten, "packet"), formatBytes(r.Bytes))
	return err
}

// plural is a number of things.
func plural(n int64, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
