// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/rivo/uniseg"
)

// vterm is a terminal as xterm is one, as far as programs here use it: what is
// written to it becomes a screen. What it does not know it remembers, so that no
// test takes a wrong screen for a right one.
type vterm struct {
	width, height int
	cells         [][]string // of the screen that is shown; "" is the other half of a wide one
	before        [][]string // of the screen that the alternate one covers
	x, y          int
	last          string // that was written, for repetitions
	rest          []byte // of a sequence that has not come whole
	unknown       []string
}

func newVterm(width, height int) *vterm {
	v := &vterm{width: width, height: height}
	v.cells = v.blank()
	return v
}

func (v *vterm) blank() [][]string {
	rows := make([][]string, v.height)
	for y := range rows {
		rows[y] = make([]string, v.width)
		for x := range rows[y] {
			rows[y][x] = " "
		}
	}
	return rows
}

// Write takes what a program writes.
func (v *vterm) Write(b []byte) (int, error) {
	in := append(v.rest, b...)
	for len(in) > 0 {
		n := v.step(in)
		if n == 0 {
			break
		}
		in = in[n:]
	}
	v.rest = append([]byte(nil), in...)
	return len(b), nil
}

// step takes a character or a sequence, and returns its length; 0 if it has not come
// whole.
func (v *vterm) step(in []byte) int {
	switch c := in[0]; {
	case c == '\r':
		v.x = 0
	case c == '\n':
		v.y = min(v.y+1, v.height-1)
	case c == '\b':
		v.x = max(0, v.x-1)
	case c == 0x1b:
		return v.escape(in)
	case c < ' ':
		v.unknown = append(v.unknown, fmt.Sprintf("%q", c))
	default:
		if !utf8.FullRune(in) {
			return 0
		}
		cluster, _, width, _ := uniseg.FirstGraphemeCluster(in, -1)
		v.put(string(cluster), width)
		return len(cluster)
	}
	return 1
}

func (v *vterm) put(cluster string, width int) {
	if width == 0 {
		width = 1
	}
	if v.x+width > v.width {
		v.x = v.width - width // without automatic margins the last column stays
	}
	v.cells[v.y][v.x] = cluster
	for i := 1; i < width; i++ {
		v.cells[v.y][v.x+i] = ""
	}
	v.last = cluster
	v.x += width
}

// escape takes a sequence that begins with ESC.
func (v *vterm) escape(in []byte) int {
	if len(in) < 2 {
		return 0
	}
	switch in[1] {
	case '[':
		for i := 2; i < len(in); i++ {
			if in[i] >= 0x40 && in[i] <= 0x7e {
				v.control(string(in[2:i]), in[i])
				return i + 1
			}
		}
		return 0
	case '(', ')':
		if len(in) < 3 {
			return 0
		}
		return 3
	case ']':
		if end := strings.IndexAny(string(in), "\a"); end >= 0 {
			return end + 1
		}
		if end := strings.Index(string(in), "\x1b\\"); end >= 0 {
			return end + 2
		}
		return 0
	case '=', '>', '7', '8':
		return 2
	}
	v.unknown = append(v.unknown, fmt.Sprintf("%q", in[:2]))
	return 2
}

// control takes a sequence CSI params final.
func (v *vterm) control(params string, final byte) {
	arg := func(i, fallback int) int {
		parts := strings.Split(params, ";")
		if i >= len(parts) || parts[i] == "" {
			return fallback
		}
		n, err := strconv.Atoi(parts[i])
		if err != nil {
			return fallback
		}
		return n
	}
	switch final {
	case 'H', 'f':
		v.y, v.x = min(max(arg(0, 1), 1), v.height)-1, min(max(arg(1, 1), 1), v.width)-1
	case 'A':
		v.y = max(0, v.y-arg(0, 1))
	case 'B':
		v.y = min(v.height-1, v.y+arg(0, 1))
	case 'C':
		v.x = min(v.width-1, v.x+arg(0, 1))
	case 'D':
		v.x = max(0, v.x-arg(0, 1))
	case 'G':
		v.x = min(max(arg(0, 1), 1), v.width) - 1
	case 'd':
		v.y = min(max(arg(0, 1), 1), v.height) - 1
	case 'J':
		v.erase(arg(0, 0))
	case 'K':
		v.eraseLine(arg(0, 0))
	case 'X':
		for i := range min(arg(0, 1), v.width-v.x) {
			v.cells[v.y][v.x+i] = " "
		}
	case 'b':
		for range arg(0, 1) {
			v.put(v.last, uniseg.StringWidth(v.last))
		}
	case 'h', 'l':
		v.mode(params, final == 'h')
	case 'm', 't', 'u', 'q', 'c', 'r', 'p': // colours, titles, keyboards, cursors
	default:
		v.unknown = append(v.unknown, "CSI "+params+string(final))
	}
}

func (v *vterm) erase(what int) {
	switch what {
	case 2:
		v.cells = v.blank()
	case 0:
		v.eraseLine(0)
		for y := v.y + 1; y < v.height; y++ {
			v.cells[y] = v.blank()[0]
		}
	default:
		v.unknown = append(v.unknown, fmt.Sprintf("erase %d", what))
	}
}

func (v *vterm) eraseLine(what int) {
	if what != 0 {
		v.unknown = append(v.unknown, fmt.Sprintf("erase %d of a line", what))
	}
	for x := v.x; x < v.width; x++ {
		v.cells[v.y][x] = " "
	}
}

// mode takes the alternate screen; other modes change nothing that is shown.
func (v *vterm) mode(params string, on bool) {
	if params != "?1049" {
		return
	}
	if on {
		v.before, v.cells = v.cells, v.blank()
	} else if v.before != nil {
		v.cells, v.before = v.before, nil
	}
}

// String returns the screen.
func (v *vterm) String() string {
	var b strings.Builder
	for _, row := range v.cells {
		b.WriteString(strings.TrimRight(strings.Join(row, ""), " ") + "\n")
	}
	return b.String()
}

func TestVterm(t *testing.T) {
	v := newVterm(10, 3)
	for _, part := range []string{"ab\r\nc\x1b[1;5Hd\x1b[3", "0mé\x1b[39m", "\x1b[3;1H日x\x1b[2b\x1b[2;1H\x1b[K\xe6\x97", "\xa5", "\x1b]0;title\a\x1b(B", "\x1b[3;9Hend"} {
		if _, err := v.Write([]byte(part)); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := v.String(), "ab  dé\n日\n日xxx   ed\n"; got != want || len(v.unknown) > 0 {
		t.Errorf("%q, want %q; unknown %q", got, want, v.unknown)
	}
	_, _ = v.Write([]byte("\x1b[?1049h\x1b[Hother\x1b[?1049l"))
	if !strings.HasPrefix(v.String(), "ab") {
		t.Errorf("the screen of before is %q", v.String())
	}
	if _, _ = v.Write([]byte("\x1b[5n\x1bZ\x01")); len(v.unknown) != 3 {
		t.Errorf("unknown %q", v.unknown)
	}
}
