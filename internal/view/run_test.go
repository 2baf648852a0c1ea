// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package view

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/ctf/schema"
)

// origin is the time of the first event of the traces of these tests, in ns.
const origin = 1_800_000_000_000_000_000

// makeTrace writes a trace of several streams with times that often are the
// same, and losses now and then.
func makeTrace(t *testing.T, dir, host string, streams, events int) {
	t.Helper()
	b := ctf.NewBuilder(ctf.BuilderOptions{UUID: schema.UUID{byte(len(host)), host[0]}})
	b.Trace().Env = append(b.Trace().Env, schema.EnvEntry{Name: "hostname", String: host})
	sc, err := b.Stream(ctf.CompactHeader)
	if err != nil {
		t.Fatal(err)
	}
	tick, err := sc.Event("test:tick", schema.NoLogLevel, ctf.Uint("n", 32), ctf.Str("msg"))
	if err != nil {
		t.Fatal(err)
	}
	tock, err := sc.Event("test:tock", 4, ctf.Uint("n", 32))
	if err != nil {
		t.Fatal(err)
	}
	w, err := ctf.CreateTrace(dir, b.Trace(), ctf.TraceOptions{Stream: ctf.StreamOptions{PacketBytes: 4096}})
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(uint64(streams), uint64(events)))
	for cpu := range streams {
		s, err := w.Stream(sc.Class(), "ch", cpu)
		if err != nil {
			t.Fatal(err)
		}
		now := uint64(origin)
		for n := range events {
			now += uint64(r.IntN(3))
			if r.IntN(500) == 0 {
				s.Discard(3)
			}
			e := s.Event(tick, now)
			if n%3 == 0 {
				e = s.Event(tock, now)
				e.Uint(uint64(n))
			} else {
				e.Uint(uint64(n))
				e.String(fmt.Sprintf("message %d of %d", n, cpu))
			}
			if err := e.End(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

// show does a job on traces and returns what it prints.
func show(t *testing.T, dir string, change func(*Job)) (out, errs string) {
	t.Helper()
	var o, e bytes.Buffer
	j := &Job{Inputs: []string{dir}, Output: "text", Text: DefaultTextOptions(), Out: &o, Err: &e}
	j.Text.Location = time.UTC
	if change != nil {
		change(j)
	}
	if err := j.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	return o.String(), e.String()
}

func timeArg(t *testing.T, ns int64) TimeArg {
	t.Helper()
	a, err := ParseTime(fmt.Sprintf("%d.%09d", ns/nsPerSecond, ns%nsPerSecond), time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// However many goroutines do it, the lines are the same, also those of losses.
func TestJobsPrintTheSame(t *testing.T) {
	for _, streams := range []int{1, 2, 7, 40} {
		dir := t.TempDir()
		makeTrace(t, filepath.Join(dir, "a"), "web", streams, 900)
		makeTrace(t, filepath.Join(dir, "b"), "data", streams, 400)
		for name, change := range map[string]func(*Job){
			"all":          func(*Job) {},
			"where":        func(j *Job) { j.Where = `n % 7 == 1 && $event.name == "*tick"` },
			"window":       func(j *Job) { j.Begin, j.End = timeArg(t, origin+100), timeArg(t, origin+200) },
			"intersection": func(j *Job) { j.Intersection = true },
			"host":         func(j *Job) { j.Host = "w*" },
			"head":         func(j *Job) { j.Head = 17 },
			"tail":         func(j *Job) { j.Tail = 17 },
			"tail head":    func(j *Job) { j.Tail, j.Head = 17, 3 },
			"json":         func(j *Job) { j.Output = "json" },
			"csv":          func(j *Job) { j.Output, j.Columns = "csv", []string{"time", "delta", "name", "n"} },
		} {
			t.Run(fmt.Sprintf("%s of %d", name, streams), func(t *testing.T) {
				one, oneErr := show(t, dir, func(j *Job) { change(j); j.Jobs = 1 })
				many, manyErr := show(t, dir, func(j *Job) { change(j); j.Jobs = 3 })
				if one != many {
					t.Errorf("%d bytes by one, %d by three, or others", len(one), len(many))
				}
				if oneErr != manyErr {
					t.Errorf("losses by one:\n%sby three:\n%s", oneErr, manyErr)
				}
				if one == "" {
					t.Error("nothing printed")
				}
			})
		}
	}
}

func TestSelections(t *testing.T) {
	dir := t.TempDir()
	makeTrace(t, dir, "web", 3, 1000)
	all, _ := show(t, dir, nil)
	lines := strings.SplitAfter(strings.TrimSuffix(all, "\n"), "\n")
	if len(lines) != 3000 {
		t.Fatalf("%d lines, want 3000", len(lines))
	}
	contains := func(words ...string) (n int) {
		for _, l := range lines {
			if !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(l, w) }) {
				n++
			}
		}
		return n
	}
	tests := []struct {
		name   string
		change func(*Job)
		want   int
	}{
		{"head", func(j *Job) { j.Head = 10 }, 10},
		{"head of more than there are", func(j *Job) { j.Head = 5000 }, 3000},
		{"tail", func(j *Job) { j.Tail = 10 }, 10},
		{"tail of more than there are", func(j *Job) { j.Tail = 5000 }, 3000},
		{"name", func(j *Job) { j.Where = `$event.name == "test:tock"` }, contains("test:tock")},
		{"field", func(j *Job) { j.Where = `n == 5` }, contains("n = 5,") + contains("n = 5 }")},
		{"packet context", func(j *Job) { j.Where = `cpu_id == 1` }, 1000},
		{"missing field", func(j *Job) { j.Where = `msg != "x"` }, contains("msg = ")},
		{"text", func(j *Job) { j.Where = `msg == "message 1* of 2"` }, contains("message 1", " of 2")},
		{"no host", func(j *Job) { j.Host = "data" }, 0},
		{"before all", func(j *Job) { j.End = timeArg(t, origin-1) }, 0},
		{"from the begin", func(j *Job) { j.Begin = timeArg(t, origin) }, 3000},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			out, _ := show(t, dir, test.change)
			if got := strings.Count(out, "\n"); got != test.want {
				t.Errorf("%d lines, want %d", got, test.want)
			}
		})
	}
	// The lines of the tail are the last ones but for the first one's delta.
	tail, _ := show(t, dir, func(j *Job) { j.Tail = 10; j.Text.NoDelta = true })
	plain, _ := show(t, dir, func(j *Job) { j.Text.NoDelta = true })
	if !strings.HasSuffix(plain, tail) {
		t.Error("the tail is not how the whole ends")
	}
}

// What lies before a bad packet is shown before the error.
func TestEventsBeforeBadPacket(t *testing.T) {
	dir := t.TempDir()
	makeTrace(t, dir, "web", 2, 1000)
	path := filepath.Join(dir, "ch_1")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[4096*2] ^= 0xff // the magic of a packet
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, jobs := range []int{1, 3} {
		var o, e bytes.Buffer
		j := &Job{Inputs: []string{dir}, Output: "text", Text: DefaultTextOptions(), Out: &o, Err: &e, Jobs: jobs}
		err := j.Run(t.Context())
		if err == nil || !strings.Contains(err.Error(), "ch_1: packet 2") || !strings.Contains(err.Error(), "magic") {
			t.Errorf("error %v, want one of the magic of packet 2 of ch_1", err)
		}
		if n := strings.Count(o.String(), "cpu_id = 1"); n == 0 || n == 1000 {
			t.Errorf("%d events of the stream shown, want those of two packets", n)
		}
	}
}

// A filter by a field that nothing has is most likely a slip.
func TestWhereMissingField(t *testing.T) {
	dir := t.TempDir()
	makeTrace(t, dir, "web", 1, 10)
	for where, want := range map[string]string{
		`n == 1 && msg == "x*"`:                     "",
		`cpu_id == 0 || $event.name == "none"`:      "",
		`N == 1 || n == 1`:                          "weir: --where: no event class has a field N\n",
		`$ctx.n == 1 || packet == 1 || $ctx.n == 2`: "weir: --where: no event class has a field $ctx.n\nweir: --where: no event class has a field packet\n",
	} {
		if _, errs := show(t, dir, func(j *Job) { j.Where = where }); errs != want {
			t.Errorf("--where %q: messages\n%swant\n%s", where, errs, want)
		}
	}
}

func TestUnknownInputs(t *testing.T) {
	empty := t.TempDir()
	for _, test := range []struct {
		input, output, where, want string
	}{
		{empty, "text", "", "no trace found"},
		{filepath.Join(empty, "none"), "text", "", "no such file"},
		{"udp://host/host/h/s", "text", "", "udp"},
		{empty, "tex", "", ""},
	} {
		j := &Job{Inputs: []string{test.input}, Output: test.output, Where: test.where, Out: &bytes.Buffer{}, Err: &bytes.Buffer{}}
		if err := j.Run(t.Context()); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("view %s: error %v, want %q in it", test.input, err, test.want)
		}
	}
}
