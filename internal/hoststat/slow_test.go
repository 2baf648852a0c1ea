// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package hoststat

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// far is a reader that is wary.
type far struct{ *hung }

func (far) isWary() bool { return true }

// A slow section is read once for who asks seldom, at the moment he asks, every period
// for who asks all the time, and for nobody else. One that may find what hangs is read
// ahead.
func TestSlowOnDemand(t *testing.T) {
	for _, tt := range []struct {
		name                   string
		ahead                  bool
		seldom, often, resting [2]int64 // readings, at least and at most
	}{
		{"calm", false, [2]int64{4, 4}, [2]int64{4, 6}, [2]int64{0, 1}},
		{"wary", true, [2]int64{10, 13}, [2]int64{4, 6}, [2]int64{11, 13}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := small.engine(t)
				h := hang(e, "system/filesystems")
				if tt.ahead {
					e.sectionOf("system/filesystems").reader = far{h}
				}
				s := newSession(t, e)
				wants := within(e.model, "system/filesystems")
				calls := func(what string, want [2]int64, do func()) {
					t.Helper()
					before := h.calls.Load()
					do()
					synctest.Wait()
					if n := int64(h.calls.Load() - before); n < want[0] || n > want[1] {
						t.Errorf("%s: %d readings, want %d to %d", what, n, want[0], want[1])
					}
				}
				ask := func() time.Duration {
					samples := s.Sample(t.Context(), wants, nil)
					defer samples.Release()
					if len(samples.Parts()) != 1 {
						t.Fatalf("%d parts", len(samples.Parts()))
					}
					return time.Since(samples.Parts()[0].At)
				}
				ask()
				calls("seldom", tt.seldom, func() {
					for range 4 {
						<-time.After(15 * time.Second)
						if age := ask(); age > 0 && !tt.ahead || age > e.o.SlowPeriod {
							t.Errorf("a sample of %v ago", age)
						}
					}
				})
				calls("often", tt.often, func() {
					for range 25 {
						<-time.After(time.Second)
						if age := ask(); age > e.o.SlowPeriod {
							t.Errorf("a sample of %v ago", age)
						}
					}
				})
				calls("resting", tt.resting, func() { <-time.After(time.Hour) })
			})
		})
	}
}

// A slow section that the host does not have is looked for once a minute, and found.
func TestSlowAbsent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := small.engine(t)
		section := e.sectionOf("system/sensors")
		h := hang(e, "system/sensors")
		absent := &missing{hung: h}
		section.reader = absent
		s := newSession(t, e)
		ask := func() int {
			samples := s.Sample(t.Context(), within(e.model, "system/sensors"), nil)
			defer samples.Release()
			return len(samples.Parts())
		}
		for _, every := range [...]time.Duration{15 * time.Second, time.Second} {
			before := h.calls.Load()
			for range 4 * time.Minute / every {
				if n := ask(); n > 0 {
					t.Fatalf("%d parts", n)
				}
				<-time.After(every)
			}
			if n := h.calls.Load() - before; n < 2 || n > 5 {
				t.Errorf("looked for %d times in four minutes, asked every %v", n, every)
			}
		}
		absent.found.Store(true)
		<-time.After(2 * time.Minute)
		if ask() != 1 {
			t.Error("it is not found")
		}
	})
}

// missing is a reader of what a host does not have.
type missing struct {
	*hung
	found atomic.Bool
}

func (m *missing) read(r *request) error {
	if m.found.Load() {
		return m.hung.read(r)
	}
	m.calls.Add(1)
	return errAbsent
}

// A message whose worker hangs in a slow section has the section's last sample.
func TestSlowHangsOnDemand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := small.engine(t)
		h := hang(e, "system/filesystems")
		s := newSession(t, e)
		defer close(h.gate)
		wants := within(e.model, "system/filesystems", "system/errors")
		ask := func(parts int, wait time.Duration) time.Time {
			t.Helper()
			begin := time.Now()
			samples := s.Sample(t.Context(), wants, nil)
			defer samples.Release()
			if took := time.Since(begin); took != wait || len(samples.Parts()) != parts {
				t.Errorf("%v after %v, want %d parts after %v", paths(e, samples), took, parts, wait)
			}
			return samples.Parts()[0].At
		}
		at := ask(1, 0)
		h.hang.Store(true)
		<-time.After(time.Minute)
		for _, wait := range [...]time.Duration{e.o.SectionTimeout, 0, 0} {
			if got := ask(2, wait); !got.Equal(at) {
				t.Errorf("a sample of %v, want the last one of %v", got, at)
			}
		}
	})
}
