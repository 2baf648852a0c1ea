// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package view

import (
	"errors"
	"io"
	"math"
	"time"

	"github.com/weir-io/weir/ctf"
)

// How growing traces are followed. A stream without new packets does not say
// whether it will have older events than those of other streams: these are held
// back for a while.
const (
	followDelay  = time.Second
	followPeriod = 100 * time.Millisecond // between two looks at the files: not all file systems tell of changes
)

// followed are traces in directories that grow.
type followed struct {
	set     *ctf.Set
	live    *liveSet
	known   map[*ctf.Stream]bool
	looked  time.Time // when the files were looked at last
	newest  int64     // time at which the newest packet ends
	arrived time.Time // when that was found
}

// followSource is a stream of a growing trace. It waits for more where a
// [ctf.Cursor] ends; meanwhile it tells up to which time nothing will come.
type followSource struct {
	*ctf.Cursor
	in   *followed
	idle bool // the last step was an inactivity
	told int64
}

func follow(set *ctf.Set, live *liveSet) *followed {
	f := &followed{set: set, live: live, known: map[*ctf.Stream]bool{}}
	f.note()
	return f
}

// note takes note of new streams and packets.
func (f *followed) note() {
	f.looked = time.Now()
	newest := f.newest
	streams := f.set.Streams()
	for _, s := range streams {
		if !f.known[s] {
			f.known[s] = true
			f.live.joining = append(f.live.joining, &followSource{Cursor: ctf.NewCursor(s, f.set.Window(len(streams))), in: f, told: math.MinInt64 / 2})
		}
		if _, end, ok := s.Bounds(); ok {
			newest = max(newest, end)
		}
	}
	if newest != f.newest {
		f.newest, f.arrived = newest, f.looked
	}
}

// horizon is the time before which nothing new is expected.
func (f *followed) horizon() int64 {
	return f.newest + int64(time.Since(f.arrived)-followDelay)
}

// look looks at the files, if it is time to. It reports whether there was more.
func (f *followed) look() (bool, error) {
	if time.Since(f.looked) < followPeriod {
		return false, nil
	}
	grew, err := f.set.Refresh()
	f.note()
	return grew, err
}

// Next implements [ctf.Source].
func (s *followSource) Next() (ctf.Kind, error) {
	s.idle = false
	for {
		kind, err := s.Cursor.Next()
		if err == nil || !errors.Is(err, io.EOF) && !errors.Is(err, ctf.ErrStale) {
			return kind, err
		}
		grew, err := s.in.look()
		if err != nil {
			return 0, err
		}
		if grew {
			continue
		}
		if h := s.in.horizon(); h >= s.told+int64(followPeriod) {
			s.idle, s.told = true, h
			return ctf.Inactivity, nil
		}
		if err := s.in.live.tend(nil); err != nil {
			return 0, err
		}
		if err := s.in.live.pause(followPeriod); err != nil {
			return 0, err
		}
	}
}

// Time implements [ctf.Source].
func (s *followSource) Time() (int64, bool) {
	if s.idle {
		return s.told, true
	}
	return s.Cursor.Time()
}
