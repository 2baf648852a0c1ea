// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package consumer

import (
	"testing"
	"testing/fstest"
	"time"

	"github.com/weir-io/weir/internal/kerneltrace"
)

func status(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }

func TestOwnersOfThreads(t *testing.T) {
	proc := fstest.MapFS{
		"7/status": status("Name:\tsh\nUid:\t1000\t0\t0\t0\nGid:\t100\t0\t0\t0\n"),
		"8/status": status("Name:\tUid: 5\nUid:\t1\t1\t1\t1\n"), // cut
	}
	tasks := new(kerneltrace.Tasks)
	u := newUsers(proc, tasks)
	begin := time.Unix(1000, 0)
	want := func(tid int32, at time.Duration, uid, gid int64) {
		t.Helper()
		if o := u.of(tid, begin.Add(at)); o.uid != uid || o.gid != gid {
			t.Errorf("after %v, thread %d is of user %d, group %d; want %d, %d", at, tid, o.uid, o.gid, uid, gid)
		}
	}
	want(0, 0, 0, 0) // idle
	want(7, 0, 1000, 100)
	want(8, 0, -1, -1)
	want(9, 0, -1, -1)
	// It has become another user's; that is seen a second later.
	proc["7/status"] = status("Uid:\t0\t0\t0\t0\nGid:\t5\t0\t0\t0\n")
	want(7, ownerAge/2, 1000, 100)
	want(7, ownerAge, 0, 5)
	// What is gone stays what it was, and its children are of the same user.
	delete(proc, "7/status")
	want(7, 3*ownerAge, 0, 5)
	tasks.Set(10, kerneltrace.Task{PID: 10, PPID: 7}, 0)
	tasks.Set(11, kerneltrace.Task{PID: 7, PPID: 1}, 0)
	want(10, 3*ownerAge, 0, 5)
	want(11, 3*ownerAge, 0, 5)
}

func TestOwnerCutAtEveryByte(t *testing.T) {
	const text = "Name:\tx\nUid:\t12\t0\t0\t0\nGid:\t34\t0\t0\t0\n"
	for n := range len(text) {
		o, err := parseOwner(text[:n])
		if err == nil && (o.uid != 12 || o.gid != 3 && o.gid != 34) {
			t.Errorf("cut at %d: user %d, group %d", n, o.uid, o.gid)
		}
	}
}
