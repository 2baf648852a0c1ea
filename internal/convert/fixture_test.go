// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package convert

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/ctf/schema"
	"github.com/weir-io/weir/internal/peer"
	"github.com/weir-io/weir/internal/view"
)

// origin is about when the traces of these tests begin, in ns.
const origin = 1_800_000_000_000_000_000

// part is some fields of an event class, which belong together, and what writes
// their values.
type part struct {
	fields []ctf.Field
	write  func(e *ctf.EventWriter, r *rand.Rand)
}

func uintPart(name string, bits uint8, field func(string, uint8) ctf.Field) part {
	return part{[]ctf.Field{field(name, bits)}, func(e *ctf.EventWriter, r *rand.Rand) { e.Uint(r.Uint64() >> (64 - bits)) }}
}

func intPart(name string, bits uint8) part {
	return part{[]ctf.Field{ctf.Int(name, bits)}, func(e *ctf.EventWriter, r *rand.Rand) { e.Int(int64(r.Uint64()) >> (64 - bits)) }}
}

func floatPart(name string, bits uint8) part {
	return part{[]ctf.Field{ctf.Float(name, bits)}, func(e *ctf.EventWriter, r *rand.Rand) { e.Float(math.Ldexp(r.NormFloat64(), r.IntN(20))) }}
}

func stringPart(name string) part {
	return part{[]ctf.Field{ctf.Str(name)}, func(e *ctf.EventWriter, r *rand.Rand) { e.Bytes(text(r, 1+r.IntN(12))) }}
}

func textPart(name string, n int) part {
	return part{[]ctf.Field{ctf.Text(name, uint64(n))}, func(e *ctf.EventWriter, r *rand.Rand) { e.Bytes(text(r, 1+r.IntN(n))) }}
}

func text(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte('a' + r.IntN(26))
	}
	return b
}

func arrayPart(name string, n int, bits uint8) part {
	return part{[]ctf.Field{ctf.Array(name, uint64(n), ctf.Uint("", bits))}, func(e *ctf.EventWriter, r *rand.Rand) {
		e.Array(n)
		for range n {
			e.Uint(r.Uint64() >> (64 - bits))
		}
	}}
}

func sequencePart(name string, bits uint8) part {
	return part{[]ctf.Field{ctf.Uint(name+"_n", 8), ctf.Sequence(name, name+"_n", ctf.Int("", bits))}, func(e *ctf.EventWriter, r *rand.Rand) {
		n := r.IntN(5)
		e.Uint(uint64(n))
		e.Array(n)
		for range n {
			e.Int(int64(r.Uint64()) >> (64 - bits))
		}
	}}
}

func textSequencePart(name string) part {
	return part{[]ctf.Field{ctf.Uint(name+"_n", 16), ctf.TextSequence(name, name+"_n")}, func(e *ctf.EventWriter, r *rand.Rand) {
		b := text(r, 1+r.IntN(9))
		e.Uint(uint64(len(b)))
		e.Bytes(b)
	}}
}

func variantPart(name string) part {
	return part{
		[]ctf.Field{
			ctf.Enum(name+"_tag", 8, ctf.Label("num", 1), ctf.Label("pair", 2)),
			ctf.Variant(name, name+"_tag", ctf.Uint("num", 64), ctf.Struct("pair", ctf.Uint("x", 8), ctf.Str("y"))),
		},
		func(e *ctf.EventWriter, r *rand.Rand) {
			o := r.IntN(2)
			e.Uint(uint64(1 + o))
			e.Option(o)
			e.Uint(uint64(r.IntN(256)))
			if o == 1 {
				e.String("yy")
			}
		},
	}
}

// lttngParts are all kinds of fields that LTTng's user-space tracer has.
func lttngParts() []part {
	return []part{
		uintPart("u8", 8, ctf.Uint), uintPart("u16", 16, ctf.Uint), uintPart("u32", 32, ctf.Uint), uintPart("u64", 64, ctf.Hex),
		intPart("s8", 8), intPart("s16", 16), intPart("s32", 32), intPart("s64", 64),
		uintPart("port", 16, ctf.Network), uintPart("addr", 32, ctf.Network),
		floatPart("f", 32), floatPart("d", 64), stringPart("msg"), textPart("comm", 16), textSequencePart("text"),
		arrayPart("arr", 3, 32), sequencePart("seq", 64), variantPart("v"),
	}
}

// traceSpec says what trace a test needs.
type traceSpec struct {
	version schema.Version // 0: CTF 1.8
	order   schema.ByteOrder
	style   ctf.HeaderStyle
	host    string
	uuid    byte
	cpus    int // 0: 2
	packets int // of each stream; 0: 6
	gap     uint64
	parts   []part // nil: lttngParts
	seed    uint64
	base    uint64              // about when it begins, cycles; 0: origin
	change  func(*schema.Trace) // of the schema, before writing
	pad     int
}

// write writes the trace to a directory. Its streams lose events and packets,
// and have packets without events.
func (s traceSpec) write(t testing.TB, dir string) {
	t.Helper()
	if s.parts == nil {
		s.parts = lttngParts()
	}
	if s.gap == 0 {
		s.gap = 2e9
	}
	b := ctf.NewBuilder(ctf.BuilderOptions{UUID: schema.UUID{1, 2, 3, 14: s.uuid, 15: 9}, ByteOrder: s.order})
	b.Trace().Version = max(s.version, schema.CTF1)
	if s.host != "" {
		b.Trace().Env = append(b.Trace().Env, schema.EnvEntry{Name: "hostname", String: s.host})
	}
	sb, err := b.Stream(s.style, ctf.Int("vpid", 32), ctf.Text("procname", 17))
	check(t, err)
	var fields []ctf.Field
	for _, p := range s.parts {
		fields = append(fields, p.fields...)
	}
	all, err := sb.Event("app:all", 4, append([]ctf.Field{ctf.Uint("n", 8)}, fields...)...)
	check(t, err)
	tick, err := sb.Event("app:tick", schema.NoLogLevel, ctf.Uint("n", 8))
	check(t, err)
	if s.change != nil {
		s.change(b.Trace())
	}
	w, err := ctf.CreateTrace(dir, b.Trace(), ctf.TraceOptions{Stream: ctf.StreamOptions{PacketBytes: 1 << 16, PadBytes: max(s.pad, 8)}})
	check(t, err)
	cpus := s.cpus
	if cpus == 0 {
		cpus = 2
	}
	for cpu := range cpus {
		sw, err := w.Stream(sb.Class(), "chan", cpu)
		check(t, err)
		s.stream(t, sw, all, tick, rand.New(rand.NewPCG(s.seed, uint64(cpu))))
	}
	check(t, w.Close())
}

func (s traceSpec) stream(t testing.TB, sw *ctf.StreamWriter, all, tick *schema.Event, r *rand.Rand) {
	t.Helper()
	now := max(s.base, 1) + r.Uint64N(1e9)
	if s.base == 0 {
		now += origin
	}
	packets := s.packets
	if packets == 0 {
		packets = 6
	}
	for range packets {
		now += r.Uint64N(s.gap)
		check(t, sw.OpenPacket(now))
		for range r.IntN(3) * r.IntN(12) {
			now += r.Uint64N(s.gap) >> r.IntN(32)
			class := all
			if r.IntN(3) == 0 {
				class = tick
			}
			e := sw.Event(class, now)
			e.Int(int64(r.IntN(100)))
			e.String("proc")
			e.Uint(uint64(r.IntN(100)))
			if class == all {
				for _, p := range s.parts {
					p.write(e, r)
				}
			}
			check(t, e.End())
		}
		if r.IntN(4) == 0 {
			sw.Discard(1 + r.Uint64N(9))
		}
		now += r.Uint64N(s.gap)
		check(t, sw.ClosePacket(now))
		if r.IntN(5) == 0 {
			sw.SkipPackets(1 + r.Uint64N(3))
		}
	}
}

// shown is what viewers tell of traces.
type shown struct {
	text, losses string
	err          error
}

var (
	uuidText   = regexp.MustCompile(`UUID: [0-9a-f-]+`)
	streamText = regexp.MustCompile(`within stream "[^"]*/`)
	traceText  = regexp.MustCompile(`in trace "[^"]*"`)
)

// neutral takes out of warnings where a trace is and what its uuid is.
func neutral(warnings string) string {
	warnings = uuidText.ReplaceAllString(warnings, "UUID")
	warnings = traceText.ReplaceAllString(warnings, "in trace")
	return streamText.ReplaceAllString(warnings, `within stream "`)
}

// show returns what weir view prints of traces.
func show(t testing.TB, change func(*view.Job), dirs ...string) shown {
	t.Helper()
	var out, errs bytes.Buffer
	j := &view.Job{Inputs: dirs, Output: "text", Text: view.DefaultTextOptions(), Out: &out, Err: &errs, Jobs: 1}
	if change != nil {
		change(j)
	}
	err := j.Run(t.Context())
	return shown{out.String(), neutral(errs.String()), err}
}

// babeltrace2 returns what that program prints of traces.
func babeltrace2(t testing.TB, dirs ...string) shown {
	t.Helper()
	exe := peer.Need(t, "babeltrace2")
	cmd := exec.Command(exe, append([]string{"--clock-gmt"}, dirs...)...)
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	return shown{out.String(), neutral(errs.String()), err}
}

// equal compares what is shown, but for errors.
func equal(t testing.TB, what string, got, want shown) {
	t.Helper()
	if got.text != want.text {
		t.Errorf("%s: events %s", what, firstDifference(got.text, want.text))
	}
	if got, want := ordered(got.losses), ordered(want.losses); got != want {
		t.Errorf("%s: losses %s", what, firstDifference(got, want))
	}
}

// ordered puts losses without a time in the order of their lines: they are told
// as soon as they are found, which depends on the events beside them.
func ordered(losses string) string {
	if !strings.Contains(losses, "unknown time range") {
		return losses
	}
	lines := strings.SplitAfter(losses, "\n")
	slices.Sort(lines)
	return strings.Join(lines, "")
}

func firstDifference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			return fmt.Sprintf("differ in line %d:\n%s\nwant\n%s", i+1, g[i], w[i])
		}
	}
	return fmt.Sprintf("are %d lines, want %d", len(g)-1, len(w)-1)
}

// converted converts traces to a new directory.
func converted(t testing.TB, j Job, dirs ...string) (string, *Result) {
	t.Helper()
	j.Inputs, j.Output = dirs, filepath.Join(t.TempDir(), "out")
	r, err := j.Run(t.Context())
	check(t, err)
	return j.Output, r
}

// where is a selection by a filter.
func where(t testing.TB, text string) Selection {
	t.Helper()
	w, err := view.NewWhere(text)
	check(t, err)
	return Selection{WhereText: text, Where: func() func(*ctf.Event) bool { return w.Clone().Keep }}
}

// between is the selection of a time.
func between(begin, end int64) Selection {
	return Selection{Window: func(int64) (int64, int64, error) { return begin, end, nil }}
}

func newDir(t testing.TB) string {
	t.Helper()
	return filepath.Join(t.TempDir(), "in")
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// gone reports whether there is nothing at a path, and nothing beside it that
// begins like what is built there.
func gone(t testing.TB, path string) {
	t.Helper()
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s is there: %v", path, err)
	}
	left, err := filepath.Glob(filepath.Join(filepath.Dir(path), ".*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left beside it: %v, %v", left, err)
	}
}
