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
