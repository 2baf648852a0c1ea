// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package screen

import (
	"context"
	"fmt"
	"os"
	"syscall"
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
	gone    bool // the terminal is
	vi      bool

	drawn  time.Time
	cost   time.Duration // of the last redraw with new data
	filled bool          // the table is that of the view and the options
	start  time.Time
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

// clockPeriod is how often the screen is drawn when nothing comes in: ages and
// times of day change by themselves.
const clockPeriod = time.Second

// loop draws and takes keys. It sleeps as long as it can: each time that a program
// wakes up, Go's monitor of threads runs for a while, which costs more than the
// drawing.
func (a *app) loop(ctx context.Context, events <-chan tcell.Event) error {
	frame, clock := time.NewTimer(0), time.NewTimer(clockPeriod)
	defer frame.Stop()
	defer clock.Stop()
	var end <-chan time.Time
	if a.opts.Count > 0 {
		end = time.After(time.Duration(a.opts.Count) * a.cluster.Delay())
	}
	changed := a.cluster.Changed()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-end:
			return nil
		case <-changed:
			changed = nil // until it is drawn
			frame.Reset(max(0, a.interval()-time.Since(a.drawn)))
		case <-frame.C:
			a.tick()
			changed = a.cluster.Changed()
			clock.Reset(clockPeriod)
		case <-clock.C:
			a.tick()
			clock.Reset(clockPeriod)
		case s := <-a.opts.Signals:
			if a.signal(s); a.gone {
				return nil
			}
		case e, ok := <-events:
			if !ok || a.keys(e, events) {
				return nil
			}
		}
	}
}

// signal takes a signal of job control.
func (a *app) signal(s os.Signal) {
	if s == syscall.SIGTSTP {
		a.suspend()
	} else {
		a.takeTerminal()
	}
	if !a.gone {
		a.draw()
	}
}

// keys takes an event and those that wait behind it before the screen is drawn:
// who holds a key down does not wait for what is overtaken. It reports whether one
// was the end.
func (a *app) keys(e tcell.Event, events <-chan tcell.Event) bool {
	for {
		if a.event(e) {
			return true
		}
		select {
		case next, ok := <-events:
			if !ok {
				return true
			}
			e = next
		default:
			a.draw()
			return false
		}
	}
}

// interval is the least time between two redraws for what has come in: a tenth of
// a second, or where there are many hosts so much that drawing takes half a percent
// of the time.
func (a *app) interval() time.Duration {
	return min(max(minFrame, 200*a.cost), clockPeriod)
}

// tick draws what has come in.
func (a *app) tick() {
	if !a.paused {
		a.refill()
		a.draw()
	}
}

// event takes an event, and reports whether it is the end.
func (a *app) event(e tcell.Event) bool {
	switch e := e.(type) {
	case *tcell.EventResize:
		a.canvas.screen.Sync()
	case *tcell.EventError: // the terminal is gone
		return true
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
	a.show(showTable)
	a.cluster.SetWant(v.Want)
}

// show covers the table by something else, or by nothing. A host whose detail was
// shown is asked no longer for all that it has.
func (a *app) show(m mode) {
	if a.mode == showDetail && m != showDetail {
		a.cluster.Focus("", 0)
	}
	a.mode, a.scroll = m, 0
}

// refill makes the next redraw fill the table anew. Moving about in it does not.
func (a *app) refill() { a.filled = false }

func (a *app) fill() {
	if a.filled {
		return
	}
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
