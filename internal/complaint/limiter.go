// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package complaint logs what is wrong with programs that connect, and no more of it than
// somebody can read: whoever can connect could fill the log.
package complaint

import (
	"log/slog"
	"sync"
	"time"
)

// Complaints are logged so many times in a period.
const (
	maxComplaints = 64
	period        = time.Minute
)

// Limiter logs complaints. The zero value is one that has logged none. It is safe for
// concurrent use.
type Limiter struct {
	mu    sync.Mutex // guards what follows
	since time.Time
	n     int // in the period
}

// allow reports whether one may be logged now, and whether it is the first that may not.
func (l *Limiter) allow(now time.Time) (ok, last bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now.Sub(l.since) >= period {
		l.since, l.n = now, 0
	}
	l.n++
	return l.n <= maxComplaints, l.n == maxComplaints+1
}

// Warn logs a complaint, or once in a period that there are too many.
func (l *Limiter) Warn(log *slog.Logger, text string, args ...any) {
	ok, last := l.allow(time.Now())
	switch {
	case ok:
		log.Warn(text, args...)
	case last:
		log.Warn("programs are complained about again and again: for a minute no more of that is told", "last", text)
	}
}
