// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/benchproc"
	"github.com/weir-io/weir/internal/config"
	"github.com/weir-io/weir/internal/relaybench"
)

// newBenchCommand returns "weir bench" with its commands.
func newBenchCommand() *cobra.Command {
	c := newGroup("bench", "Measure weir against what it replaces",
		"Load a part of weir, and the program it replaces where that is installed, and print what it cost.",
		"  weir bench relay --quick\n  weir bench view --quick\n  weir bench trace --quick\n  weir bench ust --quick\n  weir bench stat --quick\n  weir bench feed --quick")
	c.AddCommand(newBenchRelayCommand(), newBenchViewCommand(), newBenchTraceCommand(), newBenchUSTCommand(), newBenchStatCommand(), newBenchFeedCommand(),
		newBenchLoadCommand(), newBenchChangesCommand())
	return c
}

// benchRelay holds the flags of "weir bench relay".
type benchRelay struct {
	relays  []string
	cells   string
	index   string
	viewers string
	volume  string
	runs    int
	dir     string
	timeout time.Duration
	quick   bool
	verify  bool
	benchForm

	idle     int
	streams  int
	announce bool
	readers  int
}

// newBenchRelayCommand returns "weir bench relay".
func newBenchRelayCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "relay",
		Short: "Load relays and compare throughput, CPU time and memory",
		Long: `Load relay daemons and print what it cost them: MiB/s, CPU seconds per GiB and
peak resident memory, as medians, with the ratios to lttng-relayd where that is
measured too. Each run starts a fresh relay on free loopback ports with an empty
output directory; the relays take turns, so that a disturbance hits all.

A cell is SESSIONSxSTREAMSxBYTES: relay sessions, streams in each, packet size.
Without --cells the cells of the published table are measured, with synchronous
indexes and with live viewers too. --idle-connections, --streams-memory and
--announce measure scenarios instead, once with each relay. --babeltrace loads
one session without and with so many babeltrace2, which run at idle priority.

With --json each run, the medians and the cost of viewers are one line each:
{"run": …}, {"summary": …}, {"viewer_cost": …}, {"strain": …}, {"crowd": …}.`,
		Example: `  weir bench relay --quick
  weir bench relay --cells 1x16x4096,8x256x65536 --runs 3
  weir bench relay --relay new=./weir --relay old=/usr/bin/weir --relay lttng-relayd --cells 1x16x1M --viewers 0,1
  weir bench relay --idle-connections 10000 --announce`,
	}
	b := &benchRelay{}
	b.addFlags(c)
	c.RunE = measuring(b.run)
	return c
}

func (b *benchRelay) addFlags(c *cobra.Command) {
	f := c.Flags()
	f.StringArrayVar(&b.relays, "relay", nil, "measure `[LABEL=]COMMAND`, which takes lttng-relayd's options; may be repeated; default: this program, and lttng-relayd if it is installed")
	f.StringVar(&b.cells, "cells", "", "measure these `CELLS`, separated by commas")
	f.StringVar(&b.index, "index", "pipelined", "with --cells: send indexes in these `MODES`: pipelined, sync or both, separated by commas")
	f.StringVar(&b.viewers, "viewers", "0", "with --cells: attach these `NUMBERS` of live viewers to each session, separated by commas")
	f.StringVar(&b.volume, "volume", "", "send this `SIZE` in each run, for instance 64MiB; default: 256MiB up to packets of 4 KiB, else 1GiB")
	f.IntVar(&b.runs, "runs", 5, "run each workload `N` times with each relay")
	f.StringVar(&b.dir, "dir", "", "let the relays write below `DIR`; default: /dev/shm")
	f.DurationVar(&b.timeout, "timeout", 5*time.Minute, "give up a run after `DURATION`")
	f.BoolVar(&b.quick, "quick", false, "measure a few cells with a small volume")
	f.BoolVar(&b.verify, "verify", false, "compare stored files and viewed packets with what was sent")
	b.benchForm.addFlags(c)
	f.IntVar(&b.idle, "idle-connections", 0, "measure with `N` idle control connections")
	f.IntVar(&b.streams, "streams-memory", 0, "measure the memory that `N` streams take")
	f.BoolVar(&b.announce, "announce", false, "measure with 100 connections that announce 128 MiB each")
	f.IntVar(&b.readers, "babeltrace", 0, "measure what `N` babeltrace2 on one session take from its throughput")
	c.MarkFlagsMutuallyExclusive("cells", "quick")
}

// run measures and prints.
func (b *benchRelay) run(ctx context.Context, stdout, stderr io.Writer) error {
	bench, err := b.bench(stdout, stderr)
	if err != nil {
		return err
	}
	if b.idle != 0 || b.streams != 0 || b.announce {
		return b.runScenarios(ctx, bench, stdout)
	}
	if b.readers != 0 {
		return b.runCrowd(ctx, bench, stdout)
	}
	workloads, err := b.workloads()
	if err != nil {
		return err
	}
	report, err := bench.Measure(ctx, workloads)
	if err != nil {
		return err
	}
	return b.print(stdout, report)
}

// bench returns the measuring program as the flags describe it.
func (b *benchRelay) bench(stdout, stderr io.Writer) (relaybench.Bench, error) {
	bench := relaybench.Bench{Runs: b.runs, Dir: b.dir, Verify: b.verify, Timeout: b.timeout}
	if b.runs < 1 {
		return bench, usageErrorf("--runs: got %d, want at least 1", b.runs)
	}
	var err error
	if bench.Relays, err = b.relaysUnderTest(); err != nil {
		return bench, err
	}
	status := newStatusLine(stderr)
	bench.OnStart = func(s relaybench.Step) {
		status.show(fmt.Sprintf("[%d/%d] %s %s", s.Number, s.Total, s.Workload, s.Relay))
	}
	bench.OnRun = func(r relaybench.Run) {
		status.show("")
		if b.json {
			_ = relaybench.WriteRun(stdout, r) // a closed pipe shows when the summaries are written
		}
	}
	return bench, nil
}

// relaysUnderTest returns the relays of the flags, or the default ones.
func (b *benchRelay) relaysUnderTest() ([]relaybench.Relay, error) {
	var relays []relaybench.Relay
	for _, text := range b.relays {
		r, err := relaybench.ParseRelay(text)
		if err != nil {
			return nil, usageErrorf("--relay: %w", err)
		}
		relays = append(relays, r)
	}
	if len(relays) > 0 {
		return relays, nil
	}
	self, err := thisProgram()
	if err != nil {
		return nil, err
	}
	relays = []relaybench.Relay{{Label: "weir", Command: benchproc.WeirRelay(self)}}
	if path := installed("lttng-relayd"); path != "" {
		relays = append(relays, relaybench.Relay{Label: "lttng-relayd", Command: []string{path}})
	}
	return relays, nil
}

// workloads returns what the flags ask to measure.
func (b *benchRelay) workloads() ([]relaybench.Workload, error) {
	workloads := relaybench.Suite()
	if b.quick {
		workloads = relaybench.QuickSuite()
	}
	if b.cells != "" {
		var err error
		if workloads, err = b.product(); err != nil {
			return nil, &exitError{code: exitUsage, err: err}
		}
	}
	if b.volume == "" {
		return workloads, nil
	}
	volume, err := config.ParseBytes(b.volume)
	if err != nil || volume == 0 {
		return nil, usageErrorf("--volume: want a size such as 64MiB, got %q", b.volume)
	}
	for i := range workloads {
		workloads[i].VolumeBytes = int64(volume)
	}
	return workloads, nil
}

// product returns the workloads of all cells with all index modes and numbers
// of viewers.
func (b *benchRelay) product() ([]relaybench.Workload, error) {
	cells, err := relaybench.ParseCells(b.cells)
	if err != nil {
		return nil, fmt.Errorf("--cells: %w", err)
	}
	var workloads []relaybench.Workload
	for _, cell := range cells {
		for text := range strings.SplitSeq(b.index, ",") {
			mode, err := relaybench.ParseIndexMode(strings.TrimSpace(text))
			if err != nil {
				return nil, fmt.Errorf("--index: %w", err)
			}
			for text := range strings.SplitSeq(b.viewers, ",") {
				const most = 100
				viewers, err := strconv.Atoi(strings.TrimSpace(text))
				if err != nil || viewers < 0 || viewers > most {
					return nil, fmt.Errorf("--viewers: got %q, want a number from 0 to %d", text, most)
				}
				workloads = append(workloads, relaybench.Workload{Cell: cell, Index: mode, Viewers: viewers})
			}
		}
	}
	return workloads, nil
}

// runScenarios measures the scenarios that were asked for.
func (b *benchRelay) runScenarios(ctx context.Context, bench relaybench.Bench, stdout io.Writer) error {
	if b.idle < 0 || b.streams < 0 {
		return usageErrorf("--idle-connections and --streams-memory want positive numbers")
	}
	var strains []relaybench.Strain
	add := func(wanted bool, measure func() ([]relaybench.Strain, error)) error {
		if !wanted {
			return nil
		}
		more, err := measure()
		strains = append(strains, more...)
		return err
	}
	err := add(b.streams > 0, func() ([]relaybench.Strain, error) { return bench.StreamsMemory(ctx, b.streams) })
	if err == nil {
		err = add(b.idle > 0, func() ([]relaybench.Strain, error) { return bench.IdleConnections(ctx, b.idle) })
	}
	if err == nil {
		err = add(b.announce, func() ([]relaybench.Strain, error) { return bench.Announce(ctx) })
	}
	if err != nil {
		return err
	}
	write := choose(b.benchForm, relaybench.WriteStrains, relaybench.WriteStrainsJSON, relaybench.WriteStrainsMarkdown)
	if err := write(stdout, strains); err != nil {
		return err
	}
	return relaybench.StrainError(strains)
}

// runCrowd measures a session that babeltrace2 read.
func (b *benchRelay) runCrowd(ctx context.Context, bench relaybench.Bench, stdout io.Writer) error {
	const most = 100
	if b.readers < 0 || b.readers > most {
		return usageErrorf("--babeltrace: got %d, want a number up to %d", b.readers, most)
	}
	crowds, err := bench.Crowd(ctx, b.readers)
	if err != nil {
		return err
	}
	write := choose(b.benchForm, relaybench.WriteCrowds, relaybench.WriteCrowdsJSON, relaybench.WriteCrowdsMarkdown)
	if err := write(stdout, crowds); err != nil {
		return err
	}
	return relaybench.CrowdError(crowds)
}

// isTerminal reports whether a person watches what is written.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}
