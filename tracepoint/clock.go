// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracepoint

import _ "unsafe" // for linkname

// nanotime is CLOCK_MONOTONIC, the clock of LTTng's traces, without the rest of
// time.Now. It is among what the runtime lets other packages link.
//
//go:linkname nanotime runtime.nanotime
func nanotime() int64

// procPin returns the number of the processor (the P) that runs the goroutine, and
// keeps it there until procUnpin.
//
//go:linkname procPin runtime.procPin
func procPin() int

//go:linkname procUnpin runtime.procUnpin
func procUnpin()

// processor is where the goroutine runs, or has just run. Nothing is done pinned: a
// system call there would end the program.
func processor() int {
	p := procPin()
	procUnpin()
	return p
}

func now() uint64 { return uint64(nanotime()) }
