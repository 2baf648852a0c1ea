// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package screen

import (
	"fmt"
	"regexp"
	"time"
	"unicode"

	"github.com/gdamore/tcell/v2"

	"github.com/weir-io/weir/internal/hoststat/page"
	"github.com/weir-io/weir/internal/hoststat/poll"
	"github.com/weir-io/weir/internal/hoststat/table"
)

// key takes a key, and reports whether it is the end.
func (a *app) key(e *tcell.EventKey) bool {
	if a.mode == askFilter || a.mode == askColumn {
		a.typeKey(e)
		return false
	}
	switch e.Key() {
	case tcell.KeyCtrlC:
		return true
	case tcell.KeyCtrlL:
		a.canvas.screen.Sync()
	case tcell.KeyCtrlZ:
		a.suspend()
		return a.gone
	case tcell.KeyUp:
		a.move(-1)
	case tcell.KeyDown:
		a.move(1)
	case tcell.KeyPgUp:
		a.move(-a.page())
	case tcell.KeyPgDn:
		a.move(a.page())
	case tcell.KeyHome:
		a.move(-1 << 30)
	case tcell.KeyEnd:
		a.move(1 << 30)
	case tcell.KeyLeft:
		a.shift = max(0, a.shift-1)
	case tcell.KeyRight:
		a.shift = min(len(a.view.Columns)-2, a.shift+1)
	case tcell.KeyTab:
		a.nextView(1)
	case tcell.KeyBacktab:
		a.nextView(-1)
	case tcell.KeyEnter:
		a.detail()
	case tcell.KeyEscape:
		a.back()
	case tcell.KeyRune:
		return a.letter(e.Rune())
	}
	return false
}

// letter takes a key that is a character.
func (a *app) letter(r rune) bool {
	if a.vi && (r == 'j' || r == 'k') {
		a.move(map[rune]int{'j': 1, 'k': -1}[r])
		return false
	}
	if r == 'q' {
		return true
	}
	if a.command(r) {
		return false
	}
	if v := a.viewOf(r); v != nil {
		a.setView(v)
	}
	return false
}

// viewOf returns the view of a key. Vi's keys leave j to the cursor: views have their
// letters with Shift, too, where no other view or command has them.
func (a *app) viewOf(r rune) *table.View {
	views := table.Views()
	for _, v := range views {
		if v.Key == r {
			return v
		}
	}
	for _, v := range views {
		if a.vi && (v.Name == "jobs" && r == 'o' || unicode.ToUpper(v.Key) == r) {
			return v
		}
	}
	return nil
}

// command takes a letter that is no view's.
func (a *app) command(r rune) bool {
	switch r {
	case 'h', '?':
		a.show(showHelp)
	case 'k':
		a.move(-1)
	case '/':
		a.show(askFilter)
		a.typed = nil
		if a.o.Filter != nil {
			a.typed = []rune(a.o.Filter.String())
		}
	case 'S':
		a.show(askColumn)
		a.typed = nil
	case 's':
		a.nextSort()
	case 'r':
		a.o.Reverse = !a.o.Reverse
		a.refill()
	case 'g':
		a.o.Group = !a.o.Group
		a.refill()
	case 'e':
		a.o.Trouble = !a.o.Trouble
		a.refill()
	case 'i':
		a.expand()
	case '+':
		a.delay(a.cluster.Delay() * 2)
	case '-':
		a.delay(a.cluster.Delay() / 2)
	case ' ':
		a.cluster.PollNow()
		a.message = "asked all hosts"
	case 'P':
		a.paused = !a.paused
		a.refill()
	case 'A':
		a.o.Absolute = !a.o.Absolute
		a.refill()
	case 'w':
		a.save()
	case 'H':
		a.chartMode()
	case 'C':
		a.cluster.ClearHistory()
		a.message = "history and alarm log cleared"
	default:
		return false
	}
	return true
}

// back leaves what covers the table.
func (a *app) back() { a.show(showTable) }

// move moves the selection, or what is read.
func (a *app) move(by int) {
	if a.mode != showTable && a.mode != showChart {
		a.scroll = max(0, a.scroll+max(min(by, 1000), -1000))
		return
	}
	a.row = min(max(a.row+by, 0), max(0, len(a.table.Rows)-1))
	if r := a.current(); r != nil && r.Heading && len(a.table.Rows) > 1 {
		step := 1
		if by < 0 && a.row > 0 {
			step = -1
		}
		a.row = min(max(a.row+step, 0), len(a.table.Rows)-1)
	}
}

func (a *app) nextView(by int) {
	views := table.Views()
	for i, v := range views {
		if v.Name == a.view.Name {
			a.setView(views[(i+by+len(views))%len(views)])
			return
		}
	}
}

// nextSort sorts by the next column, the hosts' order after the last one.
func (a *app) nextSort() {
	at := -1
	if a.o.Sort != "" {
		at = a.view.Column(a.o.Sort)
	}
	if at++; at == len(a.view.Columns) {
		a.o.Sort, a.o.Reverse = "", false
	} else {
		a.sortBy(at)
	}
	a.refill()
}

// sortBy sorts by a column, numbers from the most.
func (a *app) sortBy(at int) {
	c := &a.view.Columns[at]
	a.o.Sort, a.o.Reverse = c.Key, c.Kind != table.Text
	a.refill()
}

func (a *app) delay(d time.Duration) {
	d = min(max(d, poll.MinDelay), poll.MaxDelay)
	a.cluster.SetDelay(d)
	a.message = fmt.Sprintf("every %v", d)
}

// expand shows or hides the parts of the host that is selected; without one, of
// all.
func (a *app) expand() {
	r := a.current()
	if r == nil || r.Heading {
		a.o.All = !a.o.All
	} else {
		if a.o.Expanded == nil {
			a.o.Expanded = make(map[string]bool)
		}
		a.o.Expanded[r.Host] = !a.o.Expanded[r.Host]
	}
	a.refill()
}

// detail shows all of the host that is selected.
func (a *app) detail() {
	if r := a.current(); r != nil && !r.Heading && a.mode == showTable {
		a.show(showDetail)
		a.host = r.Host
		a.cluster.Focus(r.Host, poll.WantFilesystems|poll.WantSensors|poll.WantTasks|poll.WantCPUs|poll.WantSystem|poll.WantRest)
	}
}

// chartMode shows the history of the sorted column.
func (a *app) chartMode() {
	if a.mode == showChart {
		a.show(showTable)
	} else if a.current() != nil {
		a.show(showChart)
	}
}

// typeKey takes a key of a line that is typed.
func (a *app) typeKey(e *tcell.EventKey) {
	switch e.Key() {
	case tcell.KeyEscape, tcell.KeyCtrlC:
		a.show(showTable)
	case tcell.KeyBackspace, tcell.KeyBackspace2:
		a.typed = a.typed[:max(0, len(a.typed)-1)]
	case tcell.KeyCtrlU:
		a.typed = nil
	case tcell.KeyRune:
		if len(a.typed) < 256 {
			a.typed = append(a.typed, e.Rune())
		}
	case tcell.KeyEnter:
		a.typedLine(string(a.typed))
	}
}

func (a *app) typedLine(line string) {
	asked := a.mode
	a.show(showTable)
	a.refill()
	if asked == askColumn {
		if at := a.view.Column(line); at >= 0 {
			a.sortBy(at)
		} else {
			a.message = "no column " + line
		}
		return
	}
	a.row = 0
	if line == "" {
		a.o.Filter = nil
		return
	}
	re, err := regexp.Compile(line)
	if err != nil {
		a.message = err.Error()
		return
	}
	a.o.Filter = re
}

// save writes the view to a file.
func (a *app) save() {
	if a.opts.Save == nil {
		return
	}
	name := "wulfstat-" + time.Now().Format("20060102-150405") + ".txt"
	f, err := a.opts.Save(name)
	if err == nil {
		var w *page.Writer
		if w, err = page.New(f, page.Plain); err == nil {
			err = w.Write(&a.table)
		}
		if closed := f.Close(); err == nil {
			err = closed
		}
	}
	if a.message = "wrote " + name; err != nil {
		a.message = err.Error()
	}
}

// suspend gives the terminal back until the process is continued.
func (a *app) suspend() {
	if a.opts.Suspend == nil {
		return
	}
	if err := a.canvas.screen.Suspend(); err != nil {
		a.message = err.Error()
		return
	}
	a.opts.Suspend()
	a.resume()
}

// takeTerminal sets the terminal up anew: the process was stopped by a signal that
// nobody hears, and who had the terminal since may have changed it.
func (a *app) takeTerminal() {
	if err := a.canvas.screen.Suspend(); err != nil {
		a.message = err.Error()
		return
	}
	a.resume()
}

// resume takes the terminal. One that cannot be had is gone: the kernel continues the
// programs of a terminal that hangs up.
func (a *app) resume() {
	if err := a.canvas.screen.Resume(); err != nil {
		a.gone = true
		return
	}
	a.canvas.screen.Sync()
}
