// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package view

import (
	"fmt"
	"slices"
	"strings"
)

// ColorMode says when text has colours.
type ColorMode uint8

// Modes of colours.
const (
	ColorAuto ColorMode = iota
	ColorNever
	ColorAlways // also where the text does not go to the standard output
)

// ParseColorMode reads "auto", "never" or "always".
func ParseColorMode(s string) (ColorMode, error) {
	i := slices.Index([]string{"auto", "never", "always"}, s)
	if i < 0 {
		return 0, fmt.Errorf("unknown colour mode %q: want auto, never, always", s)
	}
	return ColorMode(i), nil
}

// Terminal is what colours depend on.
type Terminal struct {
	Getenv func(string) string // as os.Getenv
	TTY    bool                // standard output and standard error both are terminals
	Stdout bool                // the text goes to the standard output
}

// Palette is the control sequences of coloured text. The zero value has no
// colours.
type Palette struct {
	time, event, field, value, header, unknown string
	warning, bold, reset                       string
}

// Palette returns the sequences for a mode: none where the terminal has no
// colours or is none.
func (t Terminal) Palette(mode ColorMode) Palette {
	if mode == ColorNever || mode == ColorAuto && !t.Stdout || !t.colors() {
		return Palette{}
	}
	return t.palette()
}

// WarningPalette returns the sequences for warnings on the standard error, which
// no mode has a say in.
func (t Terminal) WarningPalette() Palette {
	if !t.colors() {
		return Palette{}
	}
	return t.palette()
}

func (t Terminal) palette() Palette {
	const bold, cyan, yellow, reset = "\x1b[1m", "\x1b[36m", "\x1b[33m", "\x1b[0m"
	bright := func(digit string) string { return bold + "\x1b[3" + digit + "m" }
	env := t.Getenv("BABELTRACE_TERM_COLOR_BRIGHT_MEANS_BOLD")
	if env == "0" || env == "" && t.Getenv("TERM") == "xterm-kitty" {
		bright = func(digit string) string { return "\x1b[9" + digit + "m" }
	}
	return Palette{
		time: bold + bright("3"), event: bold + bright("5"), unknown: bold + bright("1"),
		field: cyan, value: bold, header: bold,
		warning: yellow, bold: bold, reset: reset,
	}
}

// colorTerms are the beginnings of the names of terminals that have colours.
var colorTerms = []string{"xterm", "rxvt", "konsole", "gnome", "screen", "tmux", "putty"}

// colors reports whether the terminal has colours, or the environment says so.
func (t Terminal) colors() bool {
	switch strings.ToLower(t.Getenv("BABELTRACE_TERM_COLOR")) {
	case "always":
		return true
	case "never":
		return false
	}
	term := t.Getenv("TERM")
	return t.TTY && slices.ContainsFunc(colorTerms, func(p string) bool { return strings.HasPrefix(term, p) })
}
