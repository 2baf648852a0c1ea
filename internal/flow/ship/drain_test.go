// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ship

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weir-io/weir/internal/flow/record"
)

// hanging is a service that never answers, as HTTP does: until it is told to end.
type hanging struct{}

func (hanging) Send(ctx context.Context, _ []record.Record) (int, []record.Record, error) {
	<-ctx.Done()
	return 0, nil, ctx.Err()
}

// What waits at the end is brought at once, without waiting for a whole batch, and what
// comes later is lost.
func TestDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []uint64
		s := New(service(func(b []record.Record) (int, []record.Record, error) {
			got = append(got, numbers(b)...)
			return 0, nil, nil
		}), Options{Batch: 2, Delay: time.Hour, Drain: time.Second})
		begin := time.Now()
		run(t, s, func() {
			for i := range 3 {
				s.Add(sample(i))
			}
		})
		s.Add(sample(3))
		if took := time.Since(begin); took > 0 || fmt.Sprint(got) != "[0 1 2]" {
			t.Errorf("after %v: %v, want 0, 1 and 2 at once", took, got)
		}
		if c, want := s.Counts(), (Counts{Taken: 4, Sent: 3, Lost: 1}); c != want {
			t.Errorf("counts %+v, want %+v", c, want)
		}
	})
}

// A service that is down is tried again at once when the end comes, and then often, but
// not for longer than Drain; what is left is told.
func TestDrainEnds(t *testing.T) {
	for name, c := range map[string]struct {
		service Service
		works   time.Duration // after the end; 0: never
		want    Counts
	}{
		"works again": {nil, 700 * time.Millisecond, Counts{Taken: 3, Sent: 3}},
		"down":        {nil, 0, Counts{Taken: 3, Lost: 3}},
		"hangs":       {hanging{}, 0, Counts{Taken: 3, Lost: 3}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log bytes.Buffer
				var end atomic.Pointer[time.Time]
				to := c.service
				if to == nil {
					to = service(func([]record.Record) (int, []record.Record, error) {
						if at := end.Load(); at != nil && c.works > 0 && time.Since(*at) >= c.works {
							return 0, nil, nil
						}
						return 0, nil, &Busy{After: time.Minute, Err: errors.New("down")}
					})
				}
				s := New(to, Options{Batch: 2, Drain: 2 * time.Second, Log: slog.New(slog.NewTextHandler(&log, nil))})
				run(t, s, func() {
					for i := range 3 {
						s.Add(sample(i))
					}
					<-time.After(10 * time.Second)
					end.Store(new(time.Now()))
				})
				if took := time.Since(*end.Load()); took > 2*time.Second || c.want.Sent > 0 && took > 1300*time.Millisecond {
					t.Errorf("it ended after %v", took)
				}
				if got := s.Counts(); got != c.want {
					t.Errorf("counts %+v, want %+v", got, c.want)
				}
				if told := strings.Contains(log.String(), "records=3"); told != (c.want.Lost > 0) {
					t.Errorf("the log tells of lost records: %v\n%s", told, log.String())
				}
			})
		})
	}
}

// A batch that is too large for a service goes in parts, in its order; a record that is
// too large alone is refused and holds nothing up.
func TestTooLarge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got [][]uint64
		var log bytes.Buffer
		s := New(service(func(b []record.Record) (int, []record.Record, error) {
			for _, r := range b {
				if len(b) > 2 || r.Seq == 3 {
					return 0, nil, fmt.Errorf("%w: got 413", ErrTooLarge)
				}
			}
			got = append(got, numbers(b))
			return 0, nil, nil
		}), Options{Batch: 7, Log: slog.New(slog.NewTextHandler(&log, nil))})
		run(t, s, func() {
			for i := range 7 {
				s.Add(sample(i))
			}
			<-time.After(time.Second)
		})
		if want := "[[0 1] [2] [4 5] [6]]"; fmt.Sprint(got) != want {
			t.Errorf("batches %v, want %s", got, want)
		}
		if c, want := s.Counts(), (Counts{Taken: 7, Sent: 6, Refused: 1}); c != want {
			t.Errorf("counts %+v, want %+v", c, want)
		}
		if text := log.String(); strings.Count(text, "\n") != 1 || !strings.Contains(text, "refuses records") || !strings.Contains(text, "413") {
			t.Errorf("the log says\n%s\nwant that one is refused, and why", text)
		}
	})
	p := newPeer(t, "413 0 no")
	for name, to := range map[string]Service{
		"Elasticsearch": &Elasticsearch{URL: p.URL, Index: "i", Client: p.Client()}, "Splunk": &Splunk{URL: p.URL, Client: p.Client()},
	} {
		if _, left, err := to.Send(t.Context(), samples(0, 2)); !errors.Is(err, ErrTooLarge) || len(left) != 2 {
			t.Errorf("%s that answers 413: %d left, %v, want both, too large", name, len(left), err)
		}
	}
}

// Few large records must not take more memory than many small ones, nor go together.
func TestMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		large := func(n int) record.Record {
			r := sample(n)
			r.Event = json.RawMessage(`{"bytes":"` + strings.Repeat("0", batchBytes/2) + `"}`)
			return r
		}
		var got [][]uint64
		var works atomic.Bool
		s := New(service(func(b []record.Record) (int, []record.Record, error) {
			if !works.Load() {
				return 0, nil, errors.New("down")
			}
			got = append(got, numbers(b))
			return 0, nil, nil
		}), Options{Memory: 2 * batchBytes, Delay: time.Millisecond})
		run(t, s, func() {
			s.Add(sample(0))
			<-time.After(time.Second) // it is under way
			for i := 1; i < 6; i++ {
				s.Add(large(i))
			}
			if c := s.Counts(); c.Waiting != 3 || c.Lost != 2 {
				t.Errorf("counts %+v, want 3 that wait and 2 that are lost", c)
			}
			works.Store(true)
			<-time.After(time.Minute)
		})
		if want := "[[0] [3] [4] [5]]"; fmt.Sprint(got) != want {
			t.Errorf("batches %v, want %s", got, want)
		}
	})
}

// A service that sends the credential back does not bring it into the log.
func TestCredentialIsHidden(t *testing.T) {
	p := newPeer(t, `401 0 {"error":"no right: ApiKey sesame, Splunk sesame"}`)
	for name, to := range map[string]Service{
		"Elasticsearch": &Elasticsearch{URL: p.URL, Index: "i", APIKey: "sesame", Client: p.Client()},
		"Splunk":        &Splunk{URL: p.URL, Token: "sesame", Client: p.Client()},
	} {
		_, _, err := to.Send(t.Context(), samples(0, 1))
		if err == nil || !strings.Contains(err.Error(), fmt.Sprint(http.StatusUnauthorized)) || strings.Contains(err.Error(), "sesame") {
			t.Errorf("%s: %v, want 401 without the credential", name, err)
		}
	}
}

// A service that fails, works and fails again is told of once a minute, and that it works
// each time after it was told.
func TestNotices(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		tries := 0
		s := New(service(func([]record.Record) (int, []record.Record, error) {
			if tries++; tries%2 == 1 {
				return 0, nil, errors.New("down")
			}
			return 1, []record.Record{}, errors.New("wrong")
		}), Options{Queue: 1, Log: slog.New(slog.NewTextHandler(&log, nil))})
		run(t, s, func() {
			for range 12 { // for two minutes
				s.Add(sample(0))
				s.Add(sample(1)) // and the one before it is lost
				<-time.After(10 * time.Second)
			}
		})
		for text, want := range map[string]int{"does not take records": 2, "takes records again": 2, "refuses records": 2, "are lost": 3} {
			if n := strings.Count(log.String(), text); n != want {
				t.Errorf("%d lines that it %s, want %d:\n%s", n, text, want, log.String())
			}
		}
	})
}
