// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package proc

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strconv"
)

// Thread is a thread of a process.
type Thread struct {
	TID, PID, PPID int32
	// The same numbers in the innermost name space of the thread. VPPID is 0 when
	// the parent is not in it.
	VTID, VPID, VPPID int32
	Name              string // as the kernel has it, any bytes
	Kernel            bool   // a thread of the kernel
	State             byte   // R, S, D, I, T, t, Z, X
	CPU               uint32 // on which it ran last
	Prio, Nice        int32  // as the kernel's /proc has them: 20 and 0 unless changed, below 0 what is realtime
	Owner             Owner
	Namespaces        Namespaces
}

// Namespaces are the numbers of a thread's name spaces; 0: not known.
type Namespaces struct {
	Cgroup, IPC, Mnt, Net, PID, Time, User, UTS uint32
	PIDLevel                                    uint32 // of name spaces of process ids around its own
}

// Owner is whose a thread is: users and groups as this process's user name space has
// them, and as the thread's own has them.
type Owner struct{ UID, GID, VUID, VGID IDs }

// IDs are a user or a group in three roles.
type IDs struct{ Real, Effective, Saved uint32 }

// Thread reads what a thread is now, but for its name spaces and what its parent is
// called in them.
func (fs *FS) Thread(tid int32) (Thread, error) {
	d, err := fs.root.open(strconv.Itoa(int(tid)))
	if err != nil {
		return Thread{}, fmt.Errorf("thread %d: %w", tid, err)
	}
	defer d.close()
	text, err := d.read("stat", nil)
	if err != nil {
		return Thread{}, fmt.Errorf("thread %d: %w", tid, err)
	}
	s, err := parseStat(text)
	if err != nil {
		return Thread{}, fmt.Errorf("thread %d: %w", tid, err)
	}
	t := s.thread()
	if text, err = d.read("status", text); err != nil {
		return Thread{}, fmt.Errorf("thread %d: %w", tid, err)
	}
	var st status
	if parseStatus(text, &st); !st.hasOwners || len(st.pids) == 0 || len(st.tids) != len(st.pids) {
		return Thread{}, fmt.Errorf("thread %d: got no user or numbers in %d bytes of its status", tid, len(text))
	}
	t.PID = st.pids[0]
	t.VTID, t.VPID = st.tids[len(st.tids)-1], st.pids[len(st.pids)-1]
	t.Owner = new(owners).owner(d, "", 0, st.uid, st.gid)
	return t, nil
}

// stat is what /proc/PID/stat tells.
type stat struct {
	id      int32
	name    []byte
	state   byte
	ppid    int32
	threads int
	kernel  bool
	cpu     uint32

	prio, nice int32
}

// thread is what it tells of the thread.
func (s *stat) thread() Thread {
	return Thread{TID: s.id, PPID: s.ppid, Name: string(s.name), Kernel: s.kernel, State: s.state, CPU: s.cpu, Prio: s.prio, Nice: s.nice}
}

var errStat = errors.New("stat is none of a thread")

// Fields of stat behind the name, the state being the first.
const (
	statState   = 0
	statParent  = 1
	statFlags   = 6
	statPrio    = 15
	statNice    = 16
	statThreads = 17
	statCPU     = 36

	kernelThread = 0x00200000 // PF_KTHREAD
)

// parseStat reads a line "7 (NAME) S 1 …". What is behind the last parenthesis is
// numbers, so that one in the name does not matter.
func parseStat(b []byte) (stat, error) {
	var s stat
	open, end := bytes.IndexByte(b, '('), bytes.LastIndexByte(b, ')')
	if open < 2 || end < open {
		return s, errStat
	}
	id, ok := number(b[:open-1])
	if !ok || id > math.MaxInt32 || b[open-1] != ' ' {
		return s, errStat
	}
	s.id, s.name = int32(id), b[open+1:end]
	i := 0
	for word := range bytes.FieldsSeq(b[end+1:]) {
		switch i {
		case statState:
			if len(word) != 1 {
				return s, errStat
			}
			s.state = word[0]
		case statPrio, statNice:
			n, err := strconv.ParseInt(string(word), 10, 32)
			if err != nil {
				return s, errStat
			}
			if i == statPrio {
				s.prio = int32(n)
			} else {
				s.nice = int32(n)
			}
		case statParent, statFlags, statThreads, statCPU:
			n, ok := number(word)
			if !ok || n > math.MaxUint32 {
				return s, errStat
			}
			switch i {
			case statParent:
				s.ppid = int32(n)
			case statFlags:
				s.kernel = n&kernelThread != 0
			case statThreads:
				s.threads = int(n)
			case statCPU:
				s.cpu = uint32(n)
				return s, nil
			}
		}
		i++
	}
	return s, errStat
}

// number reads a number without a sign.
func number(b []byte) (uint64, bool) {
	if len(b) == 0 || len(b) > 20 {
		return 0, false
	}
	n, err := strconv.ParseUint(string(b), 10, 64)
	return n, err == nil
}

// status is what /proc/PID/status tells beside stat. The ids are those of each
// name space from that of the reader inwards, the last is the innermost.
type status struct {
	uid, gid  IDs
	pids      []int32 // of the process
	tids      []int32
	hasOwners bool
}

// parseStatus reads lines "KEY:\tVALUES". The name is escaped there: it has no
// line breaks.
func parseStatus(b []byte, s *status) {
	*s = status{pids: s.pids[:0], tids: s.tids[:0]}
	for len(b) > 0 {
		line, rest, _ := bytes.Cut(b, []byte("\n"))
		b = rest
		if len(line) < 4 || line[0] != 'U' && line[0] != 'G' && line[0] != 'N' {
			continue
		}
		key, values, _ := bytes.Cut(line, []byte(":"))
		switch string(key) {
		case "Uid":
			s.uid, s.hasOwners = roles(values)
		case "Gid":
			s.gid, _ = roles(values)
		case "NStgid":
			s.pids = ids(values, s.pids)
		case "NSpid":
			s.tids = ids(values, s.tids)
			return // the last of those that count
		}
	}
}

// roles are the first three of the real, effective, saved and file system's id.
func roles(values []byte) (all IDs, ok bool) {
	i := 0
	for word := range bytes.FieldsSeq(values) {
		n, ok := number(word)
		if !ok || n > math.MaxUint32 {
			return all, false
		}
		switch i {
		case 0:
			all.Real = uint32(n)
		case 1:
			all.Effective = uint32(n)
		case 2:
			all.Saved = uint32(n)
			return all, true
		}
		i++
	}
	return all, false
}

func ids(values []byte, list []int32) []int32 {
	for word := range bytes.FieldsSeq(values) {
		n, ok := number(word)
		if !ok || n > math.MaxInt32 {
			return list[:0]
		}
		list = append(list, int32(n))
	}
	return list
}

// parseNamespace reads a link "mnt:[4026531840]".
func parseNamespace(b []byte) uint32 {
	_, rest, _ := bytes.Cut(b, []byte(":["))
	digits, closed := bytes.CutSuffix(rest, []byte("]"))
	n, ok := number(digits)
	if !closed || !ok || n > math.MaxUint32 {
		return 0
	}
	return uint32(n)
}
