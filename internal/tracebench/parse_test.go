// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracebench

import (
	"bufio"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/weir-io/weir/ctf"
)

func TestReported(t *testing.T) {
	for _, tt := range []struct {
		line string
		want happened
	}{
		{"weirbench.1:        trace-cmd-22280 [001] 18103.824295: sys_exit:              id=1 ret=1", happened{1, 22280, "sys_exit"}},
		{"          <idle>-0     [000] 18103.8: sched_switch: prev_comm=a-b prev_pid=0", happened{0, 0, "sched_switch"}},
		{" a-1 b-42 [010] 1.5: rcu_utilization:", happened{10, 42, "rcu_utilization"}},
	} {
		if got, ok := parseReported(tt.line); !ok || got != tt.want {
			t.Errorf("%q: got %+v, %v, want %+v", tt.line, got, ok, tt.want)
		}
	}
	for _, line := range []string{"", "cpus=2", "CPU:1 [LOST EVENTS]", "a-x [1] 1.5: e:"} {
		if got, ok := parseReported(line); ok {
			t.Errorf("%q: got %+v, want none", line, got)
		}
	}
}

func TestDifference(t *testing.T) {
	a := multiset{{0, 1, "a"}: 2, {1, 1, "a"}: 1}
	if n, first := difference(a, multiset{{0, 1, "a"}: 2, {1, 1, "a"}: 1}); n != 0 || first != "" {
		t.Errorf("equal ones: got %d, %q", n, first)
	}
	n, first := difference(a, multiset{{0, 1, "a"}: 1, {1, 2, "b"}: 3})
	if n != 5 || !strings.Contains(first, "a of thread 1 on processor 0: 2 and 1") {
		t.Errorf("got %d, %q, want 5 and the first kind", n, first)
	}
}

func TestLatencies(t *testing.T) {
	now := time.Now().UnixNano()
	first := make(chan struct{}, 1)
	lines := "state of the host\n" +
		"e: { fd = 1, offset = 5, whence = 0 }\n" +
		"e: { fd = 1, offset = " + strconv.FormatInt(now+int64(time.Hour), 10) + ", whence = 0 }\n"
	late, err := latencies(bufio.NewScanner(strings.NewReader(lines)), first)
	if err != nil || len(late) != 1 || late[0] > 0 || len(first) != 1 {
		t.Errorf("got %v, %v, want one that is before its time", late, err)
	}
}

func TestMissingOrDouble(t *testing.T) {
	for _, tt := range []struct {
		numbers []uint64
		want    int
	}{
		{nil, 0},
		{[]uint64{2, 0, 1}, 0},
		{[]uint64{0, 2}, 1},
		{[]uint64{0, 1, 1}, 1},
		{[]uint64{3, 3}, 4},
	} {
		if got := missingOrDouble(slices.Clone(tt.numbers)); got != tt.want {
			t.Errorf("%v: got %d, want %d", tt.numbers, got, tt.want)
		}
	}
	index := ctf.AppendIndexHeader(nil, 1)
	for _, n := range []uint64{4, 7} {
		e := ctf.IndexEntry{PacketSeqNum: n}
		index = e.Append(index, ctf.IndexRecordLenMinor)
	}
	if got, err := appendNumbers(nil, index[:len(index)-1]); err != nil || !slices.Equal(got, []uint64{4}) {
		t.Errorf("torn index: got %v, %v, want 4", got, err)
	}
	if _, err := appendNumbers(nil, index[:10]); err == nil {
		t.Error("half a header: no error")
	}
}
