// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relaybench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/weir-io/weir/internal/bench"
	"github.com/weir-io/weir/internal/procstat"
)

// crowdEvents is the events of a packet that readers see. Babeltrace needs
// longer to decode a full packet than any relay to move it.
const crowdEvents = 8

// Crowd is what a relay does with many babeltrace2 on one session, against the
// same session without: medians of all runs that succeeded.
type Crowd struct {
	Relay    string `json:"relay"`
	Workload `json:"workload"`
	Runs     int `json:"runs"`     // that succeeded
	Readers  int `json:"readers"`  // started
	Complete int `json:"complete"` // of them, that saw each event; in the worst run

	AloneMiBPerS float64 `json:"alone_mib_per_s"` // without readers
	MiBPerS      float64 `json:"mib_per_s"`       // with
	Loss         float64 `json:"loss"`            // part of the throughput that the readers take; negative for none
	AloneCPU     float64 `json:"alone_cpu_s_per_gib"`
	CPU          float64 `json:"cpu_s_per_gib"`  // with readers, until all is stored
	ReadersCPUS  float64 `json:"readers_cpu_s"`  // of all readers, until all is stored
	ReadersDoneS float64 `json:"readers_done_s"` // from the start of the load until the last one ended

	Remark string `json:"remark,omitempty"` // why a reader is not complete
	Error  string `json:"error,omitempty"`  // of the first run that failed
}

// crowdWorkload is the load that readers watch.
func crowdWorkload() Workload {
	return Workload{Cell: Cell{1, 16, 64 << 10}, Live: true, Events: crowdEvents}.withDefaults()
}

// Crowd loads a session alone and with the given number of babeltrace2 that
// read it live, the relays taking turns. The readers run at idle priority: on a
// real site they are on other machines, and what they cost there is not the
// relay's.
func (b Bench) Crowd(ctx context.Context, readers int) ([]Crowd, error) {
	return b.crowd(ctx, readers, crowdWorkload())
}

func (b Bench) crowd(ctx context.Context, readers int, w Workload) ([]Crowd, error) {
	b, err := b.withDefaults()
	if err == nil {
		err = lookForReader()
	}
	if err != nil {
		return nil, err
	}
	runs := make([][]crowdRun, len(b.Relays))
	step := Step{Total: 2 * b.Runs * len(b.Relays), Workload: w}
	for number := range b.Runs {
		for i, relay := range b.Relays {
			run := crowdRun{}
			for _, n := range []int{0, readers} {
				step.Number++
				step.Relay = relay.Label
				b.OnStart(step)
				if run.err == nil {
					run.err = b.runCrowd(ctx, relay, w, n, &run)
				}
				if ctx.Err() != nil {
					return nil, context.Cause(ctx)
				}
			}
			run.alone.Number, run.with.Number = number+1, number+1
			runs[i] = append(runs[i], run)
		}
	}
	results := make([]Crowd, len(b.Relays))
	for i, relay := range b.Relays {
		results[i] = summarizeCrowd(relay.Label, w, readers, runs[i])
	}
	return results, nil
}

// crowdRun is a run without readers and one with them.
type crowdRun struct {
	alone, with Run
	complete    int
	readersCPU  time.Duration
	readersDone time.Duration
	remark      string
	err         error
}

// runCrowd measures a fresh relay with the given number of readers.
func (b Bench) runCrowd(ctx context.Context, relay Relay, w Workload, readers int, run *crowdRun) error {
	return b.withRelay(ctx, relay, func(ctx context.Context, p process) error {
		l, err := Open(ctx, p.Ports, w, b.Verify)
		if err != nil {
			return err
		}
		defer l.Close()
		if readers == 0 {
			if err := p.measure(ctx, l, &run.alone); err != nil {
				return err
			}
			return b.conclude(p, l, nil)
		}
		all, err := startReaders(ctx, p.Ports, l.producers[0], readers)
		defer func() { stopReaders(all) }()
		if err != nil {
			return p.Explain(err)
		}
		for _, r := range all {
			if err := r.yield(); err != nil {
				return err
			}
		}
		start := time.Now()
		if err := p.measure(ctx, l, &run.with); err != nil {
			return err
		}
		if run.readersCPU, err = p.readersCPU(all); err != nil {
			return err
		}
		if err := b.conclude(p, l, all); err != nil {
			return err
		}
		run.judge(all, start, w)
		return nil
	})
}

// readersCPU returns what readers have run since they were started; those that
// have ended are left out.
func (p process) readersCPU(all []*reader) (time.Duration, error) {
	pids := []int{os.Getpid()} // stands for "always there", and is taken off again
	for _, r := range all {
		pids = append(pids, r.cmd.Process.Pid)
	}
	self, err := procstat.ReadClock(procstat.Host(), pids[0])
	if err != nil {
		return 0, err
	}
	with, err := procstat.ReadClock(procstat.Host(), pids...)
	return with.Since(self), err
}

// judge looks at what the readers saw.
func (run *crowdRun) judge(all []*reader, start time.Time, w Workload) {
	events := w.sessionPackets() * newFill(w.PacketBytes, w.Events).events
	for _, r := range all {
		if err := r.check(events); err != nil {
			run.remark = err.Error()
			continue
		}
		run.complete++
		run.readersDone = max(run.readersDone, r.end.Sub(start))
	}
}

func summarizeCrowd(relay string, w Workload, readers int, runs []crowdRun) Crowd {
	c := Crowd{Relay: relay, Workload: w, Readers: readers, Complete: readers}
	var good []crowdRun
	for _, run := range runs {
		if run.err != nil {
			if c.Error == "" {
				c.Error = run.err.Error()
			}
			continue
		}
		good = append(good, run)
		c.Complete = min(c.Complete, run.complete)
		if c.Remark == "" {
			c.Remark = run.remark
		}
	}
	if c.Runs = len(good); c.Runs == 0 {
		c.Complete = 0
	}
	of := func(figure func(crowdRun) float64) float64 { return bench.Median(bench.Figures(good, figure)) }
	c.AloneMiBPerS = of(func(r crowdRun) float64 { return r.alone.MiBPerS })
	c.MiBPerS = of(func(r crowdRun) float64 { return r.with.MiBPerS })
	c.AloneCPU = of(func(r crowdRun) float64 { return r.alone.CPUPerGiB })
	c.CPU = of(func(r crowdRun) float64 { return r.with.CPUPerGiB })
	c.ReadersCPUS = of(func(r crowdRun) float64 { return r.readersCPU.Seconds() })
	c.ReadersDoneS = of(func(r crowdRun) float64 { return r.readersDone.Seconds() })
	if c.Runs > 0 {
		c.Loss = 1 - bench.Ratio(c.MiBPerS, c.AloneMiBPerS)
	}
	return c
}

// crowdText stands above the tables: figures of readers that share the relay's
// processors mean little without it.
func crowdText(c Crowd) string {
	return fmt.Sprintf("%d %s read one session of %d streams live, from its beginning: %s in packets of %s with %d events each,\n"+
		"the rest of a packet padding; medians of %d runs. The readers run at idle priority (SCHED_IDLE), as on a real site\n"+
		"they run on other machines: they take what load and relay leave, and catch up when the load has ended. What the\n"+
		"relay does for them is in its throughput and CPU time, which are taken while the load runs.\n\n",
		c.Readers, readerProgram, c.Streams, size(int(c.VolumeBytes)), size(c.PacketBytes), c.Events, c.Runs)
}

func crowdTable(crowds []Crowd) *bench.Table {
	t := bench.NewTable("relay", "readers complete", "MiB/s without", "MiB/s with", "loss", "CPU s/GiB without", "with",
		"readers' CPU s meanwhile", "last reader done after s")
	for _, c := range crowds {
		t.Add(c.cells()...)
	}
	return t
}

func (c Crowd) cells() []string {
	loss := figure(0, 0)
	if c.Runs > 0 {
		loss = bench.Percent(c.Loss)
	}
	return []string{
		c.Relay, strconv.Itoa(c.Complete) + " of " + strconv.Itoa(c.Readers),
		figure(c.AloneMiBPerS, 0), figure(c.MiBPerS, 0), loss, figure(c.AloneCPU, 2), figure(c.CPU, 2),
		figure(c.ReadersCPUS, 1), figure(c.ReadersDoneS, 1),
	}
}

// WriteCrowds writes the results as a table.
func WriteCrowds(w io.Writer, crowds []Crowd) error {
	if len(crowds) == 0 {
		return nil
	}
	if _, err := io.WriteString(w, crowdText(crowds[0])); err != nil {
		return err
	}
	if err := crowdTable(crowds).WriteText(w); err != nil {
		return err
	}
	for _, c := range crowds {
		for _, text := range []string{c.Remark, c.Error} {
			if text == "" {
				continue
			}
			if _, err := fmt.Fprintf(w, "\n%s: %s\n", c.Relay, text); err != nil {
				return err
			}
		}
	}
	return nil
}

// WriteCrowdsMarkdown writes the results as a Markdown table.
func WriteCrowdsMarkdown(w io.Writer, crowds []Crowd) error {
	if len(crowds) == 0 {
		return nil
	}
	if _, err := io.WriteString(w, crowdText(crowds[0])); err != nil {
		return err
	}
	return crowdTable(crowds).WriteMarkdown(w)
}

// WriteCrowdsJSON writes each result as a line of JSON, {"crowd": …}.
func WriteCrowdsJSON(w io.Writer, crowds []Crowd) error {
	for _, c := range crowds {
		if err := writeLine(w, map[string]any{"crowd": c}); err != nil {
			return err
		}
	}
	return nil
}

// CrowdError returns an error that names the first relay, other than the
// baseline, that failed or left a reader incomplete.
func CrowdError(crowds []Crowd) error {
	var labels []string
	for _, c := range crowds {
		labels = append(labels, c.Relay)
	}
	for _, c := range crowds {
		switch {
		case c.Relay == baseline(labels):
		case c.Error != "":
			return errors.New("readers with " + c.Relay + ": " + c.Error)
		case c.Complete < c.Readers:
			return fmt.Errorf("readers with %s: %d of %d complete: %s", c.Relay, c.Complete, c.Readers, c.Remark)
		}
	}
	return nil
}
