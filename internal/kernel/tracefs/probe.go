// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracefs

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	dynamicEvents = "dynamic_events"
	uprobeEvents  = "uprobe_events"
	kprobeEvents  = "kprobe_events"

	// ProbeGroupPrefix begins the system of every event that a Probe makes.
	ProbeGroupPrefix = "weir_"

	maxProbeName = 63 // the kernel's MAX_EVENT_NAME_LEN without the zero
)

// Probe is an event that weir makes of a place in the kernel or in a program.
// Adding it costs nothing until an instance enables the event; it is part of
// the kernel until it is removed, whatever becomes of the process.
type Probe struct {
	Event EventName // in a group that begins with ProbeGroupPrefix
	// Path is the file of a program or library, with the offset of the
	// instruction in the file: a uprobe. Without it Symbol is the place, a kprobe.
	Path   string
	Offset uint64
	// Symbol is a function of the kernel, perhaps with +OFFSET, or an address.
	Symbol string
	Return bool     // at the function's return
	Args   []string // what is recorded, in the kernel's language: NAME=FETCHARG:TYPE
}

// ProbeError is a probe that the kernel refused.
type ProbeError struct {
	Definition string
	Offset     int    // of what is wrong in Definition; -1 when the kernel does not say
	Message    string // the kernel's, "" without
	Err        error
}

func (e *ProbeError) Error() string {
	s := fmt.Sprintf("probe %q: %v", e.Definition, e.Err)
	if e.Message != "" {
		s += ": " + e.Message
	}
	if e.Offset >= 0 {
		s += fmt.Sprintf(" (at offset %d)", e.Offset)
	}
	return s
}

func (e *ProbeError) Unwrap() error { return e.Err }

// Definition returns the line that makes the probe.
func (p Probe) Definition() (string, error) {
	if err := checkProbeName(p.Event); err != nil {
		return "", err
	}
	place := p.Symbol
	if p.Path != "" {
		place = fmt.Sprintf("%s:%#x", p.Path, p.Offset)
	}
	for _, word := range append([]string{place}, p.Args...) {
		// The kernel splits the line at blanks, and several lines at their ends.
		if word == "" || strings.ContainsFunc(word, splits) {
			return "", &NameError{Kind: "probe's place or argument", Name: word, Reason: "is empty or contains blanks"}
		}
	}
	kind := "p:"
	if p.Return {
		kind = "r:"
	}
	return strings.Join(append([]string{kind + p.Event.System + "/" + p.Event.Name, place}, p.Args...), " "), nil
}

// splits reports whether the kernel's parser ends a word at r.
func splits(r rune) bool { return r <= ' ' || r == 0x7f || r == 0xa0 || r == '#' }

// checkProbeName reports what the kernel, or weir, does not take for the name of
// a probe's event.
func checkProbeName(n EventName) error {
	if !strings.HasPrefix(n.System, ProbeGroupPrefix) {
		return &NameError{Kind: "probe group", Name: n.System, Reason: "does not begin with " + ProbeGroupPrefix}
	}
	for kind, name := range map[string]string{"probe group": n.System, "probe": n.Name} {
		if name == "" || len(name) > maxProbeName || strings.ContainsFunc(name, notIdentifier) || name[0] >= '0' && name[0] <= '9' {
			return &NameError{Kind: kind, Name: name, Reason: fmt.Sprintf("is not an identifier of at most %d letters, digits and underscores", maxProbeName)}
		}
	}
	return nil
}

func notIdentifier(r rune) bool {
	return r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
}

// AddProbe adds a probe. The event is there then, for Enable of any instance. A
// kernel without such probes is a MissingError, a refusal a ProbeError, which is
// fs.ErrExist for a name that is taken.
func (fs *FS) AddProbe(p Probe) error {
	line, err := p.Definition()
	if err != nil {
		return err
	}
	lists, need := []string{kprobeEvents, dynamicEvents}, "CONFIG_KPROBE_EVENTS"
	if p.Path != "" {
		lists, need = []string{uprobeEvents, dynamicEvents}, "CONFIG_UPROBE_EVENTS"
	}
	// dynamic_events takes any kind that the kernel has: it does not tell that
	// this one is missing.
	if ok, err := fs.exists(lists[0]); err != nil {
		return err
	} else if !ok {
		return &MissingError{File: lists[0], Need: need}
	}
	list := lists[0]
	if ok, err := fs.exists(lists[1]); err == nil && ok {
		list = lists[1]
	}
	if err := fs.addTo(list, line+"\n"); err != nil {
		return fs.explainProbe(line, err)
	}
	return nil
}

// RemoveProbe removes the event of a probe. It is EBUSY while an instance has it
// enabled, and fs.ErrNotExist without it.
func (fs *FS) RemoveProbe(n EventName) error {
	if err := checkProbeName(n); err != nil {
		return err
	}
	line := "-:" + n.System + "/" + n.Name
	for _, list := range lists {
		err := fs.addTo(list, line+"\n")
		switch {
		case err == nil:
			return nil
		case errors.Is(err, unix.ENOENT): // no such list, or not in this one
		default:
			return fs.explainProbe(line, err)
		}
	}
	return fmt.Errorf("remove probe %s: %w", n, unix.ENOENT)
}

// Probes lists the probes whose group begins with a prefix.
func (fs *FS) Probes(prefix string) ([]EventName, error) {
	// The first list has what the others have.
	for i, list := range lists {
		b, err := fs.read(list, nil)
		if errors.Is(err, unix.ENOENT) {
			continue
		}
		if err != nil {
			return nil, err
		}
		found := parseProbes(string(b), prefix)
		if i == 1 {
			more, err := fs.read(kprobeEvents, nil)
			if err != nil && !errors.Is(err, unix.ENOENT) {
				return nil, err
			}
			found = append(found, parseProbes(string(more), prefix)...)
		}
		return found, nil
	}
	return nil, nil
}

// parseProbes reads lines such as "p:GROUP/NAME PLACE ARGS"; r may be followed
// by a number.
func parseProbes(text, prefix string) []EventName {
	var found []EventName
	for line := range strings.Lines(text) {
		word, _, _ := strings.Cut(strings.TrimSpace(line), " ")
		_, name, _ := strings.Cut(word, ":")
		system, event, ok := strings.Cut(name, "/")
		if ok && event != "" && strings.HasPrefix(system, prefix) {
			found = append(found, EventName{system, event})
		}
	}
	return found
}

// SweepProbes removes the probes whose group begins with a prefix, which itself
// begins with ProbeGroupPrefix, and which keep does not want.
func (fs *FS) SweepProbes(prefix string, keep func(EventName) bool) (removed []EventName, err error) {
	if !strings.HasPrefix(prefix, ProbeGroupPrefix) {
		return nil, &NameError{Kind: "probe group", Name: prefix, Reason: "does not begin with " + ProbeGroupPrefix}
	}
	probes, err := fs.Probes(prefix)
	if err != nil {
		return nil, err
	}
	var errs []error
	for _, n := range probes {
		if keep != nil && keep(n) {
			continue
		}
		if err := fs.RemoveProbe(n); err != nil {
			errs = append(errs, err)
			continue
		}
		removed = append(removed, n)
	}
	return removed, errors.Join(errs...)
}

// explainProbe makes a ProbeError of a refused line, with what the kernel left in
// its log about it.
func (fs *FS) explainProbe(line string, err error) error {
	var file *FileError
	if errors.As(err, &file) {
		err = file.Err
	}
	e := &ProbeError{Definition: line, Offset: -1, Err: err}
	if b, rerr := fs.read("error_log", nil); rerr == nil {
		e.Message, e.Offset = findInLog(string(b), line)
	}
	return e
}

// findInLog returns the last message of the kernel's error log about a command,
// and where in the command it points. An entry is
//
//	[12685.270373] trace_uprobe: error: Failed to find probe
//	  Command: p:weir_x/y /bin/true
//	               ^
func findInLog(text, command string) (message string, offset int) {
	const lead = "  Command: "
	offset = -1
	lines := strings.Split(text, "\n")
	for i := 1; i < len(lines); i++ {
		if lines[i] != lead+command {
			continue
		}
		_, message, _ = strings.Cut(lines[i-1], "error: ")
		message = strings.TrimPrefix(message, "error: ") // filters have it twice
		offset = -1
		if i+1 < len(lines) && strings.TrimSpace(lines[i+1]) == "^" {
			if at := len(lines[i+1]) - 1 - len(lead); at >= 0 && at <= len(command) {
				offset = at
			}
		}
	}
	return message, offset
}
