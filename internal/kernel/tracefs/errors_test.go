// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracefs

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestErrorTexts(t *testing.T) {
	for want, err := range map[string]error{
		"tracefs is not mounted (looked in /a, /b): operation not permitted":             &UnavailableError{ErrNotMounted, []string{"/a", "/b"}, unix.EPERM},
		"no permission to use tracefs (looked in /a)":                                    &UnavailableError{Reason: ErrPermission, Places: []string{"/a"}},
		"open x/y: no such file or directory":                                            &FileError{Op: "open", Path: "x/y", Err: unix.ENOENT},
		"write \"1\" to x/y: invalid argument":                                           &FileError{"write", "x/y", "1", unix.EINVAL},
		"write \"" + strings.Repeat("v", 200) + "…\" to x: invalid argument":             &FileError{"write", "x", strings.Repeat("v", 300), unix.EINVAL},
		"instance name \"..\" is a directory's own or its parent's":                      CheckName("instance", ".."),
		"the kernel has no kprobe_events (needs CONFIG_KPROBE_EVENTS)":                   &MissingError{kprobeEvents, "CONFIG_KPROBE_EVENTS"},
		"enable sched:x: no such event":                                                  &EventError{EventName{"sched", "x"}, "enable", ErrNoEvent},
		"cannot allocate 4 MiB × 2 CPUs for the rings: cannot allocate memory":           &MemoryError{4 << 20, 2, unix.ENOMEM},
		"cannot allocate 1408 KiB × 1 CPUs for the rings: cannot allocate memory":        &MemoryError{1408 << 10, 1, unix.ENOMEM},
		"cannot allocate 1000 bytes × 1 CPUs for the rings: cannot allocate memory":      &MemoryError{1000, 1, unix.ENOMEM},
		"probe \"p:weir_x/y f a=%q\": invalid argument: Invalid register (at offset 15)": &ProbeError{"p:weir_x/y f a=%q", 15, "Invalid register", unix.EINVAL},
		"probe \"-:weir_x/y\": device or resource busy":                                  &ProbeError{"-:weir_x/y", -1, "", unix.EBUSY},
	} {
		if got := err.Error(); got != want {
			t.Errorf("Error = %q, want %q", got, want)
		}
	}
	if !errors.Is(ErrNoTracing, errors.ErrUnsupported) {
		t.Error("a kernel without tracing is not errors.ErrUnsupported")
	}
}

// Nothing in the package can write what belongs to everybody.
func TestWritesAreConfined(t *testing.T) {
	dir, _ := tree(t)
	for what, write := range map[string]func() error{
		"file":     func() error { return dir.write("tracing_on", "0", 0) },
		"list":     func() error { return dir.write(dynamicEvents, "", unix.O_TRUNC) },
		"set":      func() error { return dir.addTo("set_event", "x") },
		"instance": func() error { return dir.addTo(instancesDir+"/x/tracing_on", "0") },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", what)
				}
			}()
			t.Errorf("%s: %v", what, write())
		}()
	}
}

func TestOpen(t *testing.T) {
	_, d := tree(t)
	fs, err := Open(d.tree)
	must(t, err)
	must(t, fs.Close())
	keepsDescriptors(t)
	must(t, os.Remove(filepath.Join(d.tree, clockFile)))
	for _, dir := range []string{d.tree, filepath.Join(d.tree, "nosuch"), filepath.Join(d.tree, availableEvents)} {
		if _, err := Open(dir); err == nil {
			t.Errorf("Open(%s) is no error", dir)
		}
	}
}

// Answers that cannot be read are errors, not zeros.
func TestOddAnswers(t *testing.T) {
	dir, d := tree(t)
	in, err := dir.Create(freeName(), InstanceOptions{})
	must(t, err)
	d.fill(filepath.Join(d.tree, in.dir), map[string]string{
		subbufferFile: "many\n", ringFile: "X\n", "per_cpu/cpu0/" + ringFile: "\n", "set_event_pid": "1\nx\n", "set_event": "x\n",
	})
	for what, err := range map[string]error{
		"SubbufferBytes": second(in.SubbufferBytes()), "RingBytes": second(in.RingBytes(0)), "OpenRing": second(in.OpenRing(0)),
		"PIDs": second(in.PIDs()), "Enabled": second(in.Enabled()), "no such CPU": second(in.OpenPipe(7)),
	} {
		if err == nil {
			t.Errorf("%s is no error", what)
		}
	}
}
