// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package screen

import (
	"io"
	"os"
	"time"

	"github.com/gdamore/tcell/v2"

	"github.com/weir-io/weir/internal/hoststat/table"
)

// Options say how the screen begins and looks.
type Options struct {
	View   *table.View
	Table  table.Options
	Count  int // periods after which it ends; 0: none
	ASCII  bool
	Plain  bool // no colours
	ViKeys bool
	// Save opens the file that the view is written to; the name is a proposal.
	Save func(name string) (io.WriteCloser, error)
	// Suspend stops the process until it is continued; nil: Ctrl-Z does nothing.
	Suspend func()
	// Signals tells of SIGTSTP, when the terminal is given back and Suspend called,
	// and of SIGCONT, after which the terminal may be as another program has left it;
	// nil: neither.
	Signals <-chan os.Signal
}

// minFrame is the least time between two redraws.
const minFrame = 100 * time.Millisecond

// least size in which a table is of use.
const (
	leastWidth  = 20
	leastHeight = 5
)

// palette are the styles of what is shown.
type palette struct {
	plain, title, head, dim, selected, key tcell.Style
	info, warn, crit                       tcell.Style
	bar                                    tcell.Style
}

func newPalette(plain bool) palette {
	d := tcell.StyleDefault
	p := palette{
		plain: d, title: d.Bold(true), head: d.Reverse(true), dim: d.Dim(true), selected: d.Reverse(true), key: d.Bold(true),
		info: d, warn: d.Bold(true), crit: d.Bold(true).Underline(true), bar: d,
	}
	if plain {
		return p
	}
	// Blue, orange and vermilion differ for every kind of colour blindness.
	p.title = d.Foreground(tcell.PaletteColor(33)).Bold(true)
	p.info = d.Foreground(tcell.PaletteColor(33))
	p.warn = d.Foreground(tcell.PaletteColor(214))
	p.crit = d.Foreground(tcell.PaletteColor(202)).Bold(true)
	p.bar = d.Foreground(tcell.PaletteColor(33))
	p.dim = d.Foreground(tcell.PaletteColor(245))
	return p
}

// level returns the style of a level of alarms.
func (p *palette) level(level string) tcell.Style {
	switch level {
	case "crit":
		return p.crit
	case "warn":
		return p.warn
	}
	return p.info
}
