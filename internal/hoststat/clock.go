// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package hoststat

import (
	"encoding/binary"
	"strconv"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/kernel/reread"
	"github.com/weir-io/weir/xmlsysd"
)

// clockReader tells how the host's clocks stand.
type clockReader struct {
	clock  xmlsysd.NodeID
	leaves []xmlsysd.NodeID // monotonic boottime hz utcoffset synchronized offset maxerror esterror
	loop   []xmlsysd.NodeID // of loopTags
	hz     uint64
	timex  unix.Timex
	ts     unix.Timespec
}

// needLoop is what the loop that keeps the clock right tells of itself.
const needLoop need = 1

// loopTags are its leaves, in the units of the kernel where none is given: frequencies
// in 2^-16 of a millionth.
var loopTags = []string{
	"status", "frequency", "constant", "tick", "tai", "pps_frequency", "pps_jitter", "pps_shift", "pps_stability", "jitters", "calibrations",
	"calibration_errors", "stability_excesses",
}

func newClockReader(e *Engine) reader {
	const at = "system/clock"
	return &clockReader{
		clock: e.model.Must(at), hz: userHZ(),
		loop:   nodesOf(e.model, at, loopTags...),
		leaves: nodesOf(e.model, at, "monotonic", "boottime", "hz", "utcoffset", "synchronized", "offset", "maxerror", "esterror"),
	}
}

func (c *clockReader) read(r *request) error {
	t := r.tape
	t.Open(c.clock, r.at)
	defer t.Close()
	for i, id := range [...]int32{unix.CLOCK_MONOTONIC, unix.CLOCK_BOOTTIME} {
		if err := clockGettime(id, &c.ts); err != nil {
			return err
		}
		t.Int(c.leaves[i], c.ts.Nano()/int64(time.Microsecond))
	}
	t.Uint(c.leaves[2], c.hz)
	_, offset := r.now.Local().Zone()
	t.Int(c.leaves[3], int64(offset))
	c.timex = unix.Timex{}
	if err := adjtimex(&c.timex); err != nil {
		return nil // a container may forbid it: there is nothing wrong with the clock
	}
	x := &c.timex
	t.Uint(c.leaves[4], bit(x.Status&unix.STA_UNSYNC == 0))
	unit := int64(1)
	if x.Status&unix.STA_NANO != 0 {
		unit = int64(time.Microsecond)
	}
	t.Int(c.leaves[5], int64(x.Offset)/unit)
	t.Int(c.leaves[6], int64(x.Maxerror))
	t.Int(c.leaves[7], int64(x.Esterror))
	if r.need&needLoop != 0 {
		for i, n := range [...]int64{
			int64(x.Status), int64(x.Freq), int64(x.Constant), int64(x.Tick), int64(x.Tai), int64(x.Ppsfreq), int64(x.Jitter) / unit, int64(x.Shift),
			int64(x.Stabil), int64(x.Jitcnt), int64(x.Calcnt), int64(x.Errcnt), int64(x.Stbcnt),
		} {
			t.Int(c.loop[i], n)
		}
	}
	return nil
}

// clockGettime and adjtimex answer at once. The run-time is not told of the calls, for
// the reason that internal/kernel/reread gives.
func clockGettime(id int32, ts *unix.Timespec) error {
	if _, _, errno := unix.RawSyscall(unix.SYS_CLOCK_GETTIME, uintptr(id), uintptr(unsafe.Pointer(ts)), 0); errno != 0 {
		return errno
	}
	return nil
}

func adjtimex(x *unix.Timex) error {
	if _, _, errno := unix.RawSyscall(unix.SYS_ADJTIMEX, uintptr(unsafe.Pointer(x)), 0, 0); errno != 0 {
		return errno
	}
	return nil
}

// userHZ is how many ticks the kernel calls a second towards programs.
func userHZ() uint64 {
	const key, usual = 17, 100 // AT_CLKTCK
	vector, _ := reread.Read(0, "/proc/self/auxv", nil)
	const word = strconv.IntSize / 8
	for ; len(vector) >= 2*word; vector = vector[2*word:] {
		if nativeWord(vector) == key {
			return nativeWord(vector[word:])
		}
	}
	return usual
}

func nativeWord(b []byte) uint64 {
	if strconv.IntSize == 64 {
		return binary.NativeEndian.Uint64(b)
	}
	return uint64(binary.NativeEndian.Uint32(b))
}
