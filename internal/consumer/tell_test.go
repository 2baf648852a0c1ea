// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package consumer

import (
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weir-io/weir/internal/handover"
)

// TestLossesAreToldTogether has the first loss told at once, those that follow once
// a second.
func TestLossesAreToldTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex // timers have goroutines of their own
		var got []handover.Loss
		l := &losses{notice: func(op handover.Op, body any) {
			mu.Lock()
			defer mu.Unlock()
			if op != handover.NoticeLoss {
				t.Errorf("notice %s", op)
			}
			got = append(got, body.(handover.Loss))
		}}
		want := func(want ...handover.Loss) {
			t.Helper()
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			if !slices.Equal(got, want) {
				t.Errorf("told %+v, want %+v", got, want)
			}
			got = nil
		}
		l.add("a", 3, 0)
		want(handover.Loss{Channel: "a", Events: 3})
		l.add("a", 4, 1)
		l.add("a", 0, 1)
		want()
		<-time.After(tellPeriod)
		want(handover.Loss{Channel: "a", Events: 4, Packets: 2})
		l.add("a", 1, 0)
		want() // within a second of the last
		l.flush()
		want(handover.Loss{Channel: "a", Events: 1})
		<-time.After(3 * tellPeriod)
		want()
		l.add("b", 1, 0)
		want(handover.Loss{Channel: "b", Events: 1})
		<-time.After(2 * tellPeriod) // the timer ends
	})
}

func TestSpoolLevel(t *testing.T) {
	l := level{tell: func(handover.Spool) {}}
	now := time.Unix(1, 0)
	for i, step := range []struct {
		bytes int64
		full  bool
		after time.Duration
		due   bool
	}{
		{10, false, time.Hour, false},
		{25, false, 0, true},
		{50, false, tellPeriod / 2, false}, // too soon
		{50, false, tellPeriod, true},
		{30, false, time.Hour, false}, // it has come to that before
		{99, true, time.Hour, true},
		{99, true, time.Hour, false},
		{90, false, time.Hour, false},
		{70, false, time.Hour, true},
		{6, false, time.Hour, true},
		{0, false, time.Hour, false},
		{100, false, time.Hour, true},
	} {
		now = now.Add(step.after)
		if told, due, _ := l.look(step.bytes, 100, step.full, now); due != step.due || due && told != (handover.Spool{Bytes: step.bytes, Limit: 100, Full: step.full}) {
			t.Errorf("step %d: told %+v, %v; want %v", i, told, due, step.due)
		}
	}
}

// TestSpoolLevelIsToldLater has a spool filled up at once: that nobody looks at it any
// more does not keep it from being told.
func TestSpoolLevelIsToldLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newSpool(100, 0, nil)
		var mu sync.Mutex
		var got []handover.Spool
		q.level.tell = func(told handover.Spool) {
			mu.Lock()
			defer mu.Unlock()
			got = append(got, told)
		}
		put(t, q, 0, make([]byte, 60))
		if err := q.put(item{stream: &stream{}}, make([]byte, 60)); err == nil {
			t.Fatal("it is not full")
		}
		<-time.After(2 * tellPeriod)
		want := []handover.Spool{{Bytes: 60, Limit: 100}, {Bytes: 60, Limit: 100, Full: true}}
		mu.Lock()
		defer mu.Unlock()
		if !slices.Equal(got, want) {
			t.Errorf("told %+v, want %+v", got, want)
		}
		q.close()
	})
}
