// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package convert

import (
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/ctf/schema"
)

// benchEvents is how many events the trace of the benchmarks has.
const benchEvents = 1 << 20

// benchTrace writes a trace of user-space events with three contexts, in packets
// of 1 MiB.
func benchTrace(b *testing.B) string {
	dir := filepath.Join(b.TempDir(), "in")
	builder := ctf.NewBuilder(ctf.BuilderOptions{})
	sb, err := builder.Stream(ctf.LargeHeader, ctf.Int("vpid", 32), ctf.Int("vtid", 32), ctf.Text("procname", 17))
	check(b, err)
	ev, err := sb.Event("hello:tick", schema.NoLogLevel, ctf.Uint("n", 32), ctf.Str("msg"))
	check(b, err)
	w, err := ctf.CreateTrace(dir, builder.Trace(), ctf.TraceOptions{Stream: ctf.StreamOptions{PacketBytes: 1 << 20}})
	check(b, err)
	r := rand.New(rand.NewPCG(1, 1))
	for cpu := range 2 {
		s, err := w.Stream(sb.Class(), "ch", cpu)
		check(b, err)
		now := uint64(origin)
		for n := range benchEvents / 2 {
			now += r.Uint64N(2000)
			e := s.Event(ev, now)
			e.Int(100)
			e.Int(int64(cpu))
			e.String("application")
			e.Uint(uint64(n))
			e.String("message text")
			check(b, e.End())
		}
	}
	check(b, w.Close())
	return dir
}

// BenchmarkConvert reports the events converted in a second of processor time,
// and how many times that is what babeltrace2's sink.ctf.fs does, which has no
// filter, where it is installed. Run it with -cpu 1.
func BenchmarkConvert(b *testing.B) {
	in := benchTrace(b)
	peer := babeltraceSeconds(b, in)
	for _, bm := range []struct {
		name   string
		format schema.Version
		choose Selection
	}{
		{"whole", 0, Selection{}},
		{"whole/ctf2", schema.CTF2, Selection{}},
		{"event", 0, Selection{Events: []string{"hello:*"}}},
		{"filter/all", 0, where(b, "vtid >= 0")},
		{"filter/half", 0, where(b, "vtid == 1")},
		{"filter/half/ctf2", schema.CTF2, where(b, "vtid == 1")},
	} {
		b.Run(bm.name, func(b *testing.B) {
			out := filepath.Join(b.TempDir(), "out")
			var spent time.Duration
			for b.Loop() {
				before := processorTime(syscall.RUSAGE_SELF)
				_, err := (&Job{Inputs: []string{in}, Output: out, Format: bm.format, Select: bm.choose}).Run(b.Context())
				check(b, err)
				spent += processorTime(syscall.RUSAGE_SELF) - before
				check(b, os.RemoveAll(out))
			}
			each := spent.Seconds() / float64(b.N)
			b.ReportMetric(benchEvents/each/1e6, "Mevents/cpu-s")
			if peer > 0 {
				b.ReportMetric(peer/each, "x-babeltrace2")
			}
		})
	}
}

// babeltraceSeconds returns the processor time that babeltrace2 takes to convert
// a trace, 0 without the program.
func babeltraceSeconds(b *testing.B, in string) float64 {
	exe, err := exec.LookPath("babeltrace2")
	if err != nil {
		return 0
	}
	before := processorTime(syscall.RUSAGE_CHILDREN)
	out, err := exec.Command(exe, in, "--component=sink.ctf.fs", `--params=path="`+filepath.Join(b.TempDir(), "bt")+`"`).CombinedOutput()
	if err != nil {
		b.Fatalf("babeltrace2: %v\n%s", err, out)
	}
	return (processorTime(syscall.RUSAGE_CHILDREN) - before).Seconds()
}

func processorTime(who int) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(who, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
