// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package convert

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/ctf/schema"
	"github.com/weir-io/weir/internal/progress"
)

// Job is a conversion.
type Job struct {
	Inputs []string // directories at or below which traces are
	Output string   // a directory that is not there, or is empty
	Format schema.Version
	Select Selection

	ForceCorrelate bool // take traces together although their clocks have nothing in common
	Jobs           int  // streams to convert at a time; 0: as many as there are processors

	// Warn is called with what is odd about the metadata; nil: nobody is told.
	Warn     func(path, text string)
	Progress progress.Func // nil: not wanted
}

// InputError says that streams end early, because of what is wrong with the
// input. All before that was converted.
type InputError struct {
	Streams []string // what is wrong, and in which stream
}

// Error gives the message on one line.
func (e *InputError) Error() string {
	named, more := e.Streams, ""
	if n := len(named) - maxNamed; n > 0 {
		named, more = named[:maxNamed], fmt.Sprintf(" (and %d streams more)", n)
	}
	return "converted up to: " + strings.Join(named, "; ") + more
}

// Run does the job. With an [*InputError] the output is there, with any other
// error it is not.
func (j *Job) Run(ctx context.Context) (*Result, error) {
	inputs := make([]string, len(j.Inputs))
	for i, in := range j.Inputs {
		inputs[i] = filepath.Clean(in)
	}
	if err := checkFree(filepath.Clean(j.Output)); err != nil {
		return nil, err
	}
	set, err := ctf.Open(ctf.Options{ForceCorrelate: j.ForceCorrelate, Warn: j.Warn}, inputs...)
	if err != nil {
		return nil, err
	}
	if j.Select.Opened != nil {
		j.Select.Opened(set)
	}
	choice, err := newChoice(j.Select, set)
	if err != nil {
		return nil, err
	}
	traces, err := j.plan(set, choice, inputs)
	if err != nil {
		return nil, err
	}
	out, err := newOutput(j.Output)
	if err != nil {
		return nil, err
	}
	if err := j.write(ctx, out.root, traces); err != nil {
		return nil, errors.Join(err, out.remove())
	}
	if err := out.finish(); err != nil {
		return nil, err
	}
	return j.report(traces)
}

// traceJob converts a trace.
type traceJob struct {
	in       *ctf.Trace
	place    string
	format   schema.Version
	out      *schema.Trace
	metadata []byte
	streams  []*streamJob
}

// plan finds out what is to be done, and whether it can be, before anything is
// written.
func (j *Job) plan(set *ctf.Set, c *choice, inputs []string) ([]*traceJob, error) {
	var kept []*ctf.Trace
	for _, t := range set.Traces {
		if c.host(t) {
			kept = append(kept, t)
		}
	}
	if len(kept) == 0 {
		return nil, fmt.Errorf("no trace of a host %s: want one of %s", j.Select.Host, hosts(set))
	}
	var traces []*traceJob
	var errs []error
	n := 0
	for i, place := range places(kept, inputs) {
		t, err := j.planTrace(kept[i], place, c)
		errs = append(errs, err)
		traces = append(traces, t)
		n += len(t.streams)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	if n == 0 && c.streams != nil {
		return nil, fmt.Errorf("no stream of a channel %s: want one of %s", strings.Join(j.Select.Streams, ", "), channels(kept))
	}
	return traces, nil
}

func (j *Job) planTrace(in *ctf.Trace, place string, c *choice) (*traceJob, error) {
	t := &traceJob{in: in, place: place, format: j.Format, out: identified(in.Schema, c)}
	if t.format == 0 {
		t.format = in.Schema.Version
	}
	taken := map[string]bool{"metadata": true, "index": true}
	for _, s := range in.Streams {
		file := ""
		if len(s.Files) > 0 {
			file = fileOf(s)
		} else {
			file = filepath.Base(s.Name) // nothing of it can be read
		}
		if !c.stream(file) {
			continue
		}
		class := t.out.Stream(s.Class.ID)
		if class == nil {
			class = s.Class
		}
		sj := newStreamJob(s, class, c)
		sj.file = unique(taken, file)
		sj.result.File = sj.file
		t.streams = append(t.streams, sj)
	}
	name := in.Name
	if name == "" {
		name = in.Dirs[0]
	}
	var err error
	if t.metadata, err = metadataOf(t.out, t.format, name); err == nil {
		err = checkMetadata(t.metadata, t.out, name)
	}
	return t, err
}

// hosts names the hosts of traces.
func hosts(set *ctf.Set) string {
	var names []string
	for _, t := range set.Traces {
		host, _ := t.Schema.EnvString("hostname")
		names = append(names, host)
	}
	return words(names)
}

// channels names the channels of traces.
func channels(traces []*ctf.Trace) string {
	var names []string
	for _, t := range traces {
		for _, s := range t.Streams {
			if len(s.Files) > 0 {
				names = append(names, channelOf(fileOf(s)))
			}
		}
	}
	return words(names)
}

// words lists different words, at most maxNamed.
func words(all []string) string {
	slices.Sort(all)
	all = slices.Compact(all)
	if len(all) > maxNamed {
		return strings.Join(all[:maxNamed], ", ") + " …"
	}
	return strings.Join(all, ", ")
}

// write writes all traces below a directory.
func (j *Job) write(ctx context.Context, root string, traces []*traceJob) error {
	var p progress.Counter
	var total int64
	var streams []*streamJob
	for _, t := range traces {
		dir := filepath.Join(root, t.place)
		if err := os.MkdirAll(dir, 0o777); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, "metadata"), t.metadata, 0o666); err != nil {
			return err
		}
		for _, s := range t.streams {
			s.dir, s.progress = dir, &p
			streams = append(streams, s)
			total += s.size()
		}
	}
	slices.SortStableFunc(streams, func(a, b *streamJob) int { return cmp.Compare(b.size(), a.size()) })
	defer p.Tell(j.Progress, total)()
	return j.each(ctx, streams)
}

// each converts streams, several at a time. The first error ends all.
func (j *Job) each(ctx context.Context, streams []*streamJob) error {
	n := j.Jobs
	if n <= 0 {
		n = runtime.GOMAXPROCS(0)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	next := make(chan *streamJob)
	var wg sync.WaitGroup
	for range min(n, len(streams)) {
		wg.Go(func() { // ends with next, and each waits for it
			for s := range next {
				if err := s.run(ctx); err != nil {
					cancel(err)
				}
			}
		})
	}
	for _, s := range streams {
		if ctx.Err() != nil {
			break
		}
		next <- s
	}
	close(next)
	wg.Wait()
	return context.Cause(ctx)
}

// report sums up.
func (j *Job) report(traces []*traceJob) (*Result, error) {
	r := &Result{Output: j.Output}
	bad := &InputError{}
	for _, t := range traces {
		host, _ := t.in.Schema.EnvString("hostname")
		tr := TraceResult{Path: filepath.ToSlash(t.place), Inputs: t.in.Dirs, Host: host, Format: fmt.Sprintf("ctf%d", t.format)}
		if t.out.UUID != nil {
			tr.UUID = t.out.UUID.String()
		}
		for _, s := range t.streams {
			tr.Streams = append(tr.Streams, s.result)
			r.add(&s.result.Totals)
			if s.result.Error != "" {
				bad.Streams = append(bad.Streams, s.result.Error)
			}
		}
		r.Traces = append(r.Traces, tr)
	}
	if len(bad.Streams) > 0 {
		return r, bad
	}
	return r, nil
}
