// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package consumer

import (
	"sync"
	"time"

	"github.com/weir-io/weir/internal/handover"
)

// tellPeriod is how far apart notices of losses, and of a spool's level, are at
// least.
const tellPeriod = time.Second

// losses tells the daemon what is lost: the first at once, what follows within a
// second together. It is safe for concurrent use.
type losses struct {
	notice func(handover.Op, any) // immutable

	mu    sync.Mutex
	open  map[string]handover.Loss // by channel, not told; guarded by mu
	timer *time.Timer              // nil: the last notice is long ago; guarded by mu
}

// add counts events and packets of a channel that are lost.
func (l *losses) add(channel string, events, packets uint64) {
	l.mu.Lock()
	if l.open == nil {
		l.open = make(map[string]handover.Loss)
	}
	sum := l.open[channel]
	l.open[channel] = handover.Loss{Channel: channel, Events: sum.Events + events, Packets: sum.Packets + packets}
	if l.timer != nil {
		l.mu.Unlock()
		return
	}
	l.timer = time.AfterFunc(tellPeriod, l.again)
	open := l.takeLocked()
	l.mu.Unlock()
	l.tell(open)
}

// again tells what has come since the last notice.
func (l *losses) again() {
	l.mu.Lock()
	open := l.takeLocked()
	l.timer = nil
	if len(open) > 0 {
		l.timer = time.AfterFunc(tellPeriod, l.again)
	}
	l.mu.Unlock()
	l.tell(open)
}

// flush tells what is not told, at the end.
func (l *losses) flush() {
	l.mu.Lock()
	open := l.takeLocked()
	if l.timer != nil {
		l.timer.Stop() // where it is too late, it finds nothing
		l.timer = nil
	}
	l.mu.Unlock()
	l.tell(open)
}

func (l *losses) takeLocked() map[string]handover.Loss {
	open := l.open
	l.open = nil
	return open
}

func (l *losses) tell(open map[string]handover.Loss) {
	for _, loss := range open {
		l.notice(handover.NoticeLoss, loss)
	}
}

// level tells how full a spool is: at each quarter that it has not come to before,
// when somebody waits for room, when there is much again, and when it is nearly
// empty.
type level struct {
	tell func(handover.Spool) // nil: nobody listens

	told int // quarters; 5: somebody waits
	at   time.Time
}

// look returns what is to be told of a spool, if anything, or, where that is too soon,
// how long to wait before looking again. The caller holds its lock.
func (l *level) look(bytes, limit int64, full bool, now time.Time) (told handover.Spool, due bool, wait time.Duration) {
	const waiting = 5
	if l.tell == nil {
		return told, false, 0
	}
	is := int(4 * bytes / max(limit, 1))
	switch {
	case full:
		is = waiting
	case is > 4:
		is = 4 // a packet that is larger than the spool
	}
	switch {
	case is > l.told, l.told == waiting && !full && is < 3:
	case l.told > 0 && bytes <= limit/16:
	default:
		return told, false, 0
	}
	if wait = tellPeriod - now.Sub(l.at); wait > 0 {
		return told, false, wait
	}
	l.told, l.at = is, now
	return handover.Spool{Bytes: bytes, Limit: limit, Full: full}, true, 0
}
