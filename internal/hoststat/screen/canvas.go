// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package screen

import (
	"strings"

	"github.com/gdamore/tcell/v2"
	"github.com/rivo/uniseg"

	"github.com/weir-io/weir/internal/hoststat/table"
)

// canvas writes into a terminal. All text goes through put, which lets nothing
// through that is not a character to be seen.
type canvas struct {
	screen        tcell.Screen
	width, height int
	ascii         bool
	style         palette
}

// mostMarks is how many marks a character may have: no writing needs more, and a name
// may be nothing else.
const mostMarks = 8

// put writes text at a place, cut at a width, and returns how wide it is.
func (c *canvas) put(x, y, width int, style tcell.Style, text string) int {
	if y < 0 || y >= c.height {
		return 0
	}
	from := x
	limit := min(x+width, c.width)
	text = table.Clean(text)
	if c.ascii {
		text = toASCII(text)
	}
	state := -1
	for len(text) > 0 {
		cluster, rest, w, next := uniseg.FirstGraphemeClusterInString(text, state)
		text, state = rest, next
		if w == 0 {
			continue // what has no width could hide in a name
		}
		if x+w > limit {
			break
		}
		if x >= 0 {
			r := []rune(cluster)
			c.screen.SetContent(x, y, r[0], r[1:min(len(r), 1+mostMarks)], style)
		}
		x += w
	}
	return x - from
}

// right writes text to the right end of a field.
func (c *canvas) right(x, y, width int, style tcell.Style, text string) {
	w := uniseg.StringWidth(text)
	c.put(x+max(0, width-w), y, min(w, width), style, text)
}

// fill makes the rest of a line have a style.
func (c *canvas) fill(x, y, width int, style tcell.Style) {
	for ; width > 0 && x < c.width && y < c.height; x, width = x+1, width-1 {
		c.screen.SetContent(x, y, ' ', nil, style)
	}
}

// toASCII replaces what a terminal without UTF-8 would not show.
func toASCII(s string) string {
	for i := range len(s) {
		if s[i] > '~' {
			return strings.Map(func(r rune) rune {
				if r > '~' {
					return '.'
				}
				return r
			}, s)
		}
	}
	return s
}

// bar draws percent as a bar with its number.
func (c *canvas) bar(x, y, width int, style tcell.Style, percent float64, label string) {
	inside := width - 5
	if inside < 2 {
		c.right(x, y, width, style, label)
		return
	}
	full, part := '█', []rune(" ▏▎▍▌▋▊▉")
	if c.ascii {
		full, part = '#', []rune(" ")
	}
	eighths := int(min(max(percent, 0), 100)*float64(inside*8)/100 + 0.5)
	bar := style
	if style == c.style.plain {
		bar = c.style.bar
	}
	for i := range inside {
		r := ' '
		switch {
		case eighths >= 8*(i+1):
			r = full
		case eighths > 8*i:
			r = part[min(eighths-8*i, len(part)-1)]
		}
		if x+i < c.width {
			c.screen.SetContent(x+i, y, r, nil, bar)
		}
	}
	c.right(x+inside, y, 5, style, label)
}
