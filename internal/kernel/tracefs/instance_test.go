// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracefs

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestCreateSetsEverything(t *testing.T) {
	fs := mounted(t)
	in := create(t, fs, InstanceOptions{
		Clock: "boot", SubbufferBytes: 8 << 10, RingBytes: 1 << 20, WakePercent: 10,
		Options: map[string]bool{"event-fork": true, "markers": false},
	})
	for file, want := range map[string]string{
		"tracing_on": "0", "buffer_percent": "10", "buffer_subbuf_size_kb": "8",
		"options/overwrite": "0", "options/event-fork": "1", "options/markers": "0",
		"events/enable": "0", "set_event": "",
	} {
		if got, err := in.get(file); got != want || err != nil {
			t.Errorf("%s = %q, %v, want %q", file, got, err, want)
		}
	}
	if got, err := in.get("trace_clock"); err != nil || !strings.Contains(got, "[boot]") {
		t.Errorf("trace_clock = %q, %v", got, err)
	}
	if got, err := in.SubbufferBytes(); got != 8<<10 || err != nil {
		t.Errorf("SubbufferBytes = %d, %v", got, err)
	}
	cpus, err := in.CPUs()
	must(t, err)
	for _, cpu := range cpus {
		if got, err := in.RingBytes(cpu); got < 1<<20 || got > 1<<20+16<<10 || err != nil {
			t.Errorf("RingBytes(%d) = %d, %v", cpu, got, err)
		}
	}
	page, err := in.HeaderPage()
	if err != nil || !strings.Contains(string(page), "size:8176;") {
		t.Errorf("HeaderPage = %q, %v", page, err)
	}
	if _, err := fs.Create(in.Name(), InstanceOptions{}); !errors.Is(err, os.ErrExist) {
		t.Errorf("creating it again: %v, want fs.ErrExist", err)
	}
	again, err := fs.Instance(in.Name())
	must(t, err)
	must(t, again.SetTracing(true))
	if on, err := in.Tracing(); !on || err != nil {
		t.Errorf("Tracing = %v, %v", on, err)
	}
	must(t, in.Clear())
}

func TestCreateRefused(t *testing.T) {
	fs := mounted(t)
	keepsDescriptors(t)
	for name, tt := range map[string]struct {
		o    InstanceOptions
		want error
		text string
	}{
		"clock":   {InstanceOptions{Clock: "sundial"}, errors.ErrUnsupported, "clock sundial: unsupported operation (the kernel has [local]"},
		"memory":  {InstanceOptions{RingBytes: 1 << 40}, unix.ENOMEM, "cannot allocate 1048576 MiB × "},
		"percent": {InstanceOptions{WakePercent: 101}, unix.EINVAL, `write "101" to instances/`},
		"subbuf":  {InstanceOptions{SubbufferBytes: 1 << 30}, unix.EINVAL, `write "1048576" to instances/`},
		"option":  {InstanceOptions{Options: map[string]bool{"nosuch": true}}, errors.ErrUnsupported, "the kernel has no options/nosuch"},
		"escape":  {InstanceOptions{Options: map[string]bool{"../../tracing_on": true}}, nil, "contains a slash"},
	} {
		in, err := fs.Create(freeName(), tt.o)
		if err == nil {
			remove(t, in)
		}
		if err == nil || tt.want != nil && !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.text) {
			t.Errorf("%s: %v, want %v: %q", name, err, tt.want, tt.text)
		}
	}
	if left, err := fs.Instances(prefix); len(left) != 0 || err != nil {
		t.Errorf("instances left: %q, %v", left, err)
	}
}

// Whatever step of Create is refused, nothing stays.
func TestCreateUndone(t *testing.T) {
	o := InstanceOptions{
		Clock: "mono", SubbufferBytes: 8 << 10, RingBytes: 1 << 20, WakePercent: 10, Overwrite: true,
		Options: map[string]bool{"event-fork": true},
	}
	for _, refusal := range []error{unix.EPERM, unix.ENOMEM, unix.ENOENT, unix.EIO, unix.EMFILE} {
		steps := 0
		for at := 0; at <= steps; at++ { // at 0 counts the steps
			dir, d := tree(t)
			keepsDescriptors(t)
			step := 0
			d.refuse = func(op, path string) error {
				if op == "rmdir" {
					return nil
				}
				if step++; step == at {
					return refusal
				}
				return nil
			}
			name := freeName()
			_, err := dir.Create(name, o)
			if at == 0 {
				must(t, err)
				steps = step
				continue
			}
			entries, rerr := os.ReadDir(filepath.Join(d.tree, instancesDir))
			if err == nil && refusal != unix.ENOENT {
				t.Errorf("step %d of %d: no error for %v", at, steps, refusal)
			}
			if rerr != nil || err != nil && len(entries) != 0 {
				t.Errorf("step %d of %d: left after %v: %v, %v", at, steps, err, entries, rerr)
			}
			if err != nil && refusal != unix.ENOENT && !errors.Is(err, refusal) {
				t.Errorf("step %d of %d: %v does not say %v", at, steps, err, refusal)
			}
		}
		if steps < 10 {
			t.Errorf("%d steps, want more", steps)
		}
	}
}

// A failed removal after a failed creation is told, too.
func TestCreateNotUndone(t *testing.T) {
	dir, d := tree(t)
	d.refuse = func(op, path string) error {
		switch {
		case op == "rmdir":
			return unix.EBUSY
		case op == "write" && strings.HasSuffix(path, ringFile):
			return unix.ENOMEM
		}
		return nil
	}
	_, err := dir.Create(freeName(), InstanceOptions{RingBytes: 3 << 20})
	var memory *MemoryError
	if !errors.As(err, &memory) || memory.RingBytes != 3<<20 || memory.CPUs != 3 || !errors.Is(err, unix.EBUSY) {
		t.Errorf("Create: %v", err)
	}
}

// A kernel that lacks what is only nice to have still gives an instance.
func TestOldKernel(t *testing.T) {
	dir, d := tree(t)
	d.refuse = func(op, path string) error {
		if op == "open" && (strings.HasSuffix(path, subbufferFile) || strings.HasSuffix(path, percentFile)) {
			return unix.ENOENT
		}
		return nil
	}
	in, err := dir.Create(freeName(), InstanceOptions{WakePercent: 10})
	must(t, err)
	if got, err := in.SubbufferBytes(); got != os.Getpagesize() || err != nil {
		t.Errorf("SubbufferBytes = %d, %v", got, err)
	}
	_, err = dir.Create(freeName(), InstanceOptions{SubbufferBytes: 64 << 10})
	if !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), "buffer_subbuf_size_kb (needs Linux 6.8, for sub-buffers of 64 KiB)") {
		t.Errorf("large sub-buffers: %v", err)
	}
	if got, err := in.RingBytes(0); got != 7<<10 || err != nil {
		t.Errorf("RingBytes = %d, %v", got, err)
	}
	if got, err := in.CPUs(); !slices.Equal(got, []int{0, 2, 10}) || err != nil {
		t.Errorf("CPUs = %v, %v", got, err)
	}
}

func TestRemoveBusy(t *testing.T) {
	fs := mounted(t)
	in := create(t, fs, InstanceOptions{})
	must(t, in.Enable(EventName{"sched", "sched_switch"}))
	must(t, in.SetTracing(true))
	stats, err := in.OpenPipe(0)
	must(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	err = in.Remove(ctx)
	if !errors.Is(err, ErrBusy) || !errors.Is(err, unix.EBUSY) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Remove while a ring is open: %v", err)
	}
	if on, err := in.Tracing(); on || err != nil {
		t.Errorf("it still records: %v, %v", on, err)
	}
	if events, err := in.Enabled(); len(events) != 0 || err != nil {
		t.Errorf("still enabled: %v, %v", events, err)
	}
	removed := make(chan error)
	go func() { removed <- in.Remove(t.Context()) }() // ended by the closing below; the test waits
	must(t, stats.Close())
	must(t, <-removed)
	must(t, in.Remove(t.Context())) // gone is as good as removed
	for _, err := range []error{
		in.SetTracing(true), in.Enable(EventName{"sched", "sched_switch"}), in.EnableAll(), in.EnableSystem("sched"),
		in.SetFilter(EventName{"sched", "sched_switch"}, "prev_pid == 1"), in.SetPIDs([]int{1}), in.SetOption("overwrite", true),
		second(in.OpenPipe(0)), second(in.OpenRing(0)), second(in.CPUs()), second(in.SubbufferBytes()), second(in.Enabled()),
		second(in.EnableEvents([]EventName{{"sched", "sched_switch"}})), second(fs.Instance(in.Name())), in.Clear(),
		second(in.Filter(EventName{"sched", "sched_switch"})), second(in.HeaderPage()),
	} {
		if !errors.Is(err, ErrNoInstance) {
			t.Errorf("after the removal: %v, want ErrNoInstance", err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestNamesCannotLeave(t *testing.T) {
	dir, _ := tree(t)
	in, err := dir.Create(freeName(), InstanceOptions{})
	must(t, err)
	for _, name := range []string{"", ".", "..", "../..", "a/b", "/etc", "a\x00b", "a\nb", strings.Repeat("x", 256)} {
		bad, alsoBad := EventName{name, "sched_switch"}, EventName{"sched", name}
		for what, err := range map[string]error{
			"Create":       second(dir.Create(name, InstanceOptions{})),
			"Instance":     second(dir.Instance(name)),
			"Format":       second(dir.Format(bad, nil)),
			"EventID":      second(dir.EventID(alsoBad)),
			"Enable":       in.Enable(bad),
			"Disable":      in.Disable(alsoBad),
			"EnableSystem": in.EnableSystem(name),
			"SetFilter":    in.SetFilter(bad, "x == 1"),
			"Filter":       second(in.Filter(alsoBad)),
			"ClearFilter":  in.ClearFilter(alsoBad),
			"AddTrigger":   in.AddTrigger(bad, "stacktrace"),
			"SetOption":    in.SetOption(name, true),
			"SetClock":     in.SetClock(name),
			"RemoveProbe":  dir.RemoveProbe(EventName{"weir_x", name}),
			"AddProbe":     dir.AddProbe(Probe{Event: EventName{"weir_" + name, name}, Symbol: "x"}),
		} {
			var nerr *NameError
			if !errors.As(err, &nerr) {
				t.Errorf("%s(%q): %v, want a NameError", what, name, err)
			}
		}
		refused, err := in.EnableEvents([]EventName{bad, alsoBad})
		if len(refused) != 2 || err != nil {
			t.Errorf("EnableEvents(%q) = %v, %v", name, refused, err)
		}
	}
}

func TestClosed(t *testing.T) {
	dir, _ := tree(t)
	in, err := dir.Create(freeName(), InstanceOptions{})
	must(t, err)
	must(t, dir.Close())
	must(t, dir.Close())
	for what, err := range map[string]error{
		"Events": second(dir.Events()), "Create": second(dir.Create(freeName(), InstanceOptions{})),
		"Enable": in.Enable(EventName{"sched", "sched_switch"}), "Remove": in.Remove(t.Context()),
	} {
		if !errors.Is(err, fs.ErrClosed) {
			t.Errorf("%s after Close: %v", what, err)
		}
	}
}

func TestSweep(t *testing.T) {
	fs := mounted(t)
	run := freeName() // so that a test beside this one keeps its instances
	leave := func(suffix string) *Instance {
		in, err := fs.Create(run+suffix, InstanceOptions{})
		must(t, err)
		t.Cleanup(func() { remove(t, in) })
		return in
	}
	left, kept, busy := leave(".left"), leave(".kept"), leave(".busy")
	must(t, left.EnableSystem("sched"))
	must(t, left.SetTracing(true))
	must(t, busy.SetTracing(true))
	pipe, err := busy.OpenPipe(0)
	must(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	removed, err := fs.Sweep(ctx, run, func(name string) bool { return name == kept.Name() })
	if !slices.Equal(removed, []string{left.Name()}) || !errors.Is(err, ErrBusy) {
		t.Errorf("Sweep = %q, %v", removed, err)
	}
	if on, err := busy.Tracing(); on || err != nil {
		t.Errorf("what is in use still records: %v, %v", on, err)
	}
	must(t, pipe.Close())
	removed, err = fs.Sweep(t.Context(), run, func(name string) bool { return name == kept.Name() })
	if !slices.Equal(removed, []string{busy.Name()}) || err != nil {
		t.Errorf("second Sweep = %q, %v", removed, err)
	}
	names, err := fs.Instances(run)
	if !slices.Equal(names, []string{kept.Name()}) || err != nil {
		t.Errorf("left: %q, %v", names, err)
	}
	if removed, err := fs.Sweep(t.Context(), "", nil); removed != nil || !reflect.DeepEqual(err, CheckName("prefix of instance", "")) {
		t.Errorf("Sweep of everything = %q, %v", removed, err)
	}
}
