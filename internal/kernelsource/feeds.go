// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package kernelsource

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/weir-io/weir/internal/filter"
	"github.com/weir-io/weir/internal/handover"
	"github.com/weir-io/weir/internal/kernel/ftrace"
	"github.com/weir-io/weir/internal/kernel/proc"
	"github.com/weir-io/weir/internal/kernel/tracefs"
	"github.com/weir-io/weir/internal/kerneltrace"
	"github.com/weir-io/weir/internal/source"
)

// feedBytes is the ring of a processor for events that tell of threads. The consumer
// reads it when it wants to know something, and each second.
const feedBytes = 512 << 10

// feeds is an instance for the events that tell what contexts say of threads. It is
// the consumer's alone: what a user records, of which processes, and with what
// filters, does not matter.
type feeds struct {
	t        *trace
	instance *tracefs.Instance
	events   []tracefs.EventName
	formats  []*ftrace.Format
	open     map[int]bool // processors whose rings the consumer has
}

// Feed implements source.Feeding.
func (t *trace) Feed() (source.Feed, error) {
	var fresh []tracefs.EventName
	for _, name := range kerneltrace.Feeds(t.taskContexts()) {
		system, event, _ := strings.Cut(name, ":")
		n := tracefs.EventName{System: system, Name: event}
		if t.feeds == nil || !slices.Contains(t.feeds.events, n) {
			fresh = append(fresh, n)
		}
	}
	if len(fresh) > 0 {
		if err := t.feed(fresh); err != nil {
			return nil, fmt.Errorf("events that tell of threads: %w", err)
		}
	}
	if t.feeds == nil {
		return nil, nil
	}
	return t.feeds, nil
}

// taskContexts are the contexts of all channels, and those that filters ask about
// which the consumer evaluates.
func (t *trace) taskContexts() (all []kerneltrace.Context) {
	for _, c := range t.channels {
		all = append(all, c.contexts...)
		for _, expression := range c.kept {
			all = append(all, contextsOf(expression)...)
		}
	}
	return all
}

// contextsOf lists the contexts that an expression names.
func contextsOf(expression string) (all []kerneltrace.Context) {
	e, err := filter.Parse(expression)
	if err != nil {
		return nil // it was read before
	}
	for _, f := range e.Fields() {
		if f.Root != filter.Context || len(f.Path) == 0 {
			continue
		}
		if x, err := kerneltrace.ParseContext(f.Path[0].Name); err == nil {
			all = append(all, x)
		}
	}
	return all
}

// feed has more events recorded.
func (t *trace) feed(events []tracefs.EventName) error {
	if t.feeds == nil {
		in, err := t.s.create(t.fs, t.info, "feeds", tracefs.InstanceOptions{Clock: t.clock, RingBytes: feedBytes, WakePercent: wakePercent})
		if err != nil {
			return instanceProblem(err)
		}
		t.feeds = &feeds{t: t, instance: in, open: make(map[int]bool)}
	}
	f := t.feeds
	for _, n := range events {
		format, err := t.s.format(n)
		if errors.Is(err, tracefs.ErrNoEvent) {
			continue // this kernel has no such event
		}
		if err != nil {
			return fmt.Errorf("event %s: %w", n, err)
		}
		f.events, f.formats = append(f.events, n), append(f.formats, format)
	}
	refused, err := f.instance.EnableEvents(events)
	for _, e := range refused {
		if !errors.Is(e, tracefs.ErrNoEvent) {
			t.s.log.Warn("what contexts say of threads may be old", "session", t.info.Name, "event", e.Event, "err", e)
		}
	}
	return err
}

// Describe implements source.Feed.
func (f *feeds) Describe(o *handover.Channel) (*os.File, error) {
	o.Feed, o.Ring, o.Clock = true, true, f.t.clock
	if proc.Numbered() {
		o.AskTasks, o.AskOwners = true, kerneltrace.AsksOwners(f.t.taskContexts())
	}
	b, err := json.Marshal(f.formats)
	if err != nil {
		return nil, err
	}
	return handover.Blob("events of threads", b)
}

// Streams implements source.Feed.
func (f *feeds) Streams() ([]source.Stream, error) {
	clear(f.open)
	return f.MoreStreams()
}

// MoreStreams implements source.Feed.
func (f *feeds) MoreStreams() (all []source.Stream, err error) {
	cpus, err := f.t.s.cpus(f.instance, func(cpu int) bool { return f.open[cpu] })
	if err != nil {
		return nil, err
	}
	subbuf, err := f.instance.SubbufferBytes()
	if err != nil {
		return nil, err
	}
	for _, cpu := range cpus {
		if f.open[cpu] {
			continue
		}
		pipe, err := f.instance.OpenPipe(cpu)
		if err == nil {
			var stats *os.File
			if stats, err = f.instance.OpenStats(cpu); err == nil {
				f.open[cpu] = true
				all = append(all, source.Stream{CPU: uint32(cpu), SubbufBytes: subbuf, Files: []*os.File{pipe, stats}})
				continue
			}
			pipe.Close()
		}
		for _, st := range all {
			handover.CloseAll(st.Files)
		}
		return nil, err
	}
	return all, nil
}

// startFeeds has threads told of from now on.
func (t *trace) startFeeds() error {
	if t.feeds == nil {
		return nil
	}
	return t.feeds.instance.SetTracing(true)
}

// stopFeeds ends that when nothing is recorded any more.
func (t *trace) stopFeeds() error {
	if t.feeds == nil || slices.ContainsFunc(t.channels, func(c *channel) bool { return c.started }) {
		return nil
	}
	return t.feeds.instance.SetTracing(false)
}

// removeFeeds takes the instance away.
func (t *trace) removeFeeds() error {
	if t.feeds == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), removeTimeout)
	defer cancel()
	return t.s.remove(ctx, t.feeds.instance)
}
