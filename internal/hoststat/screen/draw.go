// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package screen

import (
	"fmt"
	"strings"
	"time"

	"github.com/gdamore/tcell/v2"

	"github.com/weir-io/weir/internal/hoststat/poll"
	"github.com/weir-io/weir/internal/hoststat/table"
)

// draw shows what there is.
func (a *app) draw() {
	c := &a.canvas
	c.width, c.height = c.screen.Size()
	c.screen.Clear()
	a.drawn = time.Now()
	anew := !a.filled
	defer func() {
		c.screen.Show()
		if anew {
			a.cost = time.Since(a.drawn)
		}
	}()
	if c.width < leastWidth || c.height < leastHeight {
		c.put(0, 0, c.width, c.style.warn, fmt.Sprintf("%dx%d is too small", c.width, c.height))
		return
	}
	a.fill()
	top := a.drawHead()
	bottom := c.height - 1
	switch a.mode {
	case showHelp:
		a.drawLines(top, bottom, a.helpLines())
	case showDetail:
		a.drawLines(top, bottom, a.detailLines())
	case showChart:
		a.drawChart(top, bottom)
	default:
		a.drawTable(top, bottom)
	}
	a.drawFoot(bottom)
}

// drawHead shows the title and, where there is room, what all hosts come to. It
// returns the line below.
func (a *app) drawHead() int {
	c, s := &a.canvas, &a.table.Summary
	title := fmt.Sprintf("weir top - %s, every %v", a.view.Title, a.cluster.Delay())
	if a.o.Filter != nil {
		title += ", /" + a.o.Filter.String() + "/"
	}
	if a.o.Trouble {
		title += ", troubled hosts"
	}
	if a.o.Absolute {
		title += ", since boot"
	}
	if a.paused {
		title += ", PAUSED"
	}
	clock := a.table.Time.Format("15:04:05")
	c.put(0, 0, c.width-len(clock)-1, c.style.title, title)
	c.right(0, 0, c.width, c.style.dim, clock)
	if c.height < 10 {
		return 1
	}
	x := a.words(0, 1, c.style.plain, fmt.Sprintf("hosts %d", s.Hosts), fmt.Sprintf("up %d", s.Up))
	x = a.words(x, 1, a.alarming(s.Late, c.style.warn), fmt.Sprintf("late %d", s.Late))
	x = a.words(x, 1, a.alarming(s.Down, c.style.crit), fmt.Sprintf("down %d", s.Down))
	x = a.words(x, 1, a.alarming(s.Firing, c.style.crit), fmt.Sprintf("alarms %d", s.Firing))
	a.words(x, 1, c.style.plain, fmt.Sprintf("cpus %.0f", s.CPUs), fmt.Sprintf("load %.2f", s.Load), "busy "+percent(s.Busy))
	a.words(0, 2, c.style.plain, "mem "+table.Scale(s.MemUsed, 1024)+"/"+table.Scale(s.MemTotal, 1024),
		"net rx "+table.Scale(s.NetRx, 1024)+" tx "+table.Scale(s.NetTx, 1024)+" B/s",
		"disk r "+table.Scale(s.DiskRead, 1024)+" w "+table.Scale(s.DiskWrite, 1024)+" B/s")
	return 3
}

func percent(v float64) string {
	if v != v {
		return "-"
	}
	return fmt.Sprintf("%.0f%%", v)
}

// alarming is a style for a number that should be 0.
func (a *app) alarming(n int, style tcell.Style) tcell.Style {
	if n == 0 {
		return a.canvas.style.plain
	}
	return style
}

// words writes words with blanks behind and returns where the next one goes.
func (a *app) words(x, y int, style tcell.Style, words ...string) int {
	for _, w := range words {
		x += a.canvas.put(x, y, a.canvas.width-x, style, w) + 2
	}
	return x
}

// foot are the keys that the last line tells of.
const foot = "q quit  h help  Tab view  Enter detail  / filter  s sort  g group  e trouble  i expand  H graph  P pause"

func (a *app) drawFoot(y int) {
	c := &a.canvas
	switch {
	case a.mode == askFilter:
		c.put(0, y, c.width, c.style.key, "hosts matching: "+string(a.typed)+"_")
	case a.mode == askColumn:
		c.put(0, y, c.width, c.style.key, "sort by column: "+string(a.typed)+"_")
	case a.message != "":
		c.put(0, y, c.width, c.style.warn, a.message)
	default:
		c.put(0, y, c.width, c.style.dim, foot)
	}
}

// drawTable shows the head of the table and the rows that are seen.
func (a *app) drawTable(top, bottom int) {
	c := &a.canvas
	a.row = min(max(a.row, 0), max(0, len(a.table.Rows)-1))
	visible := max(1, bottom-top-1)
	a.first = min(max(a.first, a.row-visible+1), a.row)
	a.first = max(0, min(a.first, len(a.table.Rows)-visible))
	c.fill(0, top, c.width, c.style.head)
	a.drawColumns(func(i, x, width int, col *table.Column) {
		title := col.Title
		if col.Key == a.o.Sort {
			title = sortMark(a.o.Reverse, c.ascii) + title
		}
		if col.Kind == table.Text {
			c.put(x, top, width, c.style.head, title)
		} else {
			c.right(x, top, width, c.style.head, title)
		}
	})
	for i := 0; i < visible && a.first+i < len(a.table.Rows); i++ {
		a.drawRow(top+1+i, &a.table.Rows[a.first+i], a.first+i == a.row)
	}
	if len(a.table.Rows) == 0 {
		c.put(0, top+1, c.width, c.style.dim, a.nothing())
	}
}

// nothing says why there are no rows.
func (a *app) nothing() string {
	switch {
	case a.o.Filter != nil || a.o.Trouble:
		return "no host matches"
	case a.view.Name == "alarms":
		return "no alarms"
	}
	return "nothing yet"
}

// sortMark tells the direction of sorting.
func sortMark(reverse, ascii bool) string {
	switch {
	case ascii && reverse:
		return "v"
	case ascii:
		return "^"
	case reverse:
		return "▼"
	}
	return "▲"
}

// drawColumns calls draw for each column that is seen. The host's stays when
// others are scrolled away, and is narrower where there is little room.
func (a *app) drawColumns(draw func(i, x, width int, c *table.Column)) {
	width := a.canvas.width
	x := 0
	for i := range a.view.Columns {
		col := &a.view.Columns[i]
		if i > 0 && i <= a.shift {
			continue
		}
		w := max(col.Width, len(col.Title))
		if i == 0 {
			w = min(w, max(6, width/4))
		}
		if i == len(a.view.Columns)-1 && col.Kind == table.Text {
			w = width - x
		}
		if x >= width {
			return
		}
		draw(i, x, min(w, width-x), col)
		x += w + 1
	}
}

// page is how many rows are seen.
func (a *app) page() int {
	if a.canvas.height < 10 {
		return max(1, a.canvas.height-3)
	}
	return max(1, a.canvas.height-5)
}

func (a *app) drawRow(y int, r *table.Row, selected bool) {
	c := &a.canvas
	if r.Heading {
		c.put(0, y, c.width, c.style.key, "── "+r.Group+" ")
		return
	}
	style := c.style.plain
	switch {
	case r.State == poll.Stale:
		style = c.style.dim
	case r.Alarm != "":
		style = c.style.level(r.Alarm)
	case r.State > poll.Stale:
		style = c.style.crit
	case r.State == poll.Overdue:
		style = c.style.warn
	}
	if selected {
		style = style.Reverse(true)
		c.fill(0, y, c.width, style)
	}
	a.drawColumns(func(i, x, width int, col *table.Column) {
		switch {
		case i == 0:
			c.put(x, y, width, style, mark(r)+r.Host)
		case !r.Told:
			if i == 1+a.shift {
				c.put(x, y, c.width-x, style, r.State.String()+": "+r.Reason)
			}
		case col.Kind == table.Text:
			c.put(x, y, width, style, r.Cells[i].Text)
		case col.Kind == table.Bar && r.Cells[i].Number == r.Cells[i].Number:
			c.bar(x, y, width, style, r.Cells[i].Number, col.Format(r.Cells[i])+"%")
		default:
			c.right(x, y, width, style, col.Format(r.Cells[i]))
		}
	})
}

// mark tells by a character what colours tell: alarms and lateness.
func mark(r *table.Row) string {
	switch {
	case r.Alarm != "":
		return "!"
	case r.State == poll.Overdue:
		return "~"
	case r.State == poll.Stale:
		return "?"
	}
	return ""
}

// drawLines shows lines of text from the one that is scrolled to.
func (a *app) drawLines(top, bottom int, lines []string) {
	c := &a.canvas
	a.scroll = max(0, min(a.scroll, len(lines)-(bottom-top)))
	for i := 0; top+i < bottom && a.scroll+i < len(lines); i++ {
		style := c.style.plain
		line := lines[a.scroll+i]
		if head, ok := strings.CutPrefix(line, "# "); ok {
			style, line = c.style.title, head
		}
		c.put(0, top+i, c.width, style, line)
	}
}
