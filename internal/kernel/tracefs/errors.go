// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracefs

import (
	"errors"
	"fmt"
	"strings"
)

// Reasons for which there is no tracefs to work with: an UnavailableError is one
// of them.
var (
	ErrNotMounted = errors.New("tracefs is not mounted")
	ErrPermission = errors.New("no permission to use tracefs")
	ErrLockdown   = errors.New("the kernel is locked down (confidentiality), which closes tracefs")
	ErrNoTracing  = fmt.Errorf("kernel without tracing (CONFIG_TRACING): %w", errors.ErrUnsupported)
)

var (
	// ErrBusy: somebody has a file of the instance open, anywhere.
	ErrBusy = errors.New("instance is in use")
	// ErrNoInstance: there is no such instance, or it is gone.
	ErrNoInstance = errors.New("no such instance")
	// ErrNoEvent: the kernel has no such event.
	ErrNoEvent = errors.New("no such event")
)

// UnavailableError says why tracefs cannot be used.
type UnavailableError struct {
	Reason error    // ErrNotMounted, ErrPermission, ErrLockdown or ErrNoTracing
	Places []string // where it was looked for
	Err    error    // what the kernel said, or nil
}

func (e *UnavailableError) Error() string {
	s := e.Reason.Error() + " (looked in " + strings.Join(e.Places, ", ") + ")"
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

func (e *UnavailableError) Unwrap() []error {
	if e.Err == nil {
		return []error{e.Reason}
	}
	return []error{e.Reason, e.Err}
}

// FileError is what the kernel answered about one file.
type FileError struct {
	Op    string // what was done
	Path  string // below the mount point
	Value string // what was written, if anything
	Err   error
}

func (e *FileError) Error() string {
	if e.Value == "" {
		return fmt.Sprintf("%s %s: %v", e.Op, e.Path, e.Err)
	}
	value := e.Value
	if len(value) > 200 {
		value = value[:200] + "…"
	}
	return fmt.Sprintf("%s %q to %s: %v", e.Op, value, e.Path, e.Err)
}

func (e *FileError) Unwrap() error { return e.Err }

// NameError is a name that cannot be that of a file in tracefs.
type NameError struct {
	Kind   string // what it was to name: instance, system, event, option, …
	Name   string
	Reason string
}

func (e *NameError) Error() string {
	return fmt.Sprintf("%s name %q %s", e.Kind, e.Name, e.Reason)
}

// MissingError is a file that this kernel does not have.
type MissingError struct {
	File string // below the mount point
	Need string // what a kernel has that has it
}

func (e *MissingError) Error() string {
	return fmt.Sprintf("the kernel has no %s (needs %s)", e.File, e.Need)
}

// Unwrap makes it errors.ErrUnsupported.
func (e *MissingError) Unwrap() error { return errors.ErrUnsupported }

// EventError is an event for which something was refused.
type EventError struct {
	Event EventName
	Op    string // enable, disable, …
	Err   error
}

func (e *EventError) Error() string { return fmt.Sprintf("%s %s: %v", e.Op, e.Event, e.Err) }

func (e *EventError) Unwrap() error { return e.Err }

// MemoryError is a ring for which the kernel has not the memory.
type MemoryError struct {
	RingBytes int // wanted for one CPU
	CPUs      int
	Err       error
}

func (e *MemoryError) Error() string {
	return fmt.Sprintf("cannot allocate %s × %d CPUs for the rings: %v", size(e.RingBytes), e.CPUs, e.Err)
}

func (e *MemoryError) Unwrap() error { return e.Err }

// size returns a number of bytes in the largest unit that shows it whole.
func size(bytes int) string {
	switch {
	case bytes >= 1<<20 && bytes%(1<<20) == 0:
		return fmt.Sprintf("%d MiB", bytes>>20)
	case bytes >= 1<<10 && bytes%(1<<10) == 0:
		return fmt.Sprintf("%d KiB", bytes>>10)
	}
	return fmt.Sprintf("%d bytes", bytes)
}

// CheckName returns a NameError for what cannot be the name of one file or
// directory.
func CheckName(kind, name string) error {
	reason := ""
	switch {
	case name == "":
		reason = "is empty"
	case name == "." || name == "..":
		reason = "is a directory's own or its parent's"
	case len(name) > 255:
		reason = "is longer than 255 bytes"
	case strings.ContainsAny(name, "/\x00\n"):
		reason = "contains a slash, line break or zero byte"
	default:
		return nil
	}
	return &NameError{Kind: kind, Name: name, Reason: reason}
}
