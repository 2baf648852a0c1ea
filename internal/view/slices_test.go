// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package view

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/weir-io/weir/ctf"
)

// slicedSinks are the sinks that slices can be written for, as the command makes
// them.
var slicedSinks = map[string]func(t *testing.T, out *Output, warnings io.Writer) Sink{
	"text": func(_ *testing.T, out *Output, warnings io.Writer) Sink {
		return NewTextSink(NewText(DefaultTextOptions()), out, warnings, Palette{})
	},
	"json": func(_ *testing.T, out *Output, warnings io.Writer) Sink {
		return NewWarner(NewJSONLines(out), NewText(DefaultTextOptions()), warnings, Palette{})
	},
	"csv": func(t *testing.T, out *Output, warnings io.Writer) Sink {
		csv, err := NewCSV(out, []string{"ns", "delta", "stream", "n", "msg", "delta"})
		if err != nil {
			t.Fatal(err)
		}
		return NewWarner(csv, NewText(DefaultTextOptions()), warnings, Palette{})
	},
}

// runText prints a trace as text; see runTo.
func runText(t *testing.T, dir string, change func(*Run)) (text, losses string, events int64, err error) {
	t.Helper()
	return runTo(t, dir, "text", change)
}

// runTo prints a trace to one of the slicedSinks and returns that, the losses
// told and the number of events; change may set more of the run.
func runTo(t *testing.T, dir, to string, change func(*Run)) (text, losses string, events int64, err error) {
	t.Helper()
	set, err := ctf.Open(ctf.Options{}, dir)
	if err != nil {
		t.Fatal(err)
	}
	var out, warnings bytes.Buffer
	sink := slicedSinks[to](t, NewOutput(&out), &warnings)
	r := &Run{Set: set, Select: Selection{Window: All}, Sink: sink}
	change(r)
	err = r.Run(t.Context())
	if e := sink.Close(); e != nil {
		t.Fatal(e)
	}
	return out.String(), warnings.String(), r.Events.Load(), err
}

// However finely the time line is cut, the lines are the same.
func TestSlicesPrintTheSame(t *testing.T) {
	few, err := NewWhere("n % 7 == 1")
	if err != nil {
		t.Fatal(err)
	}
	for _, streams := range []int{1, 2, 7} {
		dir := t.TempDir()
		makeTrace(t, filepath.Join(dir, "a"), "web", streams, 1500)
		makeTrace(t, filepath.Join(dir, "b"), "data", streams, 500)
		for name, s := range map[string]Selection{
			"all":    {Window: All},
			"where":  {Window: All, Keep: func() func(*ctf.Event) bool { return few.Clone().Keep }},
			"window": {Window: Window{origin + 300, origin + 1200}},
			"end":    {Window: Window{math.MinInt64, origin + 500}},
		} {
			for to := range slicedSinks {
				want, losses, events, err := runTo(t, dir, to, func(r *Run) { r.Select, r.Jobs = s, 1 })
				if err != nil || want == "" {
					t.Fatalf("%s: %d bytes, %v", name, len(want), err)
				}
				for _, size := range []int{1, 5000, 20_000} {
					t.Run(fmt.Sprintf("%s of %s of %d in slices of %d", to, name, streams, size), func(t *testing.T) {
						got, gotLosses, gotEvents, err := runTo(t, dir, to, func(r *Run) {
							r.Select, r.Jobs, r.sliceBytes = s, 3, size
							if r.cuts(r.cursors()) == nil && size == 1 {
								t.Error("there are no slices")
							}
							if _, ok := slicedOf(r.Sink); !ok {
								t.Error("the sink is not for slices")
							}
						})
						if err != nil || got != want || gotLosses != losses || gotEvents != events {
							t.Errorf("got %d bytes, %d of losses, %d events, %v; want %d, %d, %d, or they differ",
								len(got), len(gotLosses), gotEvents, err, len(want), len(losses), events)
						}
					})
				}
			}
		}
	}
}

// What lies before a bad packet is printed, and nothing behind it.
func TestSlicesBeforeBadPacket(t *testing.T) {
	dir := t.TempDir()
	makeTrace(t, dir, "web", 2, 4000)
	path := filepath.Join(dir, "ch_0")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const packetBytes = 4096
	b[len(b)/packetBytes/2*packetBytes] ^= 0xff // its magic
	if err := os.WriteFile(path, b, 0o666); err != nil {
		t.Fatal(err)
	}
	want, _, _, wantErr := runText(t, dir, func(r *Run) { r.Jobs = 1 })
	got, _, _, gotErr := runText(t, dir, func(r *Run) { r.Jobs, r.sliceBytes = 3, 1 })
	if wantErr == nil || gotErr == nil || wantErr.Error() != gotErr.Error() || got != want {
		t.Errorf("got %d bytes, %v; want %d bytes, %v", len(got), gotErr, len(want), wantErr)
	}
}

// A writer that fails ends the run with its error.
func TestSlicesWriteError(t *testing.T) {
	dir := t.TempDir()
	makeTrace(t, dir, "web", 2, 4000)
	set, err := ctf.Open(ctf.Options{}, dir)
	if err != nil {
		t.Fatal(err)
	}
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	sink := NewTextSink(NewText(DefaultTextOptions()), NewOutput(full), full, Palette{})
	r := &Run{Set: set, Select: Selection{Window: All}, Sink: sink, Jobs: 3, sliceBytes: 5000}
	if err := r.Run(t.Context()); err == nil {
		t.Error("no error")
	}
}
