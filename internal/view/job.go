// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package view

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/internal/filter"
	"github.com/weir-io/weir/internal/progress"
)

// Job is one call of "weir view": what to show and how.
type Job struct {
	Inputs  []string // directories, URLs of live sessions, or "-" for an archive on In
	Output  string   // text, json, csv, chrome, count or summary
	Columns []string // fields of csv and json
	JSON    bool     // of count and summary
	Text    TextOptions

	// What is shown.
	Begin, End                   TimeArg
	Intersection, ForceCorrelate bool
	ClockOffset                  int64 // ns
	Where, Host                  string
	Head, Tail                   int

	Follow        bool // go on with what comes to the traces
	FromBeginning bool // live sessions from the oldest packet that is stored, not from now on

	In          io.Reader
	MaxUnpacked int64 // bytes of the files in the archive on In; 0: DefaultUnpacked
	Out, Err    io.Writer
	Jobs        int
	Interactive bool // somebody is watching: lines are wanted at once
	// WarningPalette is that of the losses told on Err.
	WarningPalette Palette

	Progress progress.Func // nil: not wanted
}

// Check refuses a job that cannot be done, whatever the inputs are.
func (j *Job) Check() error {
	if j.Where != "" {
		if _, err := NewWhere(j.Where); err != nil {
			return fmt.Errorf("--where: %w", err)
		}
	}
	k := *j
	k.Out, k.Err = io.Discard, io.Discard
	_, err := k.sink()
	return err
}

// Run does the job.
func (j *Job) Run(ctx context.Context) error {
	opts := ctf.Options{
		ClockOffset: j.ClockOffset, ForceCorrelate: j.ForceCorrelate, Growing: j.Follow,
		Warn: func(path, text string) { fmt.Fprintf(j.Err, "%s: %s\n", path, text) },
	}
	inputs, remove, err := j.unpacked(ctx)
	if err != nil {
		return err
	}
	defer remove()
	inputs, urls, err := splitURLs(inputs)
	if err != nil {
		return err
	}
	set, err := ctf.Open(opts, inputs...)
	if err != nil {
		return err
	}
	if len(urls) > 0 || j.Follow {
		return j.live(ctx, inputs, set, urls)
	}
	r := &Run{Set: set, Jobs: j.Jobs}
	if r.Select, err = j.selection(set); err != nil {
		return err
	}
	if j.Where != "" { // of live and growing traces, classes are still to come
		where, err := NewWhere(j.Where)
		if err != nil {
			return fmt.Errorf("--where: %w", err)
		}
		where.WarnMissing(j.Err, set)
	}
	sink, err := j.sink()
	if err != nil {
		return err
	}
	r.Sink = sink
	stop := r.Tell(j.Progress, total(set))
	err = r.Run(ctx)
	stop()
	return errors.Join(err, sink.Close())
}

// unpacked returns the inputs with the archive on In, where that is one of
// them, replaced by a directory that holds its files until remove is called.
func (j *Job) unpacked(ctx context.Context) (inputs []string, remove func(), err error) {
	at := slices.Index(j.Inputs, "-")
	if at < 0 {
		return j.Inputs, func() {}, nil
	}
	dir, err := os.MkdirTemp("", "weir-view-")
	if err != nil {
		return nil, nil, err
	}
	remove = func() { os.RemoveAll(dir) }
	if err := Unpack(ctx, j.In, dir, cmp.Or(j.MaxUnpacked, DefaultUnpacked)); err != nil {
		remove()
		return nil, nil, err
	}
	inputs = slices.Clone(j.Inputs)
	inputs[at] = dir
	return inputs, remove, nil
}

// selection says what of the traces is shown.
func (j *Job) selection(set *ctf.Set) (Selection, error) {
	s := Selection{Intersection: j.Intersection, Head: j.Head, Tail: j.Tail}
	var err error
	if s.Window, err = WindowOf(j.Begin, j.End, firstDay(set), j.Text.Location); err != nil {
		return s, err
	}
	if err := needClocks(set, s); err != nil {
		return s, err
	}
	if j.Host != "" {
		glob := filter.NewGlob(j.Host)
		s.Host = func(host string) bool { return glob.Match([]byte(host)) }
	}
	if j.Where != "" {
		where, err := NewWhere(j.Where)
		if err != nil {
			return s, fmt.Errorf("--where: %w", err)
		}
		s.Keep = func() func(*ctf.Event) bool { return where.Clone().Keep }
	}
	return s, nil
}

// needClocks refuses a window on streams whose events have no time.
func needClocks(set *ctf.Set, s Selection) error {
	if s.Window == All {
		return nil
	}
	for _, st := range set.Streams() {
		if !st.Clocked() && len(st.Packets) > 0 {
			return fmt.Errorf("stream %s has no clock, so that no time can be selected", st.Name)
		}
	}
	return nil
}

// firstDay returns the time of the first packet, whose date times without one have.
func firstDay(set *ctf.Set) int64 {
	if first, ok := set.Begin(); ok {
		return first
	}
	return time.Now().UnixNano() // nothing is there yet: what comes is of today
}

func total(set *ctf.Set) int64 {
	var n int64
	for _, s := range set.Streams() {
		n += s.Bytes()
	}
	return n
}

// outputs are the words for the outputs of a job.
const outputs = "text, json, csv, chrome, count or summary"

// sink makes the sink of the job's output, with warnings of losses.
func (j *Job) sink() (Sink, error) {
	text, out := NewText(j.Text), NewOutput(j.Out)
	var s Sink
	switch j.Output {
	case "text":
		return NewTextSink(text, out, j.Err, j.WarningPalette), nil
	case "json":
		s = NewJSONLines(out)
	case "csv":
		csv, err := NewCSV(out, j.Columns)
		if err != nil {
			return nil, fmt.Errorf("csv: %w: name them with --fields", err)
		}
		s = csv
	case "chrome":
		s = NewTimeline(out)
	case "count", "summary":
		return NewSummary(out, j.summaryForm()), nil // says itself what was lost
	default:
		return nil, fmt.Errorf("unknown output %q: want %s", j.Output, outputs)
	}
	return NewWarner(s, text, j.Err, j.WarningPalette), nil
}

func (j *Job) summaryForm() SummaryForm {
	switch {
	case j.Output == "count" && j.JSON:
		return CountJSON
	case j.Output == "count":
		return CountLines
	case j.JSON:
		return SummaryJSON
	default:
		return SummaryTable
	}
}
