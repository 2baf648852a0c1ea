// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package kerneltrace

import (
	"bytes"
	"fmt"
	"math"
)

// Task is what is known of a thread.
type Task struct {
	PID, PPID         int32       // process and parent, -1: not known
	VPID, VTID, VPPID int32       // the same as the thread's own name space has them, -1: not known
	Prio, Nice        int32       // noPrio, noNice: not known
	Name              [16]byte    // of the thread, zeros behind the end
	Owner             *Owner      // nil: not known; not changed
	Spaces            *Namespaces // likewise
}

// Owner is whose a thread is: users and groups, and what they are called in the
// thread's own name space.
type Owner struct{ UID, GID, VUID, VGID IDs }

// IDs are a user or a group in three roles.
type IDs struct{ Real, Effective, Saved uint32 }

// What contexts say where nothing is known. No thread has such a priority, nice
// value or id.
const (
	noPrio = -1
	noNice = math.MinInt32
	noID   = math.MaxUint32
)

// unknownTask is what contexts say of a thread that nobody has told of.
var unknownTask = Task{PID: -1, PPID: -1, VPID: -1, VTID: -1, VPPID: -1, Prio: noPrio, Nice: noNice}

// unknownIDs is what contexts say of users and groups then.
var unknownIDs = IDs{noID, noID, noID}

// unknownOwner has unknownIDs in each place, unknownSpaces numbers that no name
// space has.
var (
	unknownOwner  = Owner{unknownIDs, unknownIDs, unknownIDs, unknownIDs}
	unknownSpaces Namespaces
)

// ordinaryPrio is the priority of a thread that nobody has made nice.
const ordinaryPrio = 20

// idleTask is the thread that a processor runs when there is none; each has one with
// the number 0.
var idleTask = Task{Prio: ordinaryPrio, Owner: new(Owner)}

// IdleName is the name of a processor's idle thread.
func IdleName(cpu uint32) (name [16]byte) {
	copy(name[:15], fmt.Sprintf("swapper/%d", cpu))
	return name
}

// owner is whose the thread is.
func (t *Task) owner() *Owner {
	if t.Owner == nil {
		return &unknownOwner
	}
	return t.Owner
}

// spaces are the thread's name spaces, zeros where they are not known.
func (t *Task) spaces() *Namespaces {
	if t.Spaces == nil {
		return &unknownSpaces
	}
	return t.Spaces
}

// fill takes over what is known of the thread from an earlier time, where nothing is.
func (t *Task) fill(from *Task) {
	if t.PID < 0 {
		t.PID, t.PPID, t.VPID, t.VTID, t.VPPID = from.PID, from.PPID, from.VPID, from.VTID, from.VPPID
	}
	if t.Name == [16]byte{} {
		t.Name = from.Name
	}
	if t.Prio == noPrio && t.Nice == noNice {
		t.Prio, t.Nice = from.Prio, from.Nice
	}
	if t.Owner == nil {
		t.Owner = from.Owner
	}
	if t.Spaces == nil {
		t.Spaces = from.Spaces
	}
}

// setName sets the name from text up to a zero, and cuts it as the kernel does.
func (t *Task) setName(s []byte) {
	if i := bytes.IndexByte(s, 0); i >= 0 {
		s = s[:i]
	}
	t.Name = [16]byte{}
	copy(t.Name[:15], s)
}

// Flags of clone.
const (
	cloneThread = 0x10000 // a thread of the same process

	cloneNewTime   = 0x80 // a name space of its own, as all below
	cloneNewMnt    = 0x20000
	cloneNewCgroup = 0x2000000
	cloneNewUTS    = 0x4000000
	cloneNewIPC    = 0x8000000
	cloneNewUser   = 0x10000000
	cloneNewPID    = 0x20000000
	cloneNewNet    = 0x40000000
	allSpaces      = cloneNewTime | cloneNewMnt | cloneNewCgroup | cloneNewUTS | cloneNewIPC | cloneNewUser | cloneNewPID | cloneNewNet
)

// child is what is known of a new thread by who made it, and how.
func (t *Task) child(parent, tid int32, flags uint64) Task {
	c := unknownTask
	c.Prio, c.Nice, c.Owner, c.Spaces = t.Prio, t.Nice, t.Owner, t.Spaces
	thread := flags&cloneThread != 0
	if thread {
		c.PID, c.PPID, c.VPID, c.VPPID = t.PID, t.PPID, t.VPID, t.VPPID
	} else {
		c.PID, c.PPID, c.VPPID = tid, t.PID, t.VPID
	}
	switch {
	case flags&cloneNewPID != 0: // the first one there
		c.VTID, c.VPID, c.VPPID = 1, 1, unknownTask.VPPID
	case t.VTID == parent: // as the parent has the same numbers in its own name space, so has the child
		c.VTID = tid
		if !thread {
			c.VPID = tid
		}
	}
	c.leave(flags)
	return c
}

// leave takes away what is not known of a thread in name spaces of its own. It
// reports whether that is nothing of its owner.
func (t *Task) leave(flags uint64) bool {
	if flags&cloneNewUser != 0 && t.Owner != nil {
		t.Owner = &Owner{UID: t.Owner.UID, GID: t.Owner.GID, VUID: unknownIDs, VGID: unknownIDs}
	}
	if t.Spaces == nil {
		return flags&cloneNewUser == 0
	}
	n := *t.Spaces
	for _, space := range []struct {
		flag   uint64
		number *uint32
	}{
		{cloneNewTime, &n.Time},
		{cloneNewMnt, &n.Mnt},
		{cloneNewCgroup, &n.Cgroup},
		{cloneNewUTS, &n.UTS},
		{cloneNewIPC, &n.IPC},
		{cloneNewUser, &n.User},
		{cloneNewPID, &n.PID},
		{cloneNewNet, &n.Net},
	} {
		if flags&space.flag != 0 {
			*space.number = 0
		}
	}
	if n != *t.Spaces {
		t.Spaces = &n
	}
	return flags&cloneNewUser == 0
}
