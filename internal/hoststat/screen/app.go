// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package screen

import (
	"context"
	"fmt"
	"time"

	"github.com/gdamore/tcell/v2"

	"github.com/weir-io/weir/internal/hoststat/poll"
	"github.com/weir-io/weir/internal/hoststat/table"
)

// mode is what covers the table.
type mode uint8

const (
	showTable mode = iota
	showHelp
	showDetail
	showChart
	askFilter // a line is being typed
	askColumn
)

// app is the monitor. One goroutine owns it.
type app struct {
	canvas  canvas
	cluster *poll.Cluster
	opts    Options
	table   table.Table

	mode    mode
	view    *table.View
	o       table.Options
	row     int    // that is selected
	first   int    // that is seen
	shift   int    // columns that are scrolled away
	host    string // of the detail
	scroll  int    // lines of the help or detail that are scrolled away
	typed   []rune
	message string // for the last line, until the next key
	paused  bool
	vi      bool

	generation uint64
	drawn      time.Time
	cost       time.Duration // of filling the table
	filled     bool // the table is that of the view and the options
	start      time.Time
}

// Run shows the cluster until q is pressed, ctx ends or there were enough periods.
// It initialises and finishes the screen.
func Run(ctx context.Context, s tcell.Screen, c *poll.Cluster, o Options) (err error) {
	if err := s.Init(); err != nil {
		return fmt.Errorf("terminal: %w", err)
	}
	// Also when drawing panics: the message shall be readable.
	defer s.Fini()
	a := newApp(s, c, o)
	events := make(chan tcell.Event, 64)
	quit := make(chan struct{})
	done := make(chan struct{})
	go func() { // ends with quit or the screen; waited for below
		defer close(done)
		s.ChannelEvents(events, quit)
	}()
	defer func() { close(quit); <-done }()
	return a.loop(ctx, events)
}

func newApp(s tcell.Screen, c *poll.Cluster, o Options) *app {
	a := &app{cluster: c, opts: o, o: o.Table, vi: o.ViKeys, start: time.Now()}
	a.canvas = canvas{screen: s, ascii: o.ASCII, style: newPalette(o.Plain)}
	a.setView(o.View)
	a.o = o.Table
	return a
}

// loop draws and takes keys.
func (a *app) loop(ctx context.Context, events <-chan tcell.Event) error {
	tick := time.NewTicker(minFrame)
	defer tick.Stop()
	a.draw()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if a.opts.Count > 0 && time.Since(a.start) > time.Duration(a.opts.Count)*a.cluster.Delay() {
				return nil
			}
			if a.due() {
				a.refill()
				a.draw()
			}
		case e, ok := <-events:
			if !ok || a.event(e) {
				return nil
			}
			// Keys that wait already are taken before the screen is drawn: who
			// holds one down does not wait for what is overtaken.
			for more := true; more; {
				select {
				case e, ok := <-events:
					if !ok || a.event(e) {
						return nil
					}
				default:
					more = false
				}
			}
			a.draw()
		}
	}
}

// due reports whether there is something new to draw. Where that takes long,
// because there are thousands of hosts, it is done less often than ten times a
// second: it shall take a twentieth of the time at most.
func (a *app) due() bool {
	if a.paused {
		return false
	}
	since := time.Since(a.drawn)
	if a.cluster.Generation() == a.generation {
		return since >= time.Second // ages and times of day change without a message
	}
	return since >= min(max(minFrame, 20*a.cost), time.Second)
}

// event takes an event, and reports whether it is the end.
func (a *app) event(e tcell.Event) bool {
	switch e := e.(type) {
	case *tcell.EventResize:
		a.canvas.screen.Sync()
	case *tcell.EventKey:
		a.message = ""
		return a.key(e)
	}
	return false
}

// setView changes the view. Columns of one view are none of another, so that it is
// sorted as it is by itself.
func (a *app) setView(v *table.View) {
	a.view, a.row, a.first, a.shift, a.filled = v, 0, 0, 0, false
	a.o.Sort, a.o.Reverse = v.Sorted, v.Reverse
	a.mode = showTable
	a.cluster.SetWant(v.Want)
}

// refill makes the next redraw fill the table anew. Moving about in it does not.
func (a *app) refill() { a.filled = false }

func (a *app) fill() {
	if a.filled {
		return
	}
	begin := time.Now()
	defer func() { a.cost = time.Since(begin) }()
	a.generation = a.cluster.Generation()
	a.table.Fill(a.cluster, a.view, &a.o)
	a.filled = true
}

// current returns the row that is selected.
func (a *app) current() *table.Row {
	if a.row < 0 || a.row >= len(a.table.Rows) {
		return nil
	}
	return &a.table.Rows[a.row]
}
