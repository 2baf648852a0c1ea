// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package kerneltrace

import "github.com/weir-io/weir/internal/kernel/proc"

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
		CPU: t.CPU, UID: t.UID, GID: t.GID, Namespaces: Namespaces(t.Namespaces),
	}
}
