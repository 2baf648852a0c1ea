// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package view

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/internal/peer"
)

// The trace that the comparisons are made on. Its events are random.
const comparedMetadata = `/* CTF 1.8 */
typealias integer { size = 8; align = 8; signed = false; } := u8;
typealias integer { size = 32; align = 8; signed = false; } := u32;
typealias integer { size = 64; align = 8; signed = false; } := u64;
typealias integer { size = 8; align = 8; signed = true; } := int;
trace {
	major = 1; minor = 8; byte_order = le;
	uuid = "01234567-89ab-cdef-0123-456789abcdef";
	packet.header := struct { u32 magic; u8 uuid[16]; u32 stream_id; u64 stream_instance_id; };
};
env { hostname = "hst"; domain = "ust"; procname = "prc"; vpid = 4242; };
clock { name = clk; freq = 1000000000; offset = 1795177601000000000; };
typealias integer { size = 64; align = 8; signed = false; map = clock.clk.value; } := stamp;
stream {
	id = 0;
	packet.context := struct {
		stamp timestamp_begin; stamp timestamp_end; u64 content_size; u64 packet_size;
		u64 packet_seq_num; u64 events_discarded; u32 cpu_id;
	};
	event.header := struct { u8 id; stamp timestamp; };
	event.context := struct { integer { size = 32; align = 8; signed = true; } _vpid; integer { size = 8; align = 8; encoding = UTF8; } _procname[17]; };
};
event { name = "p:numbers"; id = 0; stream_id = 0; loglevel = 4; model.emf.uri = "http://example.org/?q"; fields := struct {
	integer { size = 64; align = 8; signed = true; } _d64; integer { size = 64; align = 8; } _u64;
	integer { size = 64; align = 8; signed = true; base = 16; } _x64; integer { size = 64; align = 8; signed = true; base = 8; } _o64;
	integer { size = 61; align = 8; signed = true; base = 16; } _x61; integer { size = 62; align = 8; signed = true; base = 8; } _o62;
	integer { size = 13; align = 8; signed = true; base = 16; } _x13; integer { size = 13; align = 8; signed = true; base = 2; } _b13;
	floating_point { exp_dig = 11; mant_dig = 53; align = 8; } _double; floating_point { exp_dig = 8; mant_dig = 24; align = 8; } _single;
}; };
event { name = "p:labels"; id = 1; stream_id = 0; context := struct { u8 _c; }; fields := struct {
	enum : int { "A?" = -5 ... 5, "B b" = 3 ... 40, "C" = 4, D = 100 } _e;
	enum : integer { size = 8; align = 8; base = 16; } { "LOW" = 0 ... 127, "TOP" = 255 } _h;
	stamp _hidden;
	struct { } _empty;
}; };
event { name = "p:texts"; id = 2; stream_id = 0; fields := struct {
	string _s; u8 __n_length; integer { size = 8; align = 8; encoding = UTF8; } _n[__n_length];
}; };
event { name = "p:nested"; id = 3; stream_id = 0; fields := struct {
	struct { u8 _a; struct { int _b; } _in; } _outer;
	u8 _pairs[2][3];
	u8 __len; struct { u8 _x; string _y; } _list[__len];
	enum : u8 { one = 0 ... 84, two = 85 ... 169, three = 170 ... 255 } _tag;
	variant <_tag> { u8 one; string two; struct { u8 _p; u8 _q; } three; } _v;
}; };
`

// traceWriter writes the packets of comparedMetadata's stream. No text is
// empty: see the package comment.
type traceWriter struct {
	r     *rand.Rand
	b     []byte // of the events
	now   uint64
	begin uint64
}

var littleEndian = binary.LittleEndian

func (w *traceWriter) text() {
	for range 1 + w.r.IntN(20) {
		w.b = append(w.b, byte(1+w.r.IntN(255)))
	}
	w.b = append(w.b, 0)
}

func (w *traceWriter) bytes(n int) {
	for range n {
		w.b = append(w.b, byte(w.r.Uint32()))
	}
}

func (w *traceWriter) event(id byte) {
	w.now += w.r.Uint64N(3e9) >> w.r.IntN(30)
	w.b = littleEndian.AppendUint64(append(w.b, id), w.now)
	w.b = littleEndian.AppendUint32(w.b, w.r.Uint32())
	name := make([]byte, 17)
	copy(name, "prog?\x80\xff"[:1+w.r.IntN(7)])
	w.b = append(w.b, name...)
	switch id {
	case 0:
		for range 6 {
			w.b = littleEndian.AppendUint64(w.b, w.r.Uint64()>>w.r.IntN(64))
		}
		w.bytes(4)
		w.b = littleEndian.AppendUint64(w.b, math.Float64bits(randomFloat(w.r)))
		w.b = littleEndian.AppendUint32(w.b, w.r.Uint32())
	case 1:
		w.bytes(3)
		w.b = littleEndian.AppendUint64(w.b, w.now)
	case 2:
		w.text()
		n := w.r.IntN(12)
		w.b = append(w.b, byte(n+1), 'x')
		w.bytes(n)
	case 3:
		w.bytes(2 + 6)
		n := w.r.IntN(4)
		w.b = append(w.b, byte(n))
		for range n {
			w.bytes(1)
			w.text()
		}
		tag := byte(w.r.Uint32())
		w.b = append(w.b, tag)
		switch tag / 85 {
		case 0:
			w.bytes(1)
		case 1:
			w.text()
		default:
			w.bytes(2)
		}
	}
}

// packet appends what has been written as a packet.
func (w *traceWriter) packet(dst []byte, instance, sequence, discarded uint64) []byte {
	const headerLen = 4 + 16 + 4 + 8 + 6*8 + 4
	uuid := "\x01\x23\x45\x67\x89\xab\xcd\xef\x01\x23\x45\x67\x89\xab\xcd\xef"
	bits := uint64(headerLen+len(w.b)) * 8
	w.now += 1000
	dst = littleEndian.AppendUint32(dst, 0xC1FC1FC1)
	dst = littleEndian.AppendUint32(append(dst, uuid...), 0)
	for _, v := range []uint64{instance, w.begin, w.now, bits, bits, sequence, discarded} {
		dst = littleEndian.AppendUint64(dst, v)
	}
	dst = littleEndian.AppendUint32(dst, uint32(instance)+1)
	dst = append(dst, w.b...)
	w.b, w.begin = w.b[:0], w.now
	return dst
}

// writeComparedTrace makes a trace of two streams with losses in a directory.
func writeComparedTrace(t *testing.T, dir string) {
	t.Helper()
	write := func(name string, b []byte) {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	write("metadata", []byte(comparedMetadata))
	for instance := range uint64(2) {
		w := &traceWriter{r: rand.New(rand.NewPCG(7, instance))}
		var file []byte
		for i := range uint64(8) {
			for range 60 {
				w.event(byte(w.r.IntN(4)))
			}
			// Lost before the first packet, one event, several, whole packets.
			file = w.packet(file, instance, i+i/3*instance, []uint64{0, 0, 1, 1, 5, 5, 5, 7}[i]+instance)
		}
		write(fmt.Sprint("channel_", instance), file)
	}
}

// printTrace prints a trace as the command does.
func printTrace(t *testing.T, dir string, opts TextOptions) (out, warnings string) {
	t.Helper()
	set, err := ctf.Open(ctf.Options{}, dir)
	if err != nil {
		t.Fatal(err)
	}
	var o, w bytes.Buffer
	opts.Warnings = &w
	runSink(t, set, NewTextSink(NewText(opts), NewOutput(&o), &w, Palette{}))
	return o.String(), w.String()
}

// runSink gives a sink all events and losses of traces.
func runSink(t testing.TB, set *ctf.Set, sink Sink) {
	t.Helper()
	m := set.Merger()
	for {
		c, kind, err := m.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		switch kind {
		case ctf.EventRecord:
			err = sink.Event(c.Stream(), c.Event())
		case ctf.DiscardedEvents, ctf.DiscardedPackets:
			err = sink.Loss(c.Stream(), c.Loss())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := sink.Close(); err != nil {
		t.Fatal(err)
	}
}

// The original program prints the same, but for its own log on the standard
// error.
func TestAgainstBabeltrace2(t *testing.T) {
	program := peer.Need(t, "babeltrace2")
	version, _ := exec.Command(program, "--version").Output()
	if !strings.HasPrefix(string(version), "Babeltrace 2.0.") {
		peer.Lack(t, "babeltrace2 2.0, whose text it is; this is %.40q", version)
	}
	dir := t.TempDir()
	writeComparedTrace(t, dir)
	zone := "CET-1CEST,M3.5.0,M10.5.0/3"
	tests := []struct {
		args   string
		change func(*TextOptions)
		env    []string
	}{
		{"", func(*TextOptions) {}, nil},
		{"--clock-seconds --no-delta", func(o *TextOptions) { o.Seconds, o.NoDelta = true, true }, nil},
		{"--names all --fields all --clock-gmt --clock-date", func(o *TextOptions) {
			o.Names, o.Fields, o.Location, o.Date = AllNames, AllFields, nil, true
		}, nil},
		{"--clock-cycles --names none", func(o *TextOptions) { o.Cycles, o.Names = true, 0 }, nil},
		{"--names payload,scope --fields trace,loglevel,emf", func(o *TextOptions) {
			o.Names, o.Fields = NamePayload|NameScope, FieldTrace|FieldLogLevel|FieldEMF
		}, nil},
		{"--names header,context --fields trace:domain,trace:vpid", func(o *TextOptions) {
			o.Names, o.Fields = NameHeader|NameContext, FieldDomain|FieldVPID
		}, nil},
		{"--fields all", func(o *TextOptions) {
			o.Fields = AllFields
			o.Palette = Terminal{Stdout: true, Getenv: func(string) string { return "always" }}.Palette(ColorAuto)
		}, []string{"BABELTRACE_TERM_COLOR=always"}},
	}
	for _, tt := range tests {
		t.Run(strings.ReplaceAll(tt.args, "--", ""), func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			cmd := exec.Command(program, append(strings.Fields(tt.args), dir)...)
			cmd.Env = append(tt.env, "TZ="+zone, "LC_ALL=C", "HOME="+t.TempDir())
			cmd.Stdout, cmd.Stderr = &stdout, &stderr
			if err := cmd.Run(); err != nil {
				t.Fatalf("%v\n%s", err, stderr.String())
			}
			opts := DefaultTextOptions()
			opts.Location = Location(zone, true)
			tt.change(&opts)
			got, warnings := printTrace(t, dir, opts)
			sameLines(t, got, strings.TrimSuffix(stdout.String(), "\x1b[0m"))
			if tt.env == nil {
				sameLines(t, warnings, onlyWarnings(stderr.String()))
			}
			if n := strings.Count(got, "\n"); n != 960 {
				t.Errorf("%d lines, want 960", n)
			}
		})
	}
}

func onlyWarnings(log string) string {
	var b strings.Builder
	for line := range strings.Lines(log) {
		if strings.HasPrefix(line, "WARNING: Tracer") {
			b.WriteString(line)
		}
	}
	return b.String()
}

// sameLines reports the first line that differs.
func sameLines(t *testing.T, got, want string) {
	t.Helper()
	if got == want {
		return
	}
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			t.Errorf("line %d:\ngot  %q\nwant %q", i+1, g[i], w[i])
			return
		}
	}
	t.Errorf("%d lines, want %d", len(g), len(w))
}
