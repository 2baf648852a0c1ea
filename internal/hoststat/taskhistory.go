// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package hoststat

import (
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/kernel/reread"
)

// taskHistory is what a session was told of processes last: how much time of the
// CPU they had taken. It belongs to the session's job.
type taskHistory struct {
	at          time.Time // of now
	before, now []taskTime
	differences []uint64 // of the table that now is of
}

// taskTime is a process, which its start tells from another of the same number.
type taskTime struct {
	pid   int32
	start uint64
	ticks uint64
}

func newTaskHistory() *taskHistory { return new(taskHistory) }

// update takes a table in. The same table again changes nothing: what was used
// since the sample before is still that.
func (h *taskHistory) update(k *tasksReader) {
	if h.at.Equal(k.at) {
		return
	}
	h.at = k.at
	h.before, h.now = h.now, h.before[:0]
	h.differences = h.differences[:0]
	old := 0
	for i := range k.table { // both lists are in the order of pids
		t := &k.table[i]
		x := taskTime{t.pid, t.start, t.utime + t.stime}
		h.now = append(h.now, x)
		for old < len(h.before) && h.before[old].pid < x.pid {
			old++
		}
		used := x.ticks
		if old < len(h.before) && h.before[old].pid == x.pid && h.before[old].start == x.start {
			used -= min(h.before[old].ticks, used)
		}
		h.differences = append(h.differences, used)
	}
}

// used returns the ticks that a process took since the session's previous sample;
// of one that was not there since its start.
func (h *taskHistory) used(i int, t *task) uint64 {
	if i < len(h.differences) {
		return h.differences[i]
	}
	return t.utime + t.stime
}

// userNames are the names of users, from the file of those on this host: who comes
// from elsewhere has a number.
type userNames struct {
	path  string
	names map[uint32][]byte
	stamp unix.Timespec // of the file
	at    time.Time
}

// passwdAge is how long changes of the file may go unseen.
const passwdAge = 10 * time.Second

// maxUsers bounds the names.
const maxUsers = 100_000

func newUserNames(path string) userNames { return userNames{path: path} }

// of returns the name of a user, else the number.
func (u *userNames) of(uid uint32, now time.Time) []byte {
	if u.names == nil || now.Sub(u.at) >= passwdAge {
		u.at = now
		u.load()
	}
	name := u.names[uid]
	if name == nil {
		name = strconv.AppendUint(nil, uint64(uid), 10)
		if len(u.names) < maxUsers {
			u.names[uid] = name
		}
	}
	return name
}

func (u *userNames) load() {
	var st unix.Stat_t
	err := unix.Stat(u.path, &st)
	if u.names != nil && (err != nil || st.Mtim == u.stamp) {
		return
	}
	u.names, u.stamp = make(map[uint32][]byte), st.Mtim
	text, err := reread.Read(0, u.path, nil)
	if err != nil {
		return
	}
	for len(text) > 0 && len(u.names) < maxUsers {
		var line []byte
		line, text = cutLine(text)
		name, rest, ok := cutColon(line)
		_, rest, ok2 := cutColon(rest)
		uid, _, ok3 := cutColon(rest)
		n, isNumber := number(uid)
		if ok && ok2 && ok3 && isNumber && n < 1<<32 && u.names[uint32(n)] == nil {
			u.names[uint32(n)] = clone(name)
		}
	}
}
