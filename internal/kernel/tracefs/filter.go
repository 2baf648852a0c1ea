// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracefs

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// MaxFilterBytes is how long a filter's expression may be: the kernel takes less
// than a page of 4096.
const MaxFilterBytes = 4095

// FilterError is a filter that the kernel refused.
type FilterError struct {
	Event      EventName
	Expression string
	Offset     int    // where in Expression the kernel points; -1 when it does not
	Message    string // what it says: "Field not found"
	Err        error
}

func (e *FilterError) Error() string {
	s := fmt.Sprintf("filter of %s: %s: %v", e.Event, e.Message, e.Err)
	if e.Offset >= 0 {
		s += fmt.Sprintf(" (at offset %d)", e.Offset)
	}
	return s
}

func (e *FilterError) Unwrap() error { return e.Err }

// Caret returns the expression with a mark under the place, on two lines, as the
// kernel shows it. Without a place it is the expression alone.
func (e *FilterError) Caret() string {
	if e.Offset < 0 {
		return e.Expression
	}
	return e.Expression + "\n" + strings.Repeat(" ", e.Offset) + "^"
}

// SetFilter lets the kernel record an event only where an expression of its
// language holds. A refused one is a FilterError; the filter that was there
// before stays then.
func (in *Instance) SetFilter(n EventName, expression string) error {
	dir, err := n.path()
	if err != nil {
		return err
	}
	expression = strings.TrimSpace(expression)
	refuse := func(message string) error {
		return &FilterError{Event: n, Expression: expression, Offset: -1, Message: message, Err: unix.EINVAL}
	}
	switch {
	case expression == "" || expression == "0": // which the kernel takes for no filter
		return refuse("no expression")
	case len(expression) > MaxFilterBytes:
		return refuse(fmt.Sprintf("longer than %d bytes", MaxFilterBytes))
	case strings.ContainsAny(expression, "\n\x00"):
		return refuse("contains a line break or zero byte")
	}
	file := in.dir + "/" + dir + "/filter"
	before, err := in.fs.line(file)
	if err == nil {
		err = in.fs.write(file, expression, 0)
	}
	err = in.lost(err)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrNoInstance):
		return err
	case missing(err):
		return &EventError{Event: n, Op: "set the filter of", Err: ErrNoEvent}
	case !isWrite(err) || errors.Is(err, unix.ENOMEM):
		return &EventError{Event: n, Op: "set the filter of", Err: err}
	}
	// Whatever number the kernel returns: it has EPERM, ENOENT and ESRCH for
	// parentheses and quotes that do not match.
	ferr := in.explainFilter(file, expression)
	ferr.Event = n
	return errors.Join(ferr, in.restoreFilter(file, before))
}

// explainFilter reads what the kernel says of an expression: in the filter's
// file, or in the log if that is too long for it to show.
func (in *Instance) explainFilter(file, expression string) *FilterError {
	e := &FilterError{Expression: expression, Offset: -1, Err: unix.EINVAL}
	text, err := in.fs.read(file, nil)
	if err == nil {
		e.Message, e.Offset = parseFilterError(string(text))
	}
	if e.Message == "" {
		text, err = in.fs.read(in.dir+"/error_log", nil)
		if err == nil {
			e.Message, e.Offset = findInLog(string(text), expression)
		}
	}
	if e.Message == "" {
		e.Message = "refused"
	}
	// An offset is of use only where it is in the expression.
	e.Offset = min(e.Offset, len(expression))
	return e
}

// isWrite reports whether it is a written value that was refused.
func isWrite(err error) bool {
	var file *FileError
	return errors.As(err, &file) && file.Op == "write"
}

// restoreFilter puts back what stood in a filter file before a refused
// expression, which is recorded without a filter meanwhile.
func (in *Instance) restoreFilter(file, before string) error {
	if before == "none" || before == "" || strings.Contains(before, "\n") {
		before = "0"
	}
	return in.fs.write(file, before, 0)
}

// ClearFilter removes the filter of an event.
func (in *Instance) ClearFilter(n EventName) error {
	return in.writeEvent(n, "filter", "0", "clear the filter of", 0)
}

// Filter returns the filter of an event, "" without one.
func (in *Instance) Filter(n EventName) (string, error) {
	dir, err := n.path()
	if err != nil {
		return "", err
	}
	s, err := in.get(dir + "/filter")
	if s == "none" {
		s = ""
	}
	return s, err
}

// parseFilterError reads what a filter file says after a refusal:
//
//	prev_pid == 1 && next_foo == 3
//	                          ^
//	parse_error: Field not found
func parseFilterError(text string) (message string, offset int) {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	message, ok := strings.CutPrefix(lines[len(lines)-1], "parse_error: ")
	if !ok {
		return "", -1
	}
	if len(lines) >= 2 {
		if caret := lines[len(lines)-2]; strings.TrimLeft(caret, " ") == "^" {
			return message, len(caret) - 1
		}
	}
	return message, -1
}
