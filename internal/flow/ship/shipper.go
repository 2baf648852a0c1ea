// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ship

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/weir-io/weir/internal/flow/record"
)

// Service is where records are brought to.
type Service interface {
	// Send brings records, and returns how many it refused for good. With an error they
	// are to be sent again, those of left if that is not nil, else all; a Busy says when.
	Send(ctx context.Context, batch []record.Record) (refused int, left []record.Record, err error)
}

// Busy is the error of a service that wants records later.
type Busy struct {
	After time.Duration // 0: it does not say
	Err   error
}

func (b *Busy) Error() string { return b.Err.Error() }

// Unwrap returns the cause.
func (b *Busy) Unwrap() error { return b.Err }

// Options are settings of a Shipper. The zero value has the defaults.
type Options struct {
	Queue    int           // records that may wait: 100,000
	Batch    int           // records that go together: 1000
	Delay    time.Duration // how long a record waits for others: 100 ms
	MaxRetry time.Duration // the longest time between two tries: 30 s; the first is 1/100 of it
	Log      *slog.Logger  // nothing is logged
}

// Counts is what became of records.
type Counts struct {
	Taken   uint64
	Sent    uint64
	Lost    uint64 // the queue was full, or the Shipper was stopped
	Refused uint64 // by the service
	Waiting int
}

// Shipper brings records to a Service.
type Shipper struct {
	// Immutable after New.
	service Service
	opts    Options
	some    chan struct{} // holds a token while records may wait; never closed
	full    chan struct{} // the same while a whole batch may; never closed

	mu sync.Mutex
	// Guarded by mu.
	ring   []record.Record // from first on, around the end
	first  int
	counts Counts
}

// New returns a shipper to a service. Run ships.
func New(service Service, opts Options) *Shipper {
	if opts.Queue == 0 {
		opts.Queue = 100_000
	}
	if opts.Batch == 0 {
		opts.Batch = 1000
	}
	opts.Batch = min(opts.Batch, opts.Queue)
	if opts.Delay == 0 {
		opts.Delay = 100 * time.Millisecond
	}
	if opts.MaxRetry == 0 {
		opts.MaxRetry = 30 * time.Second
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	return &Shipper{service: service, opts: opts, some: make(chan struct{}, 1), full: make(chan struct{}, 1)}
}

// Add takes a record, which must not change any more. It never waits.
func (s *Shipper) Add(r record.Record) {
	s.mu.Lock()
	s.counts.Taken++
	if s.counts.Waiting == s.opts.Queue {
		s.pop()
		s.counts.Lost++
	}
	s.push(r)
	whole := s.counts.Waiting >= s.opts.Batch
	s.mu.Unlock()
	signal(s.some)
	if whole {
		signal(s.full)
	}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// push appends a record to the ring, which grows as far as the queue may.
func (s *Shipper) push(r record.Record) {
	if s.counts.Waiting == len(s.ring) {
		grown := make([]record.Record, min(max(2*len(s.ring), 64), s.opts.Queue))
		n := copy(grown, s.ring[s.first:])
		copy(grown[n:], s.ring[:s.first])
		s.ring, s.first = grown, 0
	}
	s.ring[(s.first+s.counts.Waiting)%len(s.ring)] = r
	s.counts.Waiting++
}

// pop takes the oldest record off the ring.
func (s *Shipper) pop() record.Record {
	r := s.ring[s.first]
	s.ring[s.first] = record.Record{}
	s.first = (s.first + 1) % len(s.ring)
	s.counts.Waiting--
	return r
}

// Counts returns what became of records so far.
func (s *Shipper) Counts() Counts {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counts
}

// Run ships until the context ends, and returns its cause. Records that wait then, or
// are under way, are lost, and counted.
func (s *Shipper) Run(ctx context.Context) error {
	defer s.drop()
	delay := time.NewTimer(0)
	defer delay.Stop()
	for {
		batch, err := s.collect(ctx, delay)
		if err != nil {
			return err
		}
		if err := s.deliver(ctx, batch); err != nil {
			return err
		}
	}
}

// collect waits for records, and then for a whole batch or the delay.
func (s *Shipper) collect(ctx context.Context, delay *time.Timer) ([]record.Record, error) {
	for s.Counts().Waiting == 0 {
		select {
		case <-s.some:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	for delay.Reset(s.opts.Delay); s.Counts().Waiting < s.opts.Batch; {
		select {
		case <-s.full:
			continue
		case <-delay.C:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		break
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	batch := make([]record.Record, min(s.counts.Waiting, s.opts.Batch))
	for i := range batch {
		batch[i] = s.pop()
	}
	return batch, nil
}

// deliver brings a batch to the service, however often it takes.
func (s *Shipper) deliver(ctx context.Context, batch []record.Record) error {
	pause := s.opts.MaxRetry / 100
	for tries := 1; ; tries++ {
		refused, left, err := s.service.Send(ctx, batch)
		if err == nil {
			left = batch[len(batch):]
		} else if left == nil {
			left = batch
		}
		s.mu.Lock()
		s.counts.Refused += uint64(refused)
		s.counts.Sent += uint64(len(batch) - len(left) - refused)
		s.mu.Unlock()
		if refused > 0 {
			s.opts.Log.Warn("the log service refuses records", "records", refused)
		}
		if len(left) == 0 {
			if tries > 1 {
				s.opts.Log.Info("the log service takes records again", "tries", tries)
			}
			return nil
		}
		if tries == 1 {
			s.opts.Log.Warn("the log service does not take records", "records", len(left), "error", err)
		}
		batch = left
		wait := pause
		if busy, ok := errors.AsType[*Busy](err); ok && busy.After > 0 {
			wait = min(busy.After, s.opts.MaxRetry)
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			s.mu.Lock()
			s.counts.Lost += uint64(len(batch))
			s.mu.Unlock()
			return context.Cause(ctx)
		}
		pause = min(2*pause, s.opts.MaxRetry)
	}
}

// drop counts what waits as lost.
func (s *Shipper) drop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts.Lost += uint64(s.counts.Waiting)
	s.counts.Waiting, s.ring, s.first = 0, nil, 0
}

// errAnswer is the error of an answer that is not what the service's documents say.
func errAnswer(service string, status int, body []byte) error {
	return fmt.Errorf("%s answers %d: %.200q", service, status, body)
}
