// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracefs

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// Capabilities are what this kernel's tracefs can do. They are part of documents
// that people read.
type Capabilities struct {
	Path   string   `json:"path"`
	Clocks []string `json:"clocks"` // words for InstanceOptions.Clock
	// SubbufferBytes is the size of a page of the top level's rings: what an
	// instance begins with.
	SubbufferBytes int `json:"subbuffer_bytes"`

	Uprobes       bool `json:"uprobe_events"`
	Kprobes       bool `json:"kprobe_events"`
	Eprobes       bool `json:"eprobe_events"` // tried: the kernel lists them without having them
	DynamicEvents bool `json:"dynamic_events"`
	UserEvents    bool `json:"user_events_data"`
	Snapshot      bool `json:"snapshot"`
	Hist          bool `json:"hist"`
	Triggers      bool `json:"trigger"`
	Syscalls      bool `json:"syscalls"` // an event for each system call
	Subbuffers    bool `json:"buffer_subbuf_size_kb"`
	WakePercent   bool `json:"buffer_percent"`
	EventPIDs     bool `json:"set_event_pid"`
	NotracePIDs   bool `json:"set_event_notrace_pid"`
	EventFork     bool `json:"event_fork"`
	StackTrace    bool `json:"stacktrace"` // option of instances
	ErrorLog      bool `json:"error_log"`
	Functions     bool `json:"available_filter_functions"`
}

// Capabilities finds out what the kernel can do. What is certain is found out
// once; what could not be, for want of descriptors or permission, is in the
// error, false in the result and found out anew the next time.
func (fs *FS) Capabilities() (Capabilities, error) {
	c := Capabilities{Path: fs.path}
	var errs []error
	text, err := fs.line(clockFile)
	errs = append(errs, err)
	c.Clocks = strings.Fields(strings.NewReplacer("[", "", "]", "").Replace(text))
	c.SubbufferBytes, err = fs.subbufferBytes()
	errs = append(errs, err)
	for _, f := range []struct {
		has  *bool
		file string
	}{
		{&c.Uprobes, uprobeEvents},
		{&c.Kprobes, kprobeEvents},
		{&c.DynamicEvents, dynamicEvents},
		{&c.UserEvents, "user_events_data"},
		{&c.Snapshot, "snapshot"},
		{&c.Syscalls, eventsDir + "/syscalls"},
		{&c.Subbuffers, subbufferFile},
		{&c.WakePercent, percentFile},
		{&c.EventPIDs, "set_event_pid"},
		{&c.NotracePIDs, "set_event_notrace_pid"},
		{&c.EventFork, "options/event-fork"},
		{&c.StackTrace, "options/stacktrace"},
		{&c.ErrorLog, "error_log"},
		{&c.Functions, "available_filter_functions"},
	} {
		*f.has, err = fs.feature(f.file, func() (bool, error) { return fs.exists(f.file) })
		errs = append(errs, err)
	}
	for _, f := range []struct {
		has  *bool
		file string
	}{
		{&c.Hist, "hist"},
		{&c.Triggers, "trigger"},
	} {
		*f.has, err = fs.feature("event's "+f.file, func() (bool, error) { return fs.eventHas(f.file) })
		errs = append(errs, err)
	}
	c.Eprobes, err = fs.feature("eprobe", fs.takesEprobe)
	return c, errors.Join(append(errs, err)...)
}

// feature returns what is known of a feature, or probes it and keeps the result
// unless there was an error.
func (fs *FS) feature(name string, probe func() (bool, error)) (bool, error) {
	fs.mu.Lock()
	has, known := fs.features[name]
	fs.mu.Unlock()
	if known {
		return has, nil
	}
	has, err := probe()
	if err != nil {
		return false, fmt.Errorf("probe for %s: %w", name, err)
	}
	fs.mu.Lock()
	fs.features[name] = has
	fs.mu.Unlock()
	return has, nil
}

// eventHas reports whether the directories of events hold a file. All are alike.
func (fs *FS) eventHas(file string) (bool, error) {
	n, err := fs.anyEvent()
	if err != nil {
		return false, err
	}
	dir, err := n.path()
	if err != nil {
		return false, err
	}
	return fs.exists(dir + "/" + file)
}

func (fs *FS) anyEvent() (EventName, error) {
	events, err := fs.Events()
	if err == nil && len(events) == 0 {
		err = fmt.Errorf("%s: %w", availableEvents, ErrNoEvent)
	}
	if err != nil {
		return EventName{}, err
	}
	return events[0], nil
}

// takesEprobe adds a probe to an event, and takes it away.
func (fs *FS) takesEprobe() (bool, error) {
	if ok, err := fs.exists(dynamicEvents); !ok || err != nil {
		return false, err
	}
	n, err := fs.anyEvent()
	if err != nil {
		return false, err
	}
	trial := EventName{System: ProbeGroupPrefix + "trial", Name: fmt.Sprintf("eprobe_%d", os.Getpid())}
	err = fs.addTo(dynamicEvents, fmt.Sprintf("e:%s/%s %s.%s\n", trial.System, trial.Name, n.System, n.Name))
	if errors.Is(err, unix.EINVAL) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, fs.RemoveProbe(trial)
}

// subbufferBytes returns the size of the top level's sub-buffers.
func (fs *FS) subbufferBytes() (int, error) {
	kb, err := fs.number(subbufferFile)
	if missing(err) {
		return os.Getpagesize(), nil
	}
	return kb << 10, err
}
