// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ship

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/weir-io/weir/internal/flow/record"
)

// Service is where records are brought to.
type Service interface {
	// Send brings records, and returns how many it refused for good. With an error they
	// are to be sent again, those of left if that is not nil, else all; a Busy says when.
	// When none is left the error says why some are refused.
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

// ErrTooLarge is in the error of a service that wants fewer records at once: they are
// brought in halves, and one alone that is too large is refused.
var ErrTooLarge = errors.New("too large")

// Options are settings of a Shipper. The zero value has the defaults.
type Options struct {
	Queue    int           // records that may wait: 100,000
	Memory   int           // bytes of the records that may wait: 64 MiB
	Batch    int           // records that go together: 1000, and no more than 1 MiB or so
	Delay    time.Duration // how long a record waits for others: 100 ms
	MaxRetry time.Duration // the longest time between two tries: 30 s; the first is 1/100 of it
	Drain    time.Duration // how long Run goes on with what waits when it is to end: not at all
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
	bytes  int // of the records in the ring
	counts Counts
	over   bool // Run has ended

	// Owned by Run.
	notice notice
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
	if opts.Memory == 0 {
		opts.Memory = 64 << 20
	}
	if opts.Delay == 0 {
		opts.Delay = 100 * time.Millisecond
	}
	if opts.MaxRetry == 0 {
		opts.MaxRetry = 30 * time.Second
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	return &Shipper{
		service: service, opts: opts, some: make(chan struct{}, 1), full: make(chan struct{}, 1),
		notice: notice{log: opts.Log},
	}
}

// Add takes a record, which must not change any more. It never waits. After the end of
// Run it is lost.
func (s *Shipper) Add(r record.Record) {
	s.mu.Lock()
	s.counts.Taken++
	if s.over {
		s.counts.Lost++
		s.mu.Unlock()
		return
	}
	for s.counts.Waiting > 0 && (s.counts.Waiting == s.opts.Queue || s.bytes+size(&r) > s.opts.Memory) {
		s.pop()
		s.counts.Lost++
	}
	s.push(r)
	whole := s.wholeLocked()
	s.mu.Unlock()
	signal(s.some)
	if whole {
		signal(s.full)
	}
}

// recordSize is about what a record takes besides its event.
const recordSize = 512

// batchBytes is how many bytes of records go together: services have limits.
const batchBytes = 1 << 20

func size(r *record.Record) int { return recordSize + len(r.Event) }

// wholeLocked reports whether a whole batch waits.
func (s *Shipper) wholeLocked() bool {
	return s.counts.Waiting >= s.opts.Batch || s.bytes >= batchBytes
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
	s.bytes += size(&r)
}

// pop takes the oldest record off the ring.
func (s *Shipper) pop() record.Record {
	r := s.ring[s.first]
	s.ring[s.first] = record.Record{}
	s.first = (s.first + 1) % len(s.ring)
	s.counts.Waiting--
	s.bytes -= size(&r)
	return r
}

// Counts returns what became of records so far.
func (s *Shipper) Counts() Counts {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counts
}

// Run ships until the context ends, and returns its cause. What waits then, or is under
// way, it still brings as long as Drain lets it; the rest is lost, and counted.
func (s *Shipper) Run(ctx context.Context) error {
	defer s.drop()
	sending, cancel := s.outlive(ctx)
	defer cancel()
	delay := time.NewTimer(0)
	defer delay.Stop()
	for {
		batch, err := s.collect(ctx, sending, delay)
		if err != nil {
			return err
		}
		if err := s.deliver(ctx, sending, batch); err != nil {
			return err
		}
	}
}

// outlive returns a context that ends by the time of Drain after another one.
func (s *Shipper) outlive(ctx context.Context) (context.Context, func()) {
	if s.opts.Drain == 0 {
		return ctx, func() {}
	}
	longer, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		end := time.NewTimer(s.opts.Drain)
		defer end.Stop()
		select {
		case <-end.C:
		case <-longer.Done():
		}
		cancel(context.Cause(ctx))
	})
	return longer, func() { stop(); cancel(nil) }
}

// collect waits for records, and then for a whole batch, the delay or the end of ctx.
func (s *Shipper) collect(ctx, sending context.Context, delay *time.Timer) ([]record.Record, error) {
	for s.Counts().Waiting == 0 {
		select {
		case <-s.some:
		case <-ctx.Done():
			if s.Counts().Waiting == 0 {
				return nil, context.Cause(ctx)
			}
		}
	}
	delay.Reset(s.opts.Delay)
	for more := ctx.Err() == nil; more && !s.whole(); {
		select {
		case <-s.full:
		case <-delay.C:
			more = false
		case <-ctx.Done():
			more = false
		}
	}
	if sending.Err() != nil {
		return nil, context.Cause(sending)
	}
	return s.take(), nil
}

func (s *Shipper) whole() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.wholeLocked()
}

// take takes a batch off the ring: one record, and more as far as they go together.
func (s *Shipper) take() (batch []record.Record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for bytes := 0; s.counts.Waiting > 0 && len(batch) < s.opts.Batch; {
		if bytes += size(&s.ring[s.first]); len(batch) > 0 && bytes > batchBytes {
			break
		}
		batch = append(batch, s.pop())
	}
	return batch
}

// deliver brings a batch to the service, however often it takes, as long as sending lasts.
// When ctx ends it does not wait any longer before it tries again.
func (s *Shipper) deliver(ctx, sending context.Context, batch []record.Record) error {
	pause := s.opts.MaxRetry / 100
	ended := ctx.Done()
	for {
		refused, left, err := s.service.Send(sending, batch)
		if err == nil {
			left = batch[len(batch):]
		} else if left == nil {
			left = batch
		}
		if errors.Is(err, ErrTooLarge) && len(left) == 1 {
			refused, left = refused+1, left[1:]
		}
		s.count(len(batch)-len(left)-refused, refused, 0)
		if len(left) > 0 && errors.Is(err, ErrTooLarge) {
			return s.halve(ctx, sending, left)
		}
		s.notice.told(s.Counts(), len(left), err)
		if len(left) == 0 {
			return nil
		}
		batch = left
		wait := pause
		if busy, ok := errors.AsType[*Busy](err); ok && busy.After > 0 {
			wait = min(busy.After, s.opts.MaxRetry)
		}
		pause = min(2*pause, s.opts.MaxRetry)
		if ctx.Err() != nil && ended == nil {
			wait = s.opts.MaxRetry / 100
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ended:
			ended = nil
		case <-sending.Done():
		}
		timer.Stop()
		if sending.Err() != nil {
			s.count(0, 0, len(batch))
			return context.Cause(sending)
		}
	}
}

// halve delivers a batch in two halves.
func (s *Shipper) halve(ctx, sending context.Context, batch []record.Record) error {
	half := (len(batch) + 1) / 2
	if err := s.deliver(ctx, sending, batch[:half]); err != nil {
		s.count(0, 0, len(batch)-half)
		return err
	}
	return s.deliver(ctx, sending, batch[half:])
}

func (s *Shipper) count(sent, refused, lost int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts.Sent += uint64(sent)
	s.counts.Refused += uint64(refused)
	s.counts.Lost += uint64(lost)
}

// drop counts what waits as lost, and tells what was lost in all.
func (s *Shipper) drop() {
	s.mu.Lock()
	s.counts.Lost += uint64(s.counts.Waiting)
	s.counts.Waiting, s.bytes, s.ring, s.first, s.over = 0, 0, nil, 0, true
	counts := s.counts
	s.mu.Unlock()
	s.notice.ended(counts)
}
