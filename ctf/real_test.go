// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ctf

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
)

// realTrace is a trace of 120 events that lttng-ust 2.13 has written, all kinds
// of fields in turn, as internal/systemtest's program "kinds" emits them.
const realTrace = "testdata/lttng-ust"

// realPackets returns the trace's stream class and packets.
func realPackets(t testing.TB) (plan *streamPlan, packets [][]byte) {
	t.Helper()
	tr, err := OpenTrace(realTrace, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range tr.Streams {
		for _, p := range s.Packets {
			b, err := os.ReadFile(s.Files[p.File])
			if err != nil {
				t.Fatal(err)
			}
			packets = append(packets, b[p.Offset:][:p.Size/8])
		}
		plan = s.plan
	}
	return plan, packets
}

// A real trace, through windows from 16 bytes on, from its index and without.
func TestRealTrace(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(realTrace)); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(dir, "index")); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{realTrace, dir} {
		for _, window := range []int{16, 100, 0} {
			set, err := Open(Options{Window: window}, path)
			if err != nil {
				t.Fatal(err)
			}
			counts := map[string]int{}
			m := set.Merger()
			for last := int64(0); ; {
				c, kind, err := m.Next()
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				if kind == EventRecord {
					counts[c.Class().Name]++
					if at, ok := c.Time(); !ok || at < last {
						t.Errorf("%s at %d after %d", c.Class().Name, at, last)
					} else {
						last = at
					}
				}
			}
			for _, name := range []string{"integers", "floats", "texts", "arrays", "enums", "nothing"} {
				if n := counts["weirkinds:"+name]; n != 20 {
					t.Errorf("%s, window %d: %d events %s, want 20", path, window, n, name)
				}
			}
		}
	}
}

// The packets of a real trace give what a walk of the schema gives.
func TestRealPacketsAsAWalkTells(t *testing.T) {
	plan, packets := realPackets(t)
	for _, b := range packets {
		d := newDecoder("s", plan, 16)
		raw := rawPacket{data: newSlowReader(b), avail: int64(len(b))}
		if err := d.open(raw); err != nil {
			t.Fatal(err)
		}
		content := b[:d.packet.ContentSize/8]
		want, fault := walk(plan.class, content)
		if fault != nil {
			t.Fatal(fault)
		}
		lines, err := decodeAll(newDecoder("s", plan, 16), raw)
		compareWalk(t, lines, err, want, nil)
	}
}

// A packet that is cut anywhere is an error, never a panic or an end.
func TestRealPacketsCutAtEveryByte(t *testing.T) {
	plan, packets := realPackets(t)
	for _, b := range packets {
		for n := range b {
			for _, raw := range []rawPacket{{bytes: b[:n], avail: int64(n)}, {data: newSlowReader(b[:n]), avail: int64(n)}} {
				_, err := decodeAll(newDecoder("s", plan, 16), raw)
				var bad *PacketError
				if !errors.As(err, &bad) || !isEarly(err) {
					t.Fatalf("cut to %d bytes: %v, want an error that says so", n, err)
				}
			}
		}
	}
}
