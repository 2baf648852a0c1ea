// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/weir-io/weir/internal/config"
	"github.com/weir-io/weir/internal/view"
)

// viewFlags are the flags of "weir view". Those that babeltrace2 has too mean
// the same here.
type viewFlags struct {
	terminal view.Terminal

	output string
	file   string

	names, fields                           string
	cycles, date, seconds, gmt              bool
	noDelta                                 bool
	color                                   string
	times                                   timeFlags
	intersection                            bool
	clockOffset, clockOffsetNs              int64
	forceCorrelate                          bool
	where, host                             string
	head, tail, jobs                        int
	follow, fromBeginning, json, noProgress bool
	maxArchive                              string
	reader, path                            string
}

// newViewCommand returns "weir view".
func newViewCommand() *cobra.Command {
	var f viewFlags
	c := &cobra.Command{
		Use:   "view [flags] [PATH|URL|-]...",
		Short: "Print the events of traces, merged by time",
		Long: `Print the events of traces: of the directories named and all below them, of
live sessions at net://HOST[:PORT]/host/HOSTNAME/SESSION, or, with -, of a tar
archive (plain, gzip or zstd) on standard input, as "weir sessions download"
writes it. Several are merged into one time line. Without an argument: of the
current tracing session ("weir status"), if the session daemon has one whose
trace is on this host, else of the current directory.

The text is that of babeltrace2, to the byte, and so are the flags that it has
too. What tracers say that they lost goes to standard error.

Other outputs (--output):
  json     one object a line, see docs/format/view-json.md
  csv      the columns named by --fields, such as time,name,cpu,msg
  chrome   a timeline for ui.perfetto.dev or chrome://tracing
  count    numbers of events of each class and stream, and of losses
  summary  events, rates, losses and times of each class and stream

A filter (--where) is an expression of LTTng's filter language over fields of
the payload and contexts, and $event.name; a field that no event class of stored
traces has is told on standard error:
  'prev_prio < 100 && $event.name == "sched_*"'`,
		Example: `  weir view ~/lttng-traces/demo-20261128-120000
  weir view --begin 12:00:01 --end 12:00:02 --where 'ret < 0' traces/
  weir view --output chrome -w trace.json traces/
  weir view net://hub/host/web1/demo`,
		Args: cobra.ArbitraryArgs,
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveFilterDirs
		},
	}
	f.add(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		if f.path != "" {
			args = append(args, f.path)
		}
		f.terminal = view.Terminal{
			Getenv: os.Getenv, Stdout: f.file == "",
			TTY: isTerminal(c.OutOrStdout()) && isTerminal(c.ErrOrStderr()),
		}
		if len(args) == 0 {
			args = []string{currentOutput(c)}
		}
		if f.reader != "" {
			return f.runReader(c, args)
		}
		job, err := f.job(args)
		if err != nil {
			return err
		}
		return runView(c, &f, job)
	}
	return c
}

func (f *viewFlags) add(c *cobra.Command) {
	fl := c.Flags()
	fl.StringVarP(&f.reader, "viewer", "e", "", "have the program `READER` print, such as babeltrace2, with arguments of its own before the traces'")
	fl.StringVarP(&f.path, "trace-path", "t", "", "a trace in the directory `DIR`, as an argument")
	fl.StringVarP(&f.output, "output", "o", "text", "print as `FORM`: text, json, csv, chrome, count, summary")
	fl.StringVarP(&f.file, "file", "w", "", "write to `FILE` instead of standard output")
	fl.BoolVar(&f.json, "json", false, "print count and summary as JSON; else the same as --output json")
	fl.StringVar(&f.names, "names", "payload,context", "print these `NAMES`: payload, context, header, scope, all, none")
	fl.StringVar(&f.fields, "fields", "", "text: `WORDS` of a line's head: trace, trace:hostname, trace:domain,\ntrace:procname, trace:vpid, loglevel, emf, all, none; csv: the columns, see docs/format/view-csv.md")
	fl.BoolVar(&f.cycles, "clock-cycles", false, "print times in clock cycles")
	fl.BoolVar(&f.date, "clock-date", false, "print times with their date")
	fl.BoolVar(&f.gmt, "clock-gmt", false, "print and read times in UTC, not in the local time zone")
	fl.BoolVar(&f.seconds, "clock-seconds", false, "print times as seconds since the clock's origin")
	fl.BoolVar(&f.noDelta, "no-delta", false, "do not print the time since the event before")
	fl.StringVar(&f.color, "color", "auto", "colours `WHEN`: auto, never, always")
	f.times.add(fl)
	fl.BoolVar(&f.intersection, "stream-intersection", false, "of each trace only the time that all its streams have in common")
	fl.Int64Var(&f.clockOffset, "clock-offset", 0, "add `SECONDS` to all times")
	fl.Int64Var(&f.clockOffsetNs, "clock-offset-ns", 0, "add `NANOSECONDS` to all times")
	fl.BoolVar(&f.forceCorrelate, "clock-force-correlate", false, "merge traces although their clocks have nothing in common")
	fl.StringVar(&f.where, "where", "", "only events for which the filter expression `EXPR` is true")
	fl.StringVar(&f.host, "host", "", "only traces of hosts with this `NAME`; * stands for anything")
	fl.IntVar(&f.head, "head", 0, "only the first `N` events")
	fl.IntVar(&f.tail, "tail", 0, "only the last `N` events")
	fl.IntVar(&f.jobs, "jobs", 0, "use `N` processors; 0: all")
	fl.BoolVarP(&f.follow, "follow", "f", false, "go on with what is added to the traces, until SIGINT")
	fl.BoolVar(&f.fromBeginning, "from-beginning", false, "live sessions: from the oldest packet that the relay has, not from now on")
	fl.StringVar(&f.maxArchive, "max-archive", "16GiB", "refuse an archive on standard input whose files are more than this `SIZE`")
	fl.BoolVar(&f.noProgress, "no-progress", false, "show no progress on a terminal")
}

// runReader has another program print the traces.
func (f *viewFlags) runReader(c *cobra.Command, paths []string) error {
	var other []string
	c.Flags().Visit(func(fl *pflag.Flag) {
		if fl.Name != "viewer" && fl.Name != "trace-path" {
			other = append(other, "--"+fl.Name)
		}
	})
	words := strings.Fields(f.reader)
	if len(other) > 0 || len(words) == 0 {
		return usageErrorf("--viewer: want a program alone, which has no %s", cmp.Or(strings.Join(other, ", "), "name"))
	}
	ctx := c.Context()
	if ctx == nil {
		ctx = context.Background()
	}
	reader := exec.CommandContext(ctx, words[0], append(words[1:], paths...)...)
	reader.Stdin, reader.Stdout, reader.Stderr = c.InOrStdin(), c.OutOrStdout(), c.ErrOrStderr()
	if err := reader.Run(); err != nil {
		return fmt.Errorf("%s: %w", words[0], err)
	}
	return nil
}

// job makes of the flags and arguments what is to be done.
func (f *viewFlags) job(args []string) (*view.Job, error) {
	text, err := f.text()
	if err != nil {
		return nil, err
	}
	j := &view.Job{
		Inputs: args, Output: f.output, Text: text, JSON: f.json,
		Where: f.where, Host: f.host, Head: f.head, Tail: f.tail, Jobs: f.jobs,
		Intersection: f.intersection, ForceCorrelate: f.forceCorrelate,
		ClockOffset: f.clockOffset*int64(time.Second) + f.clockOffsetNs,
		Follow:      f.follow, FromBeginning: f.fromBeginning,
	}
	if f.json && f.output == "text" {
		j.Output = "json"
	}
	if f.fields != "" && j.Output != "text" && j.Output != "csv" {
		return nil, usageErrorf("--fields is for text and csv")
	}
	if j.Output == "csv" && f.fields != "" {
		j.Columns = strings.Split(f.fields, ",")
	}
	const farOff = 1 << 33 // s: what times in ns can hold
	if max(f.clockOffset, -f.clockOffset) > farOff {
		return nil, usageErrorf("--clock-offset: want at most %d s", farOff)
	}
	if f.follow && (f.tail > 0 || f.intersection) {
		return nil, usageErrorf("--follow excludes --tail and --stream-intersection")
	}
	if f.head < 0 || f.tail < 0 || f.jobs < 0 {
		return nil, usageErrorf("--head, --tail and --jobs: want a number from 0")
	}
	most, err := config.ParseBytes(f.maxArchive)
	if err != nil || most <= 0 {
		return nil, usageErrorf("--max-archive: want a size such as 16GiB, got %q", f.maxArchive)
	}
	j.MaxUnpacked = int64(most)
	if err := j.Check(); err != nil {
		return nil, usageErrorf("%w", err)
	}
	j.Begin, j.End, err = f.times.parse(text.Location)
	return j, err
}

// text makes the options of text.
func (f *viewFlags) text() (view.TextOptions, error) {
	o := view.DefaultTextOptions()
	var err error
	if o.Names, err = view.ParseNames(f.names); err != nil {
		return o, usageErrorf("--names: %w", err)
	}
	if f.output == "text" && f.fields != "" {
		if o.Fields, err = view.ParseFields(f.fields); err != nil {
			return o, usageErrorf("--fields: %w", err)
		}
	}
	o.Cycles, o.Date, o.Seconds, o.NoDelta = f.cycles, f.date, f.seconds, f.noDelta
	tz, set := os.LookupEnv("TZ")
	if o.Location = view.Location(tz, set); f.gmt {
		o.Location = time.UTC
	}
	mode, err := view.ParseColorMode(f.color)
	if err != nil {
		return o, usageErrorf("--color: %w", err)
	}
	o.Palette = f.terminal.Palette(mode)
	return o, nil
}

// runView does a job, to a file or to standard output.
func runView(c *cobra.Command, f *viewFlags, j *view.Job) error {
	ctx, stop := untilSignal(c)
	defer stop()
	j.In, j.Out, j.Err = c.InOrStdin(), c.OutOrStdout(), c.ErrOrStderr()
	j.Interactive = f.file == "" && isTerminal(c.OutOrStdout())
	j.WarningPalette = f.terminal.WarningPalette()
	if !f.noProgress && !j.Interactive && isTerminal(c.ErrOrStderr()) {
		j.Progress = newProgress(c.ErrOrStderr())
	}
	if f.file == "" {
		return j.Run(ctx)
	}
	out, err := os.Create(f.file) // in place: it may be a pipe, and is read while it grows
	if err != nil {
		return err
	}
	j.Out = out
	return errors.Join(j.Run(ctx), out.Close())
}
