// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package traceclock

import (
	"testing"
	"time"

	"github.com/weir-io/weir/ctf/schema"
)

// What a clock reads, with its offset, is the time of day.
func TestClocks(t *testing.T) {
	for _, name := range []string{Mono, Boot} {
		o := Measure(ID(name))
		before := time.Now()
		at := int64(Now(ID(name))) + o.NS
		after := time.Now()
		if o.Error <= 0 || at < before.UnixNano()-o.Error || at > after.UnixNano()+o.Error {
			t.Errorf("clock %s with offset %+v reads %d, want %d to %d", name, o, at, before.UnixNano(), after.UnixNano())
		}
		c := Declare(name, o)
		if got := c.OffsetSeconds*1e9 + int64(c.OffsetCycles); got != o.NS || c.Frequency != 1e9 {
			t.Errorf("clock %s declared with offset %d, frequency %d; want %d, 1e9", name, got, c.Frequency, o.NS)
		}
		if c.UUID == nil || *c.UUID != BootID() || BootID() == (schema.UUID{}) {
			t.Errorf("clock %s declared with boot %v, want %v", name, c.UUID, BootID())
		}
	}
	// A time of this program, by way of a pair, is between two readings.
	for _, name := range []string{Mono, Boot} {
		id := ID(name)
		before := Now(id)
		at := time.Now()
		after := Now(id)
		clock, now := Pair(id)
		const slack = uint64(time.Millisecond) // of a pair that was interrupted each time
		if got := clock - uint64(now.Sub(at)); got < before-slack || got > after+slack {
			t.Errorf("clock %s: %d, want %d to %d", name, got, before, after)
		}
	}
	if mono, boot := Declare(Mono, Offset{}), Declare(Boot, Offset{}); mono.Name != "monotonic" || boot.Name != "boot" {
		t.Errorf("clocks are declared as %s and %s", mono.Name, boot.Name)
	}
}
