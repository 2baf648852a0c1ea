// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"bytes"
	"fmt"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/changelog"
	"github.com/weir-io/weir/internal/kernel/fanotify"
)

// actor is who did something, as far as that is known for sure.
type actor struct {
	proc    changelog.Proc
	job     []byte
	hasUser bool
	hasProc bool
	pidfd   int // of the process, while actors remembers it; -1: it is not kept
}

// sign adds the actor to a record.
func (a *actor) sign(r *changelog.Record) {
	r.Job = a.job
	if a.hasProc {
		r.Proc = a.proc
		r.Has |= changelog.HasProc
	}
	if a.hasUser {
		r.UID, r.GID = a.proc.FSUID, a.proc.FSGID
		r.Has |= changelog.HasUser
	}
}

// actors finds out who did it. It remembers processes until another batch of events
// begins: they may be others then, or have become so.
type actors struct {
	job   JobID
	seen  map[int32]*actor
	asked time.Time // when the first of them was
}

// goodFor is how long what was found out of a process is believed at most, for events that
// are read ahead: what is told of it may be so much older than the event, but is the same
// process's.
const goodFor = 20 * time.Millisecond

// review forgets what may not be so any more: before the events of a new batch, all.
func (a *actors) review(all bool) {
	if now := time.Now(); all || now.Sub(a.asked) >= goodFor {
		a.forget()
		a.asked = now
		return
	}
	a.doubt()
}

// find returns the actor of an event. The descriptor proves that the process which is
// asked is the one of the event: while it has not been waited for, nobody else has its
// number. It reports whether it keeps the descriptor.
func (a *actors) find(pid, pidfd int32) (found *actor, kept bool) {
	if pid <= 0 || pidfd < 0 {
		return nobody(pid), false
	}
	if known := a.seen[pid]; known != nil {
		return known, false
	}
	found = a.ask(pid, int(pidfd))
	found.pidfd = -1
	if kept = len(a.seen) < maxKept; kept {
		found.pidfd = int(pidfd)
	}
	a.seen[pid] = found
	return found, kept
}

// maxKept is of how many processes the descriptor is kept.
const maxKept = 256

// forget forgets the processes.
func (a *actors) forget() {
	for pid := range a.seen {
		a.drop(pid)
	}
}

// doubt forgets the processes that may have been waited for: their numbers may be others'.
func (a *actors) doubt() {
	for pid, known := range a.seen {
		if known.pidfd < 0 || unix.PidfdSendSignal(known.pidfd, 0, nil, 0) == unix.ESRCH {
			a.drop(pid)
		}
	}
}

func (a *actors) drop(pid int32) {
	if fd := a.seen[pid].pidfd; fd >= 0 {
		unix.Close(fd)
	}
	delete(a.seen, pid)
}

// nobody is the actor of whom only the number is known, if that.
func nobody(pid int32) *actor {
	n := &actor{proc: changelog.Proc{
		PID: changelog.Unknown, TID: changelog.Unknown, PPID: changelog.Unknown,
		LoginUID: changelog.Unknown, FSUID: changelog.Unknown, FSGID: changelog.Unknown,
	}}
	if pid > 0 {
		n.proc.PID, n.hasProc = uint32(pid), true
	}
	return n
}

// ask asks a process who it is: first what matters most, since it may be about to end.
func (a *actors) ask(pid int32, pidfd int) *actor {
	n := nobody(pid)
	n.identify(pid, pidfd)
	comm, login := procFile(pid, "comm"), procFile(pid, "loginuid")
	job := a.job.variableOf(pid)
	if unix.PidfdSendSignal(pidfd, 0, nil, 0) == unix.ESRCH {
		return n // what was read may be another's
	}
	copy(n.proc.Comm[:], bytes.TrimSuffix(comm, []byte{'\n'}))
	if id, err := strconv.ParseUint(string(login), 10, 32); err == nil {
		n.proc.LoginUID = uint32(id)
	}
	n.job = a.job.of(n, job)
	return n
}

// procFile reads a short file of a process; nil if there is none.
func procFile(pid int32, name string) []byte {
	fd, err := unix.Open(fmt.Sprintf("/proc/%d/%s", pid, name), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	defer unix.Close(fd)
	b := make([]byte, 64)
	n, err := unix.Read(fd, b)
	if err != nil {
		return nil
	}
	return b[:n]
}

// identify asks for the ids of the process: by its descriptor, or by its directory in
// kernels that do not tell.
func (n *actor) identify(pid int32, pidfd int) {
	if p, err := fanotify.ProcessOf(pidfd); err == nil {
		n.proc.PPID = p.PPID
		if p.HasCgroup {
			n.proc.Cgroup = p.Cgroup
		}
		if p.HasIDs {
			n.proc.FSUID, n.proc.FSGID, n.proc.By = p.FSUID, p.FSGID, changelog.ByPidfd
			n.hasUser = true
		}
		return
	}
	var st unix.Stat_t
	if unix.Stat(fmt.Sprintf("/proc/%d", pid), &st) == nil && unix.PidfdSendSignal(pidfd, 0, nil, 0) == nil {
		n.proc.FSUID, n.proc.FSGID, n.proc.By = st.Uid, st.Gid, changelog.ByProc
		n.hasUser = true
	}
}
