// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ctf

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weir-io/weir/ctf/schema"
	"github.com/weir-io/weir/internal/peer"
)

// babeltrace2 returns what the program prints of a trace.
func babeltrace2(t *testing.T, dir string) string {
	t.Helper()
	exe := peer.Need(t, "babeltrace2")
	cmd := exec.Command(exe, "--clock-cycles", "--no-delta", dir)
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("babeltrace2: %v\n%s", err, errs.String())
	}
	return out.String() + errs.String()
}

func testUUID() schema.UUID {
	return schema.UUID{0xd1, 0x52, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}
}

func TestBabeltraceReadsEveryFieldOfABuilder(t *testing.T) {
	for _, order := range []schema.ByteOrder{schema.LittleEndian, schema.BigEndian} {
		for _, style := range []HeaderStyle{CompactHeader, LargeHeader} {
			for _, packetized := range []bool{false, true} {
				t.Run(fmt.Sprint(order, style, packetized), func(t *testing.T) {
					testBabeltraceBuilder(t, order, style, packetized)
				})
			}
		}
	}
}

func testBabeltraceBuilder(t *testing.T, order schema.ByteOrder, style HeaderStyle, packetized bool) {
	b := NewBuilder(BuilderOptions{UUID: testUUID(), ByteOrder: order})
	s, err := b.Stream(style, Int("vpid", 32), Text("procname", 17))
	check(t, err)
	all, err := s.Event("app:all", 4,
		Uint("u3", 3), Int("s5", 5), Uint("u13", 13), Hex("h", 33), Network("port", 16),
		Float("f", 32), Float("d", 64), Str("str"),
		Uint("n", 8), Sequence("seq", "n", Int("", 16)), Array("arr", 2, Uint("", 4)),
		Uint("tn", 16), TextSequence("text", "tn"),
		Enum("tag", 8, Label("num", 1), Label("pair", 2)),
		Variant("v", "tag", Uint("num", 64), Struct("pair", Uint("x", 8), Str("y"))),
		Struct("st", Uint("in", 32)))
	check(t, err)
	dir := filepath.Join(t.TempDir(), "trace")
	w, err := CreateTrace(dir, b.Trace(), TraceOptions{Packetized: packetized, Stream: StreamOptions{PacketBytes: 4096}})
	check(t, err)
	sw, err := w.Stream(s.Class(), "chan", 3)
	check(t, err)
	later, err := s.Event("app:later", schema.NoLogLevel, Uint("i", 64))
	check(t, err)
	if batch, err := w.UpdateMetadata(); err != nil || len(batch) == 0 {
		t.Fatalf("UpdateMetadata() = %q, %v, want a batch", batch, err)
	}
	var want strings.Builder
	cycles := uint64(1_000_000_000)
	for i := range 300 {
		cycles += uint64(i) * 1_000_003
		ew := sw.Event(all, cycles)
		ew.Int(-7)
		ew.String("me")
		ew.Uint(uint64(i % 8))
		ew.Int(int64(i%32) - 16)
		ew.Uint(uint64(i))
		ew.Uint(0x1_2345_6789)
		ew.Uint(80)
		ew.Float(1.5)
		ew.Float(-0.25)
		// Never empty: version 2.0 prints the text of an earlier event then.
		ew.String(strings.Repeat("z", 1+i%5))
		n := i % 4
		ew.Uint(uint64(n))
		ew.Array(n)
		seq := " "
		for j := range n {
			ew.Int(int64(-j))
			seq += fmt.Sprintf("[%d] = %d", j, -j)
			if j < n-1 {
				seq += ", "
			}
		}
		if n > 0 {
			seq += " "
		}
		ew.Array(2)
		ew.Uint(1)
		ew.Uint(15)
		ew.Uint(3)
		ew.Bytes([]byte("abc"))
		v := fmt.Sprint(i)
		tag := `"num" : container = 1`
		if i%2 == 0 {
			ew.Uint(1)
			ew.Option(0)
			ew.Uint(uint64(i))
		} else {
			ew.Uint(2)
			ew.Option(1)
			ew.Uint(9)
			ew.String("yy")
			tag, v = `"pair" : container = 2`, `{ x = 9, y = "yy" }`
		}
		ew.Uint(77)
		check(t, ew.End())
		fmt.Fprintf(&want, `[%020d] app:all: { cpu_id = 3 }, { vpid = -7, procname = "me" }, `+
			`{ u3 = %d, s5 = %d, u13 = %d, h = 0x123456789, port = 80, f = 1.5, d = -0.25, str = "%s", n = %d, seq = [%s], `+
			`arr = [ [0] = 1, [1] = 15 ], tn = 3, text = "abc", tag = ( %s ), v = { %s }, st = { in = 77 } }`+"\n",
			cycles, i%8, i%32-16, i, strings.Repeat("z", 1+i%5), n, seq, tag, v)
		ew = sw.Event(later, cycles)
		ew.Int(-1)
		ew.String("x")
		ew.Uint(uint64(i))
		check(t, ew.End())
		fmt.Fprintf(&want, `[%020d] app:later: { cpu_id = 3 }, { vpid = -1, procname = "x" }, { i = %d }`+"\n", cycles, i)
	}
	check(t, w.Close())
	if got := babeltrace2(t, dir); got != want.String() {
		t.Errorf("babeltrace2 prints %s", firstDifference(got, want.String()))
	}
}

func firstDifference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			return fmt.Sprintf("line %d:\n%s\nwant\n%s", i, g[i], w[i])
		}
	}
	return fmt.Sprintf("%d lines, want %d", len(g), len(w))
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
