// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relaybench

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/weir-io/weir/internal/peer"
)

// originalRelay returns the original daemon, or skips the test.
func originalRelay(t *testing.T) Relay {
	t.Helper()
	return Relay{original, []string{peer.Need(t, original)}}
}

// quiet returns a bench whose files are in the test's directory, and checks at
// the end that none is left.
func quiet(t *testing.T, relays ...Relay) Bench {
	t.Helper()
	dir := t.TempDir()
	t.Cleanup(func() {
		if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
			t.Errorf("left behind: %v, %v", left, err)
		}
	})
	return Bench{Relays: relays, Runs: 1, Dir: dir, Verify: true, Timeout: time.Minute}
}

func small(sessions, streams, packet int, mode IndexMode, viewers int) Workload {
	return Workload{
		Cell: Cell{sessions, streams, packet}, Index: mode, Viewers: viewers,
		VolumeBytes: int64(sessions) * int64(packet) * 301, // no multiple of the streams
	}
}

func TestParseRelay(t *testing.T) {
	for _, tt := range []struct {
		text  string
		label string
		words []string
	}{
		{"lttng-relayd", "lttng-relayd", []string{"lttng-relayd"}},
		{"/usr/bin/lttng-relayd", "lttng-relayd", []string{"/usr/bin/lttng-relayd"}},
		{"old=/usr/bin/lttng-relayd --fd-pool-size 200", "old", []string{"/usr/bin/lttng-relayd", "--fd-pool-size", "200"}},
		{"./weir", "weir", []string{"./weir", "relayd", "--http", "none"}},
		{"new=./weir-2", "new", []string{"./weir-2", "relayd", "--http", "none"}},
		{"./weir relayd --x=y", "weir", []string{"./weir", "relayd", "--x=y"}},
	} {
		got, err := ParseRelay(tt.text)
		if err != nil || got.Label != tt.label || !slices.Equal(got.Command, tt.words) {
			t.Errorf("ParseRelay(%q) = %q, %v, want %q %q", tt.text, got, err, tt.label, tt.words)
		}
	}
	for _, text := range []string{"", "a=", "  "} {
		if got, err := ParseRelay(text); err == nil {
			t.Errorf("ParseRelay(%q) = %v, want an error", text, got)
		}
	}
}

func TestMeasureOriginal(t *testing.T) {
	b := quiet(t, originalRelay(t))
	var steps []Step
	b.OnStart = func(s Step) { steps = append(steps, s) }
	b.Runs = 2
	workloads := []Workload{
		small(1, 4, 4096, Pipelined, 0),
		small(2, 7, 65536, Sync, 0),
		small(2, 3, 4096, Pipelined, 1),
		small(1, 600, 4096, Sync, 1), // more streams than packets
	}
	report, err := b.Measure(t.Context(), workloads)
	if err != nil {
		t.Fatal(err)
	}
	if err := report.Err(); err != nil {
		t.Error(err)
	}
	if want := len(workloads) * b.Runs; len(report.Runs) != want || len(steps) != want || steps[want-1].Number != want || steps[0].Total != want {
		t.Errorf("%d runs and %d steps, want %d", len(report.Runs), len(steps), want)
	}
	for _, run := range report.Runs {
		if run.MiBPerS <= 0 || run.CPUPerGiB <= 0 || run.PeakMiB <= 1 || run.GeneratorPerGiB <= 0 {
			t.Errorf("%s: %+v lacks a figure", run.Workload, run)
		}
		if viewed := run.ViewedMiBPerS > 0 && run.ViewedS > 0; viewed != (run.Viewers > 0) {
			t.Errorf("%s: viewed %v MiB/s in %v s", run.Workload, run.ViewedMiBPerS, run.ViewedS)
		}
	}
}

// A second viewer of a session is what the original refuses.
func TestRefusalIsAResult(t *testing.T) {
	b := quiet(t, originalRelay(t))
	report, err := b.Measure(t.Context(), []Workload{small(1, 2, 4096, Pipelined, 2)})
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Runs) != 1 || !strings.Contains(report.Runs[0].Error, "ALREADY") {
		t.Errorf("got %+v, want the refusal", report.Runs)
	}
}

// recorded runs a load with the original and returns it with the tree that the
// relay left.
func recorded(t *testing.T, w Workload) (l *Load, output string) {
	t.Helper()
	p, err := startRelay(t.Context(), originalRelay(t), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Stop(); err != nil {
			t.Error(err)
		}
	})
	l, err = Open(t.Context(), p.Ports, w, true)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := l.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := l.Finish(); err != nil {
		t.Fatal(err)
	}
	l.Close()
	if err := p.Stop(); err != nil {
		t.Fatal(err)
	}
	return l, p.Output
}

// babeltrace2 reads what the generator wrote and finds every event.
func TestTraceIsReadable(t *testing.T) {
	reader := peer.Need(t, "babeltrace2")
	w := small(2, 5, 4096, Pipelined, 0)
	_, output := recorded(t, w)
	text, err := exec.CommandContext(t.Context(), reader, output, "-c", "sink.utils.counter").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	for _, tt := range []struct {
		kind string
		want int
	}{
		{"Event", w.Sessions * w.sessionPackets() * newFill(w.PacketBytes, 0).events},
		{"Packet beginning", w.Sessions * w.sessionPackets()},
		{"Discarded event", 0},
	} {
		if got := counted(t, string(text), tt.kind); got != tt.want {
			t.Errorf("%d × %s, want %d", got, tt.kind, tt.want)
		}
	}
}

// counted returns a number of babeltrace2's counter, "  1,234 Event messages",
// from the last table: those before it are intermediate.
func counted(t *testing.T, text, kind string) int {
	t.Helper()
	all := regexp.MustCompile(`(?m)^ *([0-9,]+) `+kind+` messages`).FindAllStringSubmatch(text, -1)
	if len(all) == 0 {
		t.Fatalf("no count of %q in %q", kind, text)
	}
	n, err := strconv.Atoi(strings.ReplaceAll(all[len(all)-1][1], ",", ""))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestVerifyFindsDamage(t *testing.T) {
	l, output := recorded(t, small(1, 2, 4096, Pipelined, 0))
	if err := l.verify(output); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(output, l.producers[0].path, streamPath)
	for _, tt := range []struct {
		file   string
		damage func([]byte) []byte
	}{
		{"ch_0", func(b []byte) []byte { return b[:len(b)-1] }},
		{"ch_0", func(b []byte) []byte { b[4096+offSeq] ^= 1; return b }},
		{"ch_1", func(b []byte) []byte { return append(b, 0) }},
		{"metadata", func(b []byte) []byte { b[100] ^= 1; return b }},
		{"metadata", func(b []byte) []byte { return b[:len(b)-1] }},
		{"index/ch_0.idx", func(b []byte) []byte { return b[:len(b)-1] }},
		{"index/ch_0.idx", func(b []byte) []byte { b[0] ^= 1; return b }},
		{"index/ch_1.idx", func(b []byte) []byte { b[len(b)-1] ^= 1; return b }},
	} {
		name := filepath.Join(dir, tt.file)
		good, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, tt.damage(slices.Clone(good)), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := l.verify(output); err == nil || !strings.Contains(err.Error(), filepath.Base(tt.file)) {
			t.Errorf("%s damaged: got %v, want an error that names it", tt.file, err)
		}
		if err := os.WriteFile(name, good, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Remove(filepath.Join(dir, "index", "ch_0.idx")); err != nil {
		t.Fatal(err)
	}
	if err := l.verify(output); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("an index file is missing: got %v", err)
	}
}

func TestMeasureRefuses(t *testing.T) {
	ok := Relay{"x", []string{"sh"}}
	for _, tt := range []struct {
		name  string
		bench Bench
		want  string
	}{
		{"no relay", Bench{}, "no relay"},
		{"two of a name", Bench{Relays: []Relay{ok, ok}}, "two relays"},
		{"no such program", Bench{Relays: []Relay{{"x", []string{"no-such-relay"}}}}, "no-such-relay"},
		{"no such directory", Bench{Relays: []Relay{ok}, Dir: filepath.Join(t.TempDir(), "none")}, "directory for output"},
	} {
		if _, err := tt.bench.Measure(t.Context(), QuickSuite()); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
		}
	}
}

func TestRelayThatDoesNotStart(t *testing.T) {
	b := quiet(t, Relay{"broken", []string{"sh", "-c", "echo out of luck; exit 3"}})
	report, err := b.Measure(t.Context(), []Workload{small(1, 1, 4096, Sync, 0)})
	if err != nil {
		t.Fatal(err)
	}
	if got := report.Runs[0].Error; !strings.Contains(got, "exit status 3") || !strings.Contains(got, "out of luck") {
		t.Errorf("got %q, want its status and its last words", got)
	}
	if report.Err() == nil {
		t.Error("no error though the only run failed")
	}
}

// A relay that dies under the load is named as the reason.
func TestRelayThatDies(t *testing.T) {
	b := quiet(t, originalRelay(t))
	err := b.withRelay(t.Context(), b.Relays[0], func(ctx context.Context, p process) error {
		l, err := Open(ctx, p.Ports, small(1, 1, 4096, Sync, 0), false)
		if err != nil {
			return err
		}
		defer l.Close()
		p.Kill()
		return p.measure(ctx, l, &Run{})
	})
	if err == nil || !strings.Contains(err.Error(), original+" ended: signal: killed") {
		t.Errorf("got %v", err)
	}
}

func TestContextStopsEverything(t *testing.T) {
	b := quiet(t, originalRelay(t))
	ctx, cancel := context.WithCancelCause(t.Context())
	enough := errors.New("enough")
	endless := Workload{Cell: Cell{2, 4, 4096}, Index: Sync, Viewers: 1, VolumeBytes: 1 << 40}
	var pid int
	err := b.withRelay(ctx, b.Relays[0], func(ctx context.Context, p process) error {
		pid = p.PID()
		l, err := Open(ctx, p.Ports, endless, false)
		if err != nil {
			return err
		}
		defer l.Close()
		done := make(chan error)
		go func() {
			_, err := l.Run(ctx)
			done <- err
		}()
		cancel(enough)
		return <-done
	})
	if !errors.Is(err, enough) {
		t.Errorf("got %v, want %v", err, enough)
	}
	if _, err := os.Stat("/proc/" + strconv.Itoa(pid)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("process %d is still there: %v", pid, err)
	}
	if _, err := b.Measure(ctx, QuickSuite()); !errors.Is(err, enough) {
		t.Errorf("Measure: got %v, want %v", err, enough)
	}
}

func TestScenarios(t *testing.T) {
	b := quiet(t, originalRelay(t))
	streams, err := b.StreamsMemory(t.Context(), 64)
	if err != nil {
		t.Fatal(err)
	}
	if s := streams[0]; s.Opened != 64 || !s.Alive || s.PeakMiB < s.BeforeMiB || s.BeforeMiB <= 0 || s.Remark+s.Error != "" {
		t.Errorf("streams: %+v", s)
	}
	const connections = 20
	idle, err := b.IdleConnections(t.Context(), connections)
	if err != nil {
		t.Fatal(err)
	}
	if s := idle[0]; s.Opened != connections || s.Held != connections || !s.Alive || !s.NewSession || s.DuringRate <= 0 || s.Remark+s.Error != "" {
		t.Errorf("idle connections: %+v", s)
	}
	const announcements = 2
	announced, err := b.announce(t.Context(), announcements)
	if err != nil {
		t.Fatal(err)
	}
	// The original allocates and clears what is announced.
	if s := announced[0]; s.Opened != announcements || !s.Alive || s.PeakMiB < 128 || s.Remark+s.Error != "" {
		t.Errorf("announcements: %+v", s)
	}
}

func TestIdleConnectionsNeedFiles(t *testing.T) {
	b := quiet(t, Relay{"x", []string{"sh"}})
	if _, err := b.IdleConnections(t.Context(), 1<<30); err == nil || !strings.Contains(err.Error(), "open files") {
		t.Errorf("got %v, want an error about open files", err)
	}
}
