// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package view

import (
	"bytes"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/ctf/schema"
	"github.com/weir-io/weir/internal/peer"
)

// needBabeltrace2 returns the path of the original program.
func needBabeltrace2(t *testing.T) string {
	t.Helper()
	program := peer.Need(t, "babeltrace2")
	version, _ := exec.Command(program, "--version").Output()
	if !strings.HasPrefix(string(version), "Babeltrace 2.0.") {
		peer.Lack(t, "babeltrace2 2.0, whose text it is; this is %.40q", version)
	}
	return program
}

// lossyStream writes a stream of packets of two events each: at 10 and 20 of each
// hundred ns. What is lost in each packet the arguments say, by packet number.
func lossyStream(w *ctf.StreamWriter, e *schema.Event, shift uint64, events, packets [5]uint64) error {
	var errs []error
	for i := range uint64(5) {
		begin := 1000 + 100*i + shift
		w.SkipPackets(packets[i])
		errs = append(errs, w.OpenPacket(begin))
		for _, at := range []uint64{10, 20} {
			ew := w.Event(e, begin+at)
			ew.Uint(i)
			errs = append(errs, ew.End())
		}
		w.Discard(events[i])
		errs = append(errs, w.ClosePacket(begin+50))
	}
	return errors.Join(errs...)
}

// writeLossyTrace writes a trace with losses of all kinds.
func writeLossyTrace(t *testing.T, dir string) {
	t.Helper()
	b := ctf.NewBuilder(ctf.BuilderOptions{UUID: schema.UUID{1}})
	stream, err := b.Stream(ctf.LargeHeader)
	if err != nil {
		t.Fatal(err)
	}
	e, err := stream.Event("e", schema.NoLogLevel, ctf.Uint("i", 8))
	if err != nil {
		t.Fatal(err)
	}
	trace, err := ctf.CreateTrace(dir, b.Trace(), ctf.TraceOptions{})
	if err != nil {
		t.Fatal(err)
	}
	losses := [][2][5]uint64{
		{{0, 0, 3, 0, 1}, {0, 2, 0, 0, 1}},
		{{4, 0, 0, 2, 0}, {0, 0, 0, 1, 0}},
	}
	for i, l := range losses {
		w, err := trace.Stream(stream.Class(), "c", i)
		if err == nil {
			err = lossyStream(w, e, uint64(i*35), l[0], l[1])
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := trace.Close(); err != nil {
		t.Fatal(err)
	}
}

// runBabeltrace2 returns what the original prints, without its own log.
func runBabeltrace2(t *testing.T, program string, args ...string) (out, warnings string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd := exec.Command(program, args...)
	cmd.Env = []string{"TZ=UTC", "LC_ALL=C", "HOME=" + t.TempDir()}
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("babeltrace2 %v: %v\n%s", args, err, stderr.String())
	}
	return stdout.String(), onlyWarnings(stderr.String())
}

// viewText returns what a job prints.
func viewText(t *testing.T, j Job) (out, warnings string) {
	t.Helper()
	var o, w bytes.Buffer
	j.Output, j.Text = "text", DefaultTextOptions()
	j.Text.Seconds = true
	j.Out, j.Err = &o, &w
	if err := j.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	return o.String(), w.String()
}

// Wherever a selection of time begins and ends: what is shown of losses at its
// edges is what babeltrace2 shows.
func TestLossesAtTheEdges(t *testing.T) {
	program := needBabeltrace2(t)
	dir := filepath.Join(t.TempDir(), "trace")
	writeLossyTrace(t, dir)
	edges := []int{900, 1000, 1010, 1035, 1049, 1050, 1051, 1085, 1099, 1100, 1150, 1151, 1200, 1249, 1250, 1251, 1260, 1280, 1285, 1300, 1335, 1340, 1384, 1385, 1386, 1400, 1449, 1450, 1451, 1485, 1600}
	arg := func(ns int) string { return fmt.Sprintf("0.%09d", ns) }
	check := func(begin, end int) {
		args := []string{"--clock-seconds", dir}
		j := Job{Inputs: []string{dir}}
		set := func(to *TimeArg, flag string, ns int) {
			if ns < 0 {
				return
			}
			args = append(args, flag, arg(ns))
			var err error
			if *to, err = ParseTime(arg(ns), nil); err != nil {
				t.Fatal(err)
			}
		}
		set(&j.Begin, "--begin", begin)
		set(&j.End, "--end", end)
		wantOut, wantWarnings := runBabeltrace2(t, program, args...)
		for _, j.Jobs = range []int{1, 2} {
			out, warnings := viewText(t, j)
			what := fmt.Sprintf("begin %d end %d jobs %d", begin, end, j.Jobs)
			if out != wantOut {
				t.Errorf("%s:\ngot:\n%swant:\n%s", what, out, wantOut)
			}
			if warnings != wantWarnings {
				t.Errorf("%s:\ngot:\n%swant:\n%s", what, warnings, wantWarnings)
			}
		}
	}
	for i, at := range edges {
		check(at, -1)
		check(-1, at)
		for _, end := range edges[i:] {
			if (at+end)%3 == 0 { // some of all
				check(at, end)
			}
		}
	}
}
