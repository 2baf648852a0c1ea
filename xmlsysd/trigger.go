// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package xmlsysd

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// Bounds of the windows of triggers, as the kernel has them.
const (
	MinWindow = 500 * time.Millisecond
	MaxWindow = 10 * time.Second
)

// Trigger asks for a message at the moment when tasks have waited for a resource
// for a time within a window. The kernel tells of it, at most once a window.
type Trigger struct {
	Resource string // cpu, memory, io or irq
	Kind     string // some: at least one task waits; full: all do that could run
	Stall    time.Duration
	Window   time.Duration
}

// ParseTrigger reads the words of a trigger, as in "memory some 0.15 2": times are
// in seconds. It refuses with a [*CommandError].
func ParseTrigger(words []string) (Trigger, error) {
	if len(words) != 4 {
		return Trigger{}, refuse(CodeArg, strings.Join(words, " "), "not a resource, some or full, and two times in seconds")
	}
	t := Trigger{Resource: words[0], Kind: words[1]}
	if !slices.Contains([]string{"cpu", "memory", "io", "irq"}, t.Resource) {
		return Trigger{}, refuse(CodeArg, words[0], "none of cpu, memory, io and irq")
	}
	if t.Kind != "some" && t.Kind != "full" {
		return Trigger{}, refuse(CodeArg, words[1], "neither some nor full")
	}
	var ok bool
	if t.Window, ok = seconds(words[3]); !ok || t.Window < MinWindow || t.Window > MaxWindow {
		return Trigger{}, refuse(CodeArg, words[3], "no window of 0.5 to 10 seconds")
	}
	if t.Stall, ok = seconds(words[2]); !ok || t.Stall <= 0 || t.Stall > t.Window {
		return Trigger{}, refuse(CodeArg, words[2], "no time up to that of the window")
	}
	return t, nil
}

// seconds reads a decimal number of seconds, in microseconds.
func seconds(text string) (time.Duration, bool) {
	const longest = 12
	if text == "" || len(text) > longest || strings.Trim(text, "0123456789.") != "" {
		return 0, false
	}
	s, err := strconv.ParseFloat(text, 64)
	return time.Duration(s * float64(time.Second)).Round(time.Microsecond), err == nil
}

// String returns the words of the trigger, by which messages tell it.
func (t Trigger) String() string {
	return t.Resource + " " + t.Kind + " " + formatSeconds(t.Stall) + " " + formatSeconds(t.Window)
}

func formatSeconds(d time.Duration) string { return strconv.FormatFloat(d.Seconds(), 'f', -1, 64) }

// Percent is the share of the window that the stall is.
func (t Trigger) Percent() float64 {
	return float64(100*t.Stall.Microseconds()) / float64(t.Window.Microseconds())
}

func (c *Command) parseTrigger(args []string) error {
	if len(args) == 1 && strings.EqualFold(args[0], "off") {
		return nil
	}
	var err error
	c.On = true
	c.Trigger, err = ParseTrigger(args)
	return err
}
