// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package kerneltrace

import (
	"math"
	"sync/atomic"
	"time"

	"github.com/weir-io/weir/internal/kernel/proc"
)

// ReadStateDump reads the state of the host. What could not be had is left out,
// and counted; an error is that of a part, and the others are there.
func ReadStateDump(p *proc.FS, o proc.Options) (*StateDump, proc.LeftOut, error) {
	s, err := p.State(o)
	d := &StateDump{
		Threads: make([]Thread, len(s.Threads)), Files: make([]OpenFile, len(s.Files)), Interfaces: make([]Interface, len(s.Interfaces)),
		BlockDevices: make([]BlockDevice, len(s.BlockDevices)), Interrupts: make([]Interrupt, len(s.Interrupts)),
	}
	for i := range s.Threads {
		d.Threads[i] = threadOf(&s.Threads[i])
	}
	for i, f := range s.Files {
		d.Files[i] = OpenFile(f)
	}
	for i, n := range s.Interfaces {
		d.Interfaces[i] = Interface(n)
	}
	for i, b := range s.BlockDevices {
		d.BlockDevices[i] = BlockDevice(b)
	}
	for i, q := range s.Interrupts {
		d.Interrupts[i] = Interrupt(q)
	}
	return d, s.LeftOut, err
}

func threadOf(t *proc.Thread) Thread {
	return Thread{
		TID: t.TID, PID: t.PID, PPID: t.PPID, VTID: t.VTID, VPID: t.VPID, VPPID: t.VPPID, Name: t.Name, Kernel: t.Kernel, State: t.State,
		CPU: t.CPU, Prio: t.Prio, Nice: t.Nice, Owner: ownerOf(t.Owner), Namespaces: Namespaces(t.Namespaces),
	}
}

func ownerOf(o proc.Owner) Owner {
	return Owner{UID: IDs(o.UID), GID: IDs(o.GID), VUID: IDs(o.VUID), VGID: IDs(o.VGID)}
}

// goneTime is how long a thread is taken to be gone that was.
const goneTime = time.Second

// Asker returns a function for [Tasks.SetAsk] that looks below /proc. It does not see
// whose thread has ended, nor name spaces. Several goroutines may call it.
func Asker(p *proc.FS) func(tid int32) (Task, bool) {
	var gone [256]atomic.Uint64 // by the low bits of the number: that, and until when, in seconds since the begin
	begin := time.Now()
	return func(tid int32) (Task, bool) {
		entry, second := &gone[uint8(tid)], uint64(time.Since(begin)/goneTime)&math.MaxUint32
		if entry.Load() == uint64(uint32(tid))<<32|second {
			return unknownTask, false
		}
		now, err := p.Thread(tid)
		if err != nil {
			entry.Store(uint64(uint32(tid))<<32 | second)
			return unknownTask, false
		}
		t := threadOf(&now)
		return t.task(), true
	}
}
