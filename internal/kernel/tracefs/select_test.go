// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracefs

import (
	"errors"
	"os"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

func TestEnable(t *testing.T) {
	fs := mounted(t)
	keepsDescriptors(t)
	in := create(t, fs, InstanceOptions{})
	enabled := func(want ...EventName) {
		t.Helper()
		if got, err := in.Enabled(); !slices.Equal(got, want) || err != nil {
			t.Errorf("Enabled = %v, %v, want %v", got, err, want)
		}
	}
	enabled()
	must(t, in.Enable(schedSwitch))
	enabled(schedSwitch)
	softirq := EventName{"irq", "softirq_entry"}
	refused, err := in.EnableEvents([]EventName{softirq, {"sched", "nosuch"}, {"nosuch", "sched_switch"}, {"ftrace", "function"}, {"!sched", "sched_switch"}, schedSwitch})
	must(t, err)
	if len(refused) != 4 {
		t.Errorf("refused: %v", refused)
	}
	for _, r := range refused {
		// Those of ftrace have a directory, but nothing in it to enable.
		if want := r.Event.System[0] != '!'; errors.Is(r, ErrNoEvent) != want {
			t.Errorf("%v: is ErrNoEvent %v, want %v", r, !want, want)
		}
	}
	if got, err := in.Enabled(); len(got) != 2 || !slices.Contains(got, softirq) || err != nil {
		t.Errorf("Enabled = %v, %v", got, err)
	}
	must(t, in.Disable(schedSwitch))
	enabled(softirq)
	refused, err = in.DisableEvents([]EventName{softirq, {"irq", "nosuch"}})
	if len(refused) != 1 || err != nil {
		t.Errorf("DisableEvents = %v, %v", refused, err)
	}
	enabled()
	must(t, in.EnableSystem("irq"))
	if got, err := in.Enabled(); len(got) < 4 || err != nil || slices.ContainsFunc(got, func(n EventName) bool { return n.System != "irq" }) {
		t.Errorf("Enabled after EnableSystem = %v, %v", got, err)
	}
	must(t, in.DisableSystem("irq"))
	enabled()
	for what, err := range map[string]error{
		"Enable": in.Enable(EventName{"sched", "nosuch"}), "Disable": in.Disable(EventName{"nosuch", "x"}),
		"EnableSystem": in.EnableSystem("nosuch"), "ClearFilter": in.ClearFilter(EventName{"sched", "nosuch"}),
	} {
		if !errors.Is(err, ErrNoEvent) {
			t.Errorf("%s: %v, want ErrNoEvent", what, err)
		}
	}
}

func TestEnableAll(t *testing.T) {
	fs := mounted(t)
	in := create(t, fs, InstanceOptions{})
	all, err := fs.Events()
	must(t, err)
	must(t, in.EnableAll())
	got, err := in.Enabled()
	if len(got) < len(all)*9/10 || err != nil { // probes of others come and go
		t.Errorf("%d of %d events enabled, %v", len(got), len(all), err)
	}
	must(t, in.DisableAll())
	if got, err := in.Enabled(); len(got) != 0 || err != nil {
		t.Errorf("%d events enabled, %v", len(got), err)
	}
}

func TestTrigger(t *testing.T) {
	fs := mounted(t)
	in := create(t, fs, InstanceOptions{})
	must(t, in.AddTrigger(schedSwitch, "stacktrace"))
	must(t, in.AddTrigger(schedSwitch, "traceoff:3 if prev_pid == 77"))
	if got, err := in.get("events/sched/sched_switch/trigger"); got != "traceoff:count=3 if prev_pid == 77\nstacktrace:unlimited" || err != nil {
		t.Errorf("trigger = %q, %v", got, err)
	}
	if err := in.AddTrigger(schedSwitch, "stacktrace"); !errors.Is(err, os.ErrExist) {
		t.Errorf("the same trigger again: %v", err)
	}
	must(t, in.RemoveTrigger(schedSwitch, "stacktrace"))
	if got, err := in.get("events/sched/sched_switch/trigger"); got != "traceoff:count=3 if prev_pid == 77" || err != nil {
		t.Errorf("trigger = %q, %v", got, err)
	}
	for _, trigger := range []string{"nosuch", "", "!", "stacktrace\ntraceoff", "stacktrace if foo == 1"} {
		var eerr *EventError
		if err := in.AddTrigger(schedSwitch, trigger); !errors.As(err, &eerr) || !errors.Is(err, unix.EINVAL) {
			t.Errorf("trigger %q: %v", trigger, err)
		}
	}
	if err := in.AddTrigger(EventName{"sched", "nosuch"}, "stacktrace"); !errors.Is(err, ErrNoEvent) {
		t.Errorf("trigger of no event: %v", err)
	}
}

func TestPIDs(t *testing.T) {
	fs := mounted(t)
	in := create(t, fs, InstanceOptions{})
	var many []int
	for tid := 1; tid < 4000; tid++ {
		many = append(many, tid)
	}
	for _, tt := range []struct {
		name string
		set  func([]int) error
		add  func(...int) error
		get  func() ([]int, error)
	}{
		{"pids", in.SetPIDs, in.AddPIDs, in.PIDs},
		{"notrace pids", in.SetNotracePIDs, in.AddNotracePIDs, in.NotracePIDs},
	} {
		is := func(want []int) {
			t.Helper()
			if got, err := tt.get(); !slices.Equal(got, want) || err != nil {
				t.Errorf("%s: %d numbers, %v, want %d", tt.name, len(got), err, len(want))
			}
		}
		is(nil)
		must(t, tt.set([]int{3, 1}))
		is([]int{1, 3})
		must(t, tt.add(2))
		must(t, tt.add())
		is([]int{1, 2, 3})
		must(t, tt.set(many))
		is(many)
		must(t, tt.set(nil))
		is(nil)
		for _, bad := range []int{-1, 1 << 30} {
			if err := tt.add(bad); err == nil {
				t.Errorf("%s: %d is taken", tt.name, bad)
			}
		}
		is(nil)
	}
}
