// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracefs

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestEvents(t *testing.T) {
	fs := mounted(t)
	keepsDescriptors(t)
	events, err := fs.Events()
	must(t, err)
	if !slices.Contains(events, schedSwitch) || len(events) < 100 {
		t.Fatalf("%d events", len(events))
	}
	ids := make(map[uint16]EventName)
	var text []byte
	for _, n := range events {
		if strings.HasPrefix(n.System, ProbeGroupPrefix) {
			continue // a probe of a test beside this one may be gone
		}
		text, err = fs.Format(n, text[:0])
		must(t, err)
		id, err := fs.EventID(n)
		must(t, err)
		if other, twice := ids[id]; twice || !bytes.HasPrefix(text, []byte("name: ")) {
			t.Errorf("event %v: id %d, also of %v: %.30q", n, id, other, text)
		}
		ids[id] = n
	}
	page, err := fs.HeaderPage()
	if err != nil || !strings.Contains(string(page), "commit") {
		t.Errorf("HeaderPage = %q, %v", page, err)
	}
	for _, n := range []EventName{{"sched", "nosuch"}, {"nosuch", "sched_switch"}} {
		if _, err := fs.Format(n, nil); !errors.Is(err, ErrNoEvent) {
			t.Errorf("Format of %v: %v, want ErrNoEvent", n, err)
		}
		if _, err := fs.EventID(n); !errors.Is(err, ErrNoEvent) {
			t.Errorf("EventID of %v: %v, want ErrNoEvent", n, err)
		}
	}
}

func TestParseEventName(t *testing.T) {
	for s, ok := range map[string]bool{
		"sched:sched_switch": true, "sched": false, "": false, ":": false, "sched:": false, ":x": false, "a:b:c": false, "!a:b": false, "a:*": false, "a :b": false,
		"../x:y": false, "x:..": false,
	} {
		n, err := ParseEventName(s)
		if (err == nil) != ok || ok && n.String() != s {
			t.Errorf("ParseEventName(%q) = %v, %v", s, n, err)
		}
	}
}

func TestBadLists(t *testing.T) {
	dir, d := tree(t)
	for _, text := range []string{"sched:sched_switch\nrubbish\n", "sched:../..\n", "\n"} {
		d.fill(d.tree, map[string]string{availableEvents: text})
		if events, err := dir.Events(); err == nil || !strings.Contains(err.Error(), "available_events, line ") {
			t.Errorf("Events of %q = %v, %v", text, events, err)
		}
	}
	d.fill(d.tree, map[string]string{"events/sched/sched_switch/id": "70000\n"})
	if id, err := dir.EventID(schedSwitch); err == nil {
		t.Errorf("EventID = %d", id)
	}
}

func TestWatch(t *testing.T) {
	dir, d := tree(t)
	w, err := dir.Watch()
	must(t, err)
	set := func(text string) { d.fill(d.tree, map[string]string{availableEvents: text}) }
	want := func(added, removed []EventName) {
		t.Helper()
		a, r, err := w.Changes()
		if !slices.Equal(a, added) || !slices.Equal(r, removed) || err != nil {
			t.Errorf("Changes = %v, %v, %v, want %v, %v", a, r, err, added, removed)
		}
	}
	want(nil, nil)
	set("sched:sched_switch\nxfs:b\nxfs:a\n")
	want([]EventName{{"xfs", "b"}, {"xfs", "a"}}, []EventName{{"irq", "softirq_entry"}})
	want(nil, nil)
	set("xfs:a\nxfs:b\nsched:sched_switch\n") // only the order
	want(nil, nil)
	set("")
	a, r, err := w.Changes()
	if len(a) != 0 || len(r) != 3 || err != nil {
		t.Errorf("Changes to nothing = %v, %v, %v", a, r, err)
	}
	set("xfs:a\n")
	want([]EventName{{"xfs", "a"}}, nil)
	d.refuse = func(string, string) error { return unix.EMFILE }
	if _, _, err := w.Changes(); !errors.Is(err, unix.EMFILE) {
		t.Errorf("Changes without descriptors: %v", err)
	}
	d.refuse = nil
	want(nil, nil)
	set("rubbish\n")
	if _, _, err := w.Changes(); err == nil {
		t.Error("rubbish is no error")
	}
	set("xfs:a\nxfs:c\n")
	want([]EventName{{"xfs", "c"}}, nil)
	must(t, os.Remove(filepath.Join(d.tree, availableEvents)))
	if _, err := dir.Watch(); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Watch of nothing: %v", err)
	}
}

// A watch that begins with no event at all sees the first ones come.
func TestWatchFromNothing(t *testing.T) {
	dir, d := tree(t)
	d.fill(d.tree, map[string]string{availableEvents: ""})
	w, err := dir.Watch()
	must(t, err)
	d.fill(d.tree, map[string]string{availableEvents: "xfs:a\n"})
	if a, _, err := w.Changes(); len(a) != 1 || err != nil {
		t.Errorf("Changes = %v, %v", a, err)
	}
}

func FuzzParseEvents(f *testing.F) {
	f.Add("sched:sched_switch\nirq:softirq_entry\n")
	f.Add("a:b:c\n..:x\n\n")
	f.Fuzz(func(t *testing.T, text string) {
		events, err := parseEvents(text)
		for _, n := range events {
			if _, perr := n.path(); perr != nil && err == nil {
				t.Errorf("parseEvents(%q) has %q: %v", text, n, perr)
			}
		}
	})
}

func BenchmarkEvents(b *testing.B) {
	fs := mounted(b)
	for b.Loop() {
		if _, err := fs.Events(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAllFormats(b *testing.B) {
	fs := mounted(b)
	events, err := fs.Events()
	must(b, err)
	var text []byte
	for b.Loop() {
		for _, n := range events {
			if text, err = fs.Format(n, text[:0]); err != nil {
				b.Fatal(err)
			}
		}
	}
}

func BenchmarkEnable(b *testing.B) {
	fs := mounted(b)
	in := create(b, fs, InstanceOptions{})
	events, err := fs.Events()
	must(b, err)
	for name, enable := range map[string]func() error{
		"all":  in.EnableAll,
		"many": func() error { return second(in.EnableEvents(events)) },
		"single": func() error {
			for _, n := range events {
				if err := in.Enable(n); err != nil {
					return err
				}
			}
			return nil
		},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				must(b, enable())
				b.StopTimer()
				must(b, in.DisableAll())
				b.StartTimer()
			}
		})
	}
}
