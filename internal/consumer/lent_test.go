// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package consumer

import (
	"os"
	"slices"
	"testing"

	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/internal/handover"
)

// TestLentPackets writes packets from memory of others: they count once they are taken,
// those that are taken back leave nothing, and one for whose index entry there is no room
// comes back.
func TestLentPackets(t *testing.T) {
	dir := t.TempDir()
	d, err := newDirectory(openDir(t, dir), 0)
	if err != nil {
		t.Fatal(err)
	}
	pw, err := d.writer(&stream{channel: &channel{Channel: handover.Channel{Name: "ch"}}})
	if err != nil {
		t.Fatal(err)
	}
	w := pw.(*fileWriter)
	lend := func(n uint64, head, body string, taken bool) ([]byte, error) {
		t.Helper()
		_, before := numbers(t, dir, "index", "ch_0.idx")
		return w.writeLent([]byte(head), []byte(body), ctf.PacketInfo{Sequence: n}, func() bool {
			if _, now := numbers(t, dir, "index", "ch_0.idx"); len(now) != len(before) {
				t.Errorf("packet %d counts before it is taken", n)
			}
			return taken
		})
	}
	for n, text := range []string{"first", "second"} {
		if _, err := lend(uint64(n), "<", text+">", true); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := lend(2, "<", "third>", false); err != errTakenBack {
		t.Errorf("a packet that is taken back: %v", err)
	}
	if d.failure != "" {
		t.Errorf("the disk is told to fail: %s", d.failure)
	}
	index := w.index
	if w.index, err = os.OpenFile("/dev/full", os.O_WRONLY, 0); err != nil {
		t.Fatal(err)
	}
	back, err := lend(2, "<", "third>", true)
	if !noRoom(err) || string(back) != "<third>" {
		t.Errorf("without room for the index entry: %q, %v", back, err)
	}
	w.index.Close()
	w.index = index
	if _, err := lend(2, "<", "fourth>", true); err != nil {
		t.Fatal(err)
	}
	if got := string(read(t, dir, "ch_0")); got != "<first><second><fourth>" {
		t.Errorf("packets %q", got)
	}
	if seq, at := numbers(t, dir, "index", "ch_0.idx"); !slices.Equal(seq, []uint64{0, 1, 2}) || !slices.Equal(at, []uint64{0, 7, 15}) {
		t.Errorf("index of packets %d at %d", seq, at)
	}
	if _, err := d.close(t.Context()); err != nil {
		t.Error(err)
	}
}
