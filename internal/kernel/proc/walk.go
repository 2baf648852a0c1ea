// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package proc

import (
	"slices"
	"strconv"
)

// walk is one reading.
type walk struct {
	root dir
	o    Options
	s    *State

	parents map[int32][]int32 // by process: its ids in the name spaces inwards
	levels  []int             // by index of thread: of the name space of its ids
	owners  owners
	kernel  Namespaces // of the kernel's threads; PID 0: not known yet
	text    []byte     // room for a file
	link    [4096]byte // room for a link; the kernel's are shorter than a page
	status  status
	list    []int32
}

// processes reads all threads and open files.
func (w *walk) processes() error {
	pids, err := w.root.numbers(".", nil)
	if err != nil {
		return err
	}
	for _, pid := range pids {
		w.process(pid)
	}
	// A parent may be read after its child.
	for i := range w.s.Threads {
		t := &w.s.Threads[i]
		if ids, level := w.parents[t.PPID], w.levels[i]; level < len(ids) {
			t.VPPID = ids[level]
		}
	}
	return nil
}

// process reads a process, unless there is no more room.
func (w *walk) process(pid int32) {
	if len(w.s.Threads) >= w.o.MaxThreads {
		w.s.LeftOut.Threads += w.count(strconv.Itoa(int(pid)) + "/task")
		return
	}
	d, err := w.root.open(strconv.Itoa(int(pid)))
	if err != nil {
		w.lost(err)
		return
	}
	defer d.close()
	before := w.s.LeftOut.Refused
	leader, ok := w.thread(d, "", pid)
	if !ok {
		return
	}
	if leader.threads > 1 {
		w.others(d, pid)
	}
	if !leader.kernel && leader.state != 'Z' {
		w.files(d, pid)
	}
	w.s.LeftOut.Refused = min(w.s.LeftOut.Refused, before+1)
}

// count is the number of a directory's numbers.
func (w *walk) count(path string) int {
	w.list, _ = w.root.numbers(path, w.list[:0])
	return len(w.list)
}

// lost counts what could not be read.
func (w *walk) lost(err error) {
	switch {
	case refused(err):
		w.s.LeftOut.Refused++
	case err != nil:
		w.s.LeftOut.Gone++
	}
}

// others reads the threads of a process other than its leader.
func (w *walk) others(d dir, pid int32) {
	var err error
	if w.list, err = d.numbers("task", w.list[:0]); err != nil {
		w.lost(err)
		return
	}
	for i, tid := range w.list {
		switch {
		case tid == pid:
		case len(w.s.Threads) >= w.o.MaxThreads:
			w.s.LeftOut.Threads += len(w.list) - i
			if slices.Contains(w.list[i:], pid) {
				w.s.LeftOut.Threads--
			}
			return
		default:
			w.thread(d, "task/"+strconv.Itoa(int(tid))+"/", pid)
		}
	}
}

// thread reads a thread whose files are in a directory below its process.
func (w *walk) thread(d dir, path string, pid int32) (stat, bool) {
	var err error
	if w.text, err = d.read(path+"stat", w.text); err != nil {
		w.lost(err)
		return stat{}, false
	}
	s, err := parseStat(w.text)
	if err != nil {
		w.lost(err) // a text without its end, at best
		return stat{}, false
	}
	t := s.thread()
	t.PID = pid
	s.name = nil // in w.text
	if w.text, err = d.read(path+"status", w.text); err != nil {
		w.lost(err)
		return stat{}, false
	}
	if parseStatus(w.text, &w.status); !w.status.hasOwners {
		w.s.LeftOut.Gone++
		return stat{}, false
	}
	level := 0
	if n := len(w.status.tids); n > 0 && n == len(w.status.pids) {
		level = n - 1
		t.VTID, t.VPID = w.status.tids[level], w.status.pids[level]
		t.Namespaces.PIDLevel = uint32(level)
		if t.TID == pid {
			w.parents[pid] = slices.Clone(w.status.pids)
		}
	}
	if s.kernel {
		w.kernelNamespaces(d, path, &t.Namespaces)
	} else {
		w.namespaces(d, path, &t.Namespaces)
	}
	t.Owner = w.owners.owner(d, path, t.Namespaces.User, w.status.uid, w.status.gid)
	w.s.Threads = append(w.s.Threads, t)
	w.levels = append(w.levels, level)
	return s, true
}

// kernelNamespaces is namespaces for threads of the kernel, which share theirs.
func (w *walk) kernelNamespaces(d dir, path string, n *Namespaces) {
	level := n.PIDLevel
	if w.kernel.PID == 0 {
		w.namespaces(d, path, &w.kernel)
	}
	*n = w.kernel
	n.PIDLevel = level
}

// namespaces reads the numbers of a thread's name spaces.
func (w *walk) namespaces(d dir, path string, n *Namespaces) {
	for _, space := range []struct {
		name   string
		number *uint32
	}{
		{"cgroup", &n.Cgroup}, {"ipc", &n.IPC}, {"mnt", &n.Mnt}, {"net", &n.Net}, {"pid", &n.PID}, {"time", &n.Time}, {"user", &n.User}, {"uts", &n.UTS},
	} {
		link, err := d.readlink(path+"ns/"+space.name, w.link[:])
		if refused(err) {
			w.lost(err)
			return
		}
		*space.number = parseNamespace(link)
	}
}
