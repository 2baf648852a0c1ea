// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package kerneltrace

import (
	"encoding/binary"
)

// StateDump is what there is on the host when tracing starts, so that events
// that refer to it can be understood.
type StateDump struct {
	Time         uint64 // of the trace's clock, before it was read
	Threads      []Thread
	Files        []OpenFile
	Interfaces   []Interface
	BlockDevices []BlockDevice
	Interrupts   []Interrupt
}

// Thread is a thread of a process.
type Thread struct {
	TID, PID, PPID    int32
	VTID, VPID, VPPID int32 // in the innermost name space, 0: not known
	Name              string
	Kernel            bool // a thread of the kernel
	State             byte // of /proc: R, S, D, I, T, t, Z, X
	CPU               uint32
	Prio, Nice        int32 // of /proc/TID/stat
	Owner             Owner
	// Numbers of the name spaces, 0: not known; PIDLevel counts those around that
	// of the process ids, the first one has 0.
	Namespaces Namespaces
}

// Namespaces are the numbers of a thread's name spaces.
type Namespaces struct {
	Cgroup, IPC, Mnt, Net, PID, Time, User, UTS uint32
	PIDLevel                                    uint32
}

// OpenFile is a file that a process has open.
type OpenFile struct {
	PID   int32 // process that has it; stands for the file table's address
	FD    int32
	Flags uint32 // of open
	Name  string
}

// Interface is a network interface.
type Interface struct {
	Name string
	IPv4 [4]byte // zeros: none
}

// BlockDevice is a disk or a part of one.
type BlockDevice struct {
	Dev  uint32 // major << 20 | minor
	Name string
}

// Interrupt is a device's interrupt with one of its handlers.
type Interrupt struct {
	IRQ          uint32
	Name, Action string
}

// Values of lttng_statedump_process_state.
const (
	modeUnknown    = 5
	submodeUnknown = 1
	statusWaitCPU  = 2
	statusZombie   = 4
	statusWait     = 5
	statusDead     = 7
)

func (t *Thread) status() uint32 {
	switch t.State {
	case 'R':
		return statusWaitCPU
	case 'Z':
		return statusZombie
	case 'X', 'x':
		return statusDead
	default:
		return statusWait
	}
}

// Tell tells the table of tasks of all threads.
func (d *StateDump) Tell(tasks *Tasks) {
	for i := range d.Threads {
		tasks.Set(d.Threads[i].TID, d.Threads[i].task(), d.Time)
	}
}

// task is what is known of the thread by that.
func (t *Thread) task() Task {
	task := Task{
		PID: t.PID, PPID: t.PPID, VPID: known(t.VPID), VTID: known(t.VTID), VPPID: known(t.VPPID),
		Prio: t.Prio, Nice: t.Nice, Owner: &t.Owner,
	}
	if t.Namespaces != (Namespaces{}) {
		task.Spaces = &t.Namespaces
	}
	task.setName([]byte(t.Name))
	return task
}

func known(id int32) int32 {
	if id == 0 {
		return -1
	}
	return id
}

// StateDump writes the events of a state dump, at a time of the trace's clock. It
// belongs in the stream of one CPU, and tells the converter's table of tasks.
func (c *Converter) StateDump(now uint64, d *StateDump) error {
	c.err = nil
	c.release()
	if c.o.Tasks != nil {
		d.Tell(c.o.Tasks)
	}
	w := dumpWriter{c: c, now: now}
	w.put(dumpStart)
	for i := range d.Threads {
		w.thread(&d.Threads[i])
	}
	for i := range d.Files {
		f := &d.Files[i]
		w.u64(uint64(f.PID)).u32(uint32(f.FD)).u32(f.Flags).u32(fmode(f.Flags)).str(f.Name).put(dumpFile)
	}
	for _, n := range d.Interfaces {
		w.str(n.Name)
		w.b = append(w.b, n.IPv4[:]...)
		w.put(dumpInterface)
	}
	for _, b := range d.BlockDevices {
		w.u32(b.Dev).str(b.Name).put(dumpBlock)
	}
	for _, i := range d.Interrupts {
		w.u32(i.IRQ).str(i.Name).str(i.Action).put(dumpInterrupt)
	}
	w.put(dumpEnd)
	return w.err
}

// fmode is the kernel's mode of an open file by the flags of open: read, write.
func fmode(flags uint32) uint32 { return (flags + 1) & 3 }

// dumpWriter writes one event after the other.
type dumpWriter struct {
	c   *Converter
	now uint64
	b   []byte
	err error
}

func (w *dumpWriter) u32(v uint32) *dumpWriter {
	w.b = binary.NativeEndian.AppendUint32(w.b, v)
	return w
}

func (w *dumpWriter) u64(v uint64) *dumpWriter {
	w.b = binary.NativeEndian.AppendUint64(w.b, v)
	return w
}

func (w *dumpWriter) str(s string) *dumpWriter {
	n := len(w.b)
	w.b = append(append(w.b, s...), 0)
	return w.cut(n)
}

// cut ends the string that begins at n at its first zero.
func (w *dumpWriter) cut(n int) *dumpWriter {
	for i := n; i < len(w.b); i++ {
		if w.b[i] == 0 {
			w.b = w.b[:i+1]
			break
		}
	}
	return w
}

func (w *dumpWriter) put(e ownEvent) {
	if err := w.c.put(e, w.now, w.b); w.err == nil {
		w.err = err
	}
	w.b = w.b[:0]
}

func (w *dumpWriter) thread(t *Thread) {
	var task Task
	task.setName([]byte(t.Name))
	kind := uint32(0)
	if t.Kernel {
		kind = 1
	}
	w.u32(uint32(t.TID)).u32(uint32(t.PID)).u32(uint32(t.PPID))
	w.b = append(w.b, task.Name[:]...)
	w.u32(kind).u32(modeUnknown).u32(submodeUnknown).u32(t.status()).u32(t.CPU).u64(uint64(t.PID)).put(dumpProcess)
	n := &t.Namespaces
	if n.PID != 0 {
		w.u32(uint32(t.TID)).u32(uint32(t.VTID)).u32(uint32(t.VPID)).u32(uint32(t.VPPID)).u32(n.PIDLevel).u32(n.PID).put(dumpPIDNS)
	}
	for _, space := range []struct {
		event ownEvent
		inum  uint32
	}{
		{dumpCgroupNS, n.Cgroup}, {dumpIPCNS, n.IPC}, {dumpMntNS, n.Mnt}, {dumpNetNS, n.Net}, {dumpUTSNS, n.UTS}, {dumpTimeNS, n.Time},
	} {
		if space.inum != 0 {
			w.u32(uint32(t.TID)).u32(space.inum).put(space.event)
		}
	}
	if n.User != 0 {
		w.u32(uint32(t.TID)).u32(t.Owner.VUID.Effective).u32(t.Owner.VGID.Effective).u32(0).u32(n.User).put(dumpUserNS)
	}
}
