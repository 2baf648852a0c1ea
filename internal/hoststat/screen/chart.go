// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package screen

import (
	"math"
	"strings"

	"github.com/gdamore/tcell/v2"
)

// sparks are the heights of a sparkline.
var (
	sparks      = []rune(" ▁▂▃▄▅▆▇█")
	sparksASCII = []rune(" .:-=+*#@")
)

// spark returns the last values as a line of so many characters, scaled from 0 to
// the most of them. What is missing is a blank.
func spark(values []float32, width int, ascii bool) string {
	set := sparks
	if ascii {
		set = sparksASCII
	}
	values = values[max(0, len(values)-width):]
	most := top(values)
	var b strings.Builder
	b.WriteString(strings.Repeat(" ", max(0, width-len(values))))
	for _, v := range values {
		switch {
		case v != v:
			b.WriteRune(' ')
		case most == 0:
			b.WriteRune(set[1])
		default:
			b.WriteRune(set[1+min(int(max(v, 0)/most*float32(len(set)-2)+0.5), len(set)-2)])
		}
	}
	return b.String()
}

func top(values []float32) float32 {
	most := float32(0)
	for _, v := range values {
		if v > most {
			most = v
		}
	}
	return most
}

// chart draws values over time as dots of braille, two a column and four a line,
// or with ASCII as columns. It returns what the highest line stands for.
func (c *canvas) chart(x, y, width, height int, style tcell.Style, values []float32) float32 {
	per := 2
	if c.ascii {
		per = 1
	}
	values = values[max(0, len(values)-width*per):]
	most := top(values)
	if most == 0 {
		most = 1
	}
	offset := width*per - len(values)
	rows := height * 4
	cells := make([]rune, width*height)
	for i, v := range values {
		if v != v {
			continue
		}
		column := (offset + i) / per
		level := int(math.Round(float64(max(v, 0)/most) * float64(rows-1)))
		if c.ascii {
			for line := 0; line <= level/4; line++ {
				cells[(height-1-line)*width+column] = '#'
			}
			continue
		}
		for dot := 0; dot <= level; dot++ {
			cells[(height-1-dot/4)*width+column] |= brailleDots[(offset+i)%2][dot%4]
		}
	}
	for i, r := range cells {
		switch {
		case r == 0:
			r = ' '
		case !c.ascii:
			r |= 0x2800
		}
		if x+i%width < c.width && y+i/width < c.height {
			c.screen.SetContent(x+i%width, y+i/width, r, nil, style)
		}
	}
	return most
}

// brailleDots are the bits of the dots of a character, by column, from below.
var brailleDots = [2][4]rune{{0x40, 0x04, 0x02, 0x01}, {0x80, 0x20, 0x10, 0x08}}
