// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracefs

import (
	"errors"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

var schedSwitch = EventName{"sched", "sched_switch"}

func TestFilter(t *testing.T) {
	fs := mounted(t)
	in := create(t, fs, InstanceOptions{})
	if got, err := in.Filter(schedSwitch); got != "" || err != nil {
		t.Errorf("Filter of a new instance = %q, %v", got, err)
	}
	long := "prev_pid == 1" + strings.Repeat(" || prev_pid == 1", 239)
	long = long[:len(long)-1] + strings.Repeat("1", MaxFilterBytes-len(long)+1)
	for _, expression := range []string{
		"prev_pid == 1", `prev_comm ~ "x*" && (next_pid > 5 || next_prio != 120)`, "  CPU == 1 ", "common_pid & 4",
	} {
		must(t, in.SetFilter(schedSwitch, expression))
		if got, err := in.Filter(schedSwitch); got != strings.TrimSpace(expression) || err != nil {
			t.Errorf("Filter = %q, %v, want %q", got, err, expression)
		}
	}
	must(t, in.ClearFilter(schedSwitch))
	if got, err := in.Filter(schedSwitch); got != "" || err != nil {
		t.Errorf("Filter after ClearFilter = %q, %v", got, err)
	}
	for _, before := range []string{"", "prev_pid == 1"} {
		for name, tt := range map[string]struct {
			expression string
			message    string // words of kernels differ: a part, or nothing
			offset     int    // the kernel points at the end of what it has read
		}{
			"field":        {"next_pid == 1 && foo == 3", "Field not found", 21},
			"no value":     {"prev_pid ==", "value", 11},
			"open":         {"(prev_pid == 1", "Too many '('", 0},
			"close":        {"prev_pid == 1)", "Too few '('", 13},
			"quote":        {`prev_comm ~ "x`, "quote", 12},
			"operator":     {"prev_pid = 1", "operator", 10},
			"string":       {"prev_comm == 1", "string", 14},
			"empty":        {" ", "no expression", -1},
			"zero":         {"0", "no expression", -1},
			"lines":        {"prev_pid == 1\nx", "line break", -1},
			"long":         {strings.Repeat("x", MaxFilterBytes+1), "longer than 4095 bytes", -1},
			"long, bad":    {strings.Repeat("x", MaxFilterBytes), "Field not found", -1},
			"long, deep":   {strings.Repeat("(", 1000), "Too many '('", 999},
			"long, number": {long, "Illegal integer", 4076},
		} {
			must(t, in.ClearFilter(schedSwitch))
			if before != "" {
				must(t, in.SetFilter(schedSwitch, before))
			}
			err := in.SetFilter(schedSwitch, tt.expression)
			var ferr *FilterError
			if !errors.As(err, &ferr) || !errors.Is(err, unix.EINVAL) {
				t.Errorf("%s: %v, want a FilterError", name, err)
				continue
			}
			if ferr.Event != schedSwitch || ferr.Expression != strings.TrimSpace(tt.expression) ||
				!strings.Contains(ferr.Message, tt.message) || strings.HasPrefix(ferr.Message, "error") || ferr.Offset != tt.offset {
				t.Errorf("%s: %+v, want %q at %d", name, ferr, tt.message, tt.offset)
			}
			if got, err := in.Filter(schedSwitch); got != before || err != nil {
				t.Errorf("%s: Filter = %q, %v, want the one before: %q", name, got, err, before)
			}
		}
	}
	if err := in.SetFilter(EventName{"sched", "nosuch"}, "prev_pid == 1"); !errors.Is(err, ErrNoEvent) {
		t.Errorf("filter of no event: %v", err)
	}
}

func TestFilterErrorText(t *testing.T) {
	e := &FilterError{Event: schedSwitch, Expression: "a == 1", Offset: 2, Message: "Field not found", Err: unix.EINVAL}
	if got, want := e.Error(), "filter of sched:sched_switch: Field not found: invalid argument (at offset 2)"; got != want {
		t.Errorf("Error = %q, want %q", got, want)
	}
	if got, want := e.Caret(), "a == 1\n  ^"; got != want {
		t.Errorf("Caret = %q, want %q", got, want)
	}
	e.Offset = -1
	if got, want := e.Caret(), "a == 1"; got != want {
		t.Errorf("Caret = %q, want %q", got, want)
	}
}

func TestParseFilterError(t *testing.T) {
	for text, want := range map[string]struct {
		message string
		offset  int
	}{
		"a == 1 && b\n          ^\nparse_error: Field not found\n\n": {"Field not found", 10},
		"foo ==\n^\nparse_error: X\n":                                {"X", 0},
		"foo\nparse_error: X\n":                                      {"X", -1},
		"parse_error: X":                                             {"X", -1},
		"foo\n  ^\n":                                                 {"", -1},
		"none\n":                                                     {"", -1},
		"":                                                           {"", -1},
	} {
		if message, offset := parseFilterError(text); message != want.message || offset != want.offset {
			t.Errorf("parseFilterError(%q) = %q, %d, want %q, %d", text, message, offset, want.message, want.offset)
		}
	}
}

// A filter that the kernel cannot take for want of memory is not wrong.
func TestFilterNotRefused(t *testing.T) {
	dir, d := tree(t)
	in, err := dir.Create(freeName(), InstanceOptions{})
	must(t, err)
	for _, tt := range []struct {
		op   string
		err  error
		want bool
	}{
		{"write", unix.ENOMEM, false},
		{"open", unix.EMFILE, false},
		{"open", unix.EACCES, false},
		{"write", unix.EPERM, true}, // a closing parenthesis too many
	} {
		d.refuse = func(op, path string) error {
			if op == tt.op && strings.HasSuffix(path, "/filter") {
				return tt.err
			}
			return nil
		}
		err := in.SetFilter(schedSwitch, "x == 1")
		var ferr *FilterError
		if errors.As(err, &ferr) != tt.want || err == nil {
			t.Errorf("%s refused with %v: %v", tt.op, tt.err, err)
		}
	}
}
