// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/weir-io/weir/internal/hoststat/monitor"
	"github.com/weir-io/weir/internal/hoststat/page"
	"github.com/weir-io/weir/internal/hoststat/poll"
)

// statFlags are the flags of "weir stat".
type statFlags struct {
	watchFlags
	format string
	first  bool
	output string
	rotate string
}

// newStatCommand returns "weir stat".
func newStatCommand() *cobra.Command {
	var f statFlags
	c := &cobra.Command{
		Use:   "stat [flags] [HOST]...",
		Short: "Print what hosts count, period by period",
		Long: `Print what hosts with a statistics daemon ("weir xmlsysd", or the xmlsysd of
2002) count, as a page every period: of the hosts named, such as node[01-16] or
gpu1:7888, else of those that the hub of --hub knows, else of those in the
wulfhosts file, else of those of a hub on this machine, else of this one. The
program answers to the name wulflogger as well.

A page begins with a line that tells view and time. The first one comes when
there are rates; with --first it comes at once, with - in their place. A host
that is not up has - in its fields, and a comment tells its state and the reason.

Formats (--format):
  text   fields between blanks, an empty line behind each page
  tsv    fields between tabs, names of columns once at the begin
  csv    as RFC 4180 has it
  jsonl  an object a row: host, time, section_time, view, state, and the columns
  xml    the messages of the hosts, each within <host id="NAME">
  prom   all numbers of all hosts as Prometheus' text format`,
		Example: `  weir stat -l -t vm -d 1
  weir stat --format jsonl -c 1 node[01-16]
  weir stat --hub http://127.0.0.1:9347 -t load
  weir stat -f wulfhosts -o stat.log --rotate 10M,5`,
		Args: cobra.ArbitraryArgs,
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveNoFileComp
		},
	}
	f.add(c)
	fs := c.Flags()
	fs.StringVar(&f.format, "format", "text", "write pages as `FORMAT`: text, tsv, csv, jsonl, xml, prom")
	fs.BoolVar(&f.first, "first", false, "print the first page at once, without rates")
	fs.StringVarP(&f.output, "output", "o", "", "append to `FILE` instead of standard output")
	fs.StringVar(&f.rotate, "rotate", "", "with -o: begin a new file at `SIZE,COUNT`, and keep so many old ones")
	mustComplete(c, "format", words(page.Formats()))
	c.RunE = func(c *cobra.Command, args []string) error { return f.run(c, args) }
	return c
}

func (f *statFlags) run(c *cobra.Command, hosts []string) error {
	if !slices.Contains(page.Formats(), f.format) {
		return usageErrorf("no format %q: want %s", f.format, strings.Join(page.Formats(), ", "))
	}
	if _, _, err := f.table(""); err != nil {
		return err
	}
	out, closeOut, err := f.out(c.OutOrStdout())
	if err != nil {
		return err
	}
	m, err := f.open(hosts, c.ErrOrStderr(), func(o *monitor.Options) {
		o.History = -1
		o.Keep = f.format == string(page.XML)
		o.Want = f.want()
	})
	if err != nil {
		return errors.Join(err, closeOut())
	}
	view, options, err := f.table(m.File.View)
	if err != nil {
		return errors.Join(err, closeOut())
	}
	m.Cluster.SetWant(f.want() | view.Want)
	signal.Ignore(syscall.SIGPIPE) // the error of the write says as much
	ctx, stop := untilSignal(c)
	defer stop()
	reload := make(chan os.Signal, 1)
	signal.Notify(reload, syscall.SIGHUP)
	defer signal.Stop(reload)
	err = runMonitor(ctx, m, reload, func(ctx context.Context) error {
		return m.Log(ctx, monitor.LogOptions{View: view, Options: options, Format: page.Format(f.format), Count: f.count, First: f.first, Out: out})
	})
	if err = errors.Join(err, closeOut()); errors.Is(err, syscall.EPIPE) {
		return nil // whoever reads has enough
	}
	return err
}

// want is what hosts are asked for, whatever the view.
func (f *statFlags) want() poll.Want {
	if f.format == string(page.Prometheus) {
		return poll.WantFilesystems | poll.WantSensors | poll.WantRest
	}
	return 0
}

// runMonitor watches while fn runs, and returns the first error.
func runMonitor(ctx context.Context, m *monitor.Monitor, reload <-chan os.Signal, fn func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var watching sync.WaitGroup
	var failed error
	watching.Go(func() { // ends with ctx
		defer cancel()
		failed = m.Run(ctx, reload)
	})
	err := fn(ctx)
	cancel()
	watching.Wait()
	if err == nil {
		err = failed
	}
	return err
}

// out opens the output.
func (f *statFlags) out(stdout io.Writer) (io.Writer, func() error, error) {
	nothing := func() error { return nil }
	if f.output == "" {
		if f.rotate != "" {
			return nil, nil, usageErrorf("--rotate needs -o")
		}
		return stdout, nothing, nil
	}
	limit, keep, err := parseRotate(f.rotate)
	if err != nil {
		return nil, nil, err
	}
	file, err := page.OpenFile(f.output, limit, keep)
	if err != nil {
		return nil, nil, err
	}
	return file, file.Close, nil
}

// parseRotate reads SIZE,COUNT with a size as in 10M.
func parseRotate(text string) (limit int64, keep int, err error) {
	if text == "" {
		return 0, 0, nil
	}
	size, count, ok := strings.Cut(text, ",")
	unit := int64(1)
	for suffix, n := range map[string]int64{"K": 1 << 10, "M": 1 << 20, "G": 1 << 30} {
		if number, found := strings.CutSuffix(size, suffix); found {
			size, unit = number, n
			break
		}
	}
	n, err1 := strconv.ParseInt(size, 10, 32)
	keep, err2 := strconv.Atoi(count)
	if !ok || err1 != nil || err2 != nil || n <= 0 || keep < 0 || keep > 1000 {
		return 0, 0, usageErrorf("rotate %q: want SIZE,COUNT such as 10M,5", text)
	}
	return n * unit, keep, nil
}

// wulflogger is the whole program when it is called by that name.
func wulflogger(args []string, stdout, stderr io.Writer) int {
	return Main(append([]string{"weir", "stat"}, args...), stdout, stderr)
}
