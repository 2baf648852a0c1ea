// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/weir-io/weir/changelog"
)

// newPending is one that nobody else has.
func newPending(t *testing.T) *pending {
	t.Helper()
	f, err := newPendingFile()
	must(t, err)
	defer f.Close()
	p, err := mapPending(f)
	must(t, err)
	t.Cleanup(func() { must(t, p.unmap()) })
	return p
}

func TestPendingKeepsWhatWaits(t *testing.T) {
	q := newQuiet()
	q.kept = newPending(t)
	now := time.Unix(1, 0)
	long := name{changelog.FID{Seq: 9, OID: 8, Ver: 7}, string(make([]byte, 255))}
	q.touch(long, now)
	q.list(changelog.FID{Seq: 3}, now)
	q.touch(long, now) // waits already
	all, whole := q.kept.names()
	if want := []name{long, {parent: changelog.FID{Seq: 3}}}; !whole || !slices.Equal(all, want) {
		t.Errorf("got %d names, whole %v, want %d", len(all), whole, len(want))
	}
	// What was looked at makes room for more than fits in all.
	for i := range 5 * pendingHalf / (pendingEntry + 8) {
		q.touch(name{changelog.FID{Seq: uint64(i)}, fmt.Sprintf("%08d", i)}, now)
		if i%1000 == 999 {
			q.forget()
			q.touch(long, now)
		}
	}
	all, whole = q.kept.names()
	if !whole || !slices.Contains(all, long) || len(all) > 2*pendingHalf/pendingEntry {
		t.Errorf("got %d names, whole %v, with the one that waits: %v", len(all), whole, slices.Contains(all, long))
	}
	// What waits does not fit.
	for i := range 2 * pendingHalf / pendingEntry {
		q.list(changelog.FID{Seq: uint64(i), Ver: 1}, now)
	}
	if _, whole := q.kept.names(); whole {
		t.Error("more than there is room for: got all of it")
	}
	q.kept.clear()
	if all, whole := q.kept.names(); len(all) > 0 || !whole {
		t.Errorf("after clear: got %d names, whole %v", len(all), whole)
	}
}

// A process may have left anything.
func TestPendingCutAnywhere(t *testing.T) {
	p := newPending(t)
	for _, n := range []string{"one", "", "three"} {
		p.add(name{changelog.FID{Seq: 1}, n})
	}
	begin, end, _ := p.bounds()
	for cut := begin; cut < end; cut++ {
		p.setBounds(begin, cut)
		all, whole := p.names()
		at := slices.Contains([]int{begin, begin + 20, begin + 37}, cut)
		if whole != at || len(all) > 2 {
			t.Errorf("cut at %d: got %d names, whole %v", cut-begin, len(all), whole)
		}
	}
	for _, v := range []uint64{pendingFull, 1 << 63, pendingFull - 1, 0xffffffff} {
		*p.place() = v
		if all, whole := p.names(); whole || len(all) > 0 {
			t.Errorf("header %#x: got %d names, whole %v", v, len(all), whole)
		}
	}
}
