// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package proc

import (
	"bytes"
	"errors"
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
	UID, GID          uint32 // effective
	Namespaces        Namespaces
}

// Namespaces are the numbers of a thread's name spaces; 0: not known.
type Namespaces struct {
	Cgroup, IPC, Mnt, Net, PID, Time, User, UTS uint32
	PIDLevel                                    uint32 // of name spaces of process ids around its own
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
}

var errStat = errors.New("stat is none of a thread")

// Fields of stat behind the name, the state being the first.
const (
	statState   = 0
	statParent  = 1
	statFlags   = 6
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
	uid, gid  uint32
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
			s.uid, s.hasOwners = effective(values)
		case "Gid":
			s.gid, _ = effective(values)
		case "NStgid":
			s.pids = ids(values, s.pids)
		case "NSpid":
			s.tids = ids(values, s.tids)
			return // the last of those that count
		}
	}
}

// effective is the second of the real, effective, saved and file system's id.
func effective(values []byte) (uint32, bool) {
	i := 0
	for word := range bytes.FieldsSeq(values) {
		if i == 1 {
			n, ok := number(word)
			return uint32(n), ok && n <= math.MaxUint32
		}
		i++
	}
	return 0, false
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
