// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package fanin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/weir-io/weir/changelog"
)

// SubscribeOptions say what is merged.
type SubscribeOptions struct {
	Server

	Name string // of the durable consumers, which keep the place; empty: from the begin on, and nothing is kept
	// Lag is how long a record waits for an earlier one of a host that has sent nothing.
	Lag time.Duration
}

// Subscriber merges the streams of all hosts by time. A chunk is acknowledged when the
// batch after its last record is asked for.
type Subscriber struct {
	opts   SubscribeOptions
	log    *slog.Logger
	conn   *nats.Conn
	js     jetstream.JetStream
	stop   context.CancelFunc
	ctx    context.Context // of the streams' goroutines, which end with Close
	wg     sync.WaitGroup
	events chan event // of all streams; never closed

	// Owned by the goroutine that calls Batch.
	inputs   map[string]*input
	finished []*delivery // acknowledged by the next Batch
	out      []Labelled
	looked   time.Time // when streams were listed
}

// input is a stream.
type input struct {
	stream string
	uuid   string
	head   *delivery // nil: none yet
	at     int       // record of it that is next
	idle   bool      // the server had nothing when it was asked last
	last   uint64    // index that was handed out
}

// delivery is a chunk that is not acknowledged yet.
type delivery struct {
	*chunk

	arrived time.Time
	done    chan struct{} // closed when it may be acknowledged
}

// event is what a stream's goroutine tells: a chunk, that there is none, or why it ends.
type event struct {
	stream   string
	delivery *delivery
	err      error
}

// OpenSubscriber connects, and begins to read the streams that there are.
func OpenSubscriber(ctx context.Context, o SubscribeOptions) (*Subscriber, error) {
	if strings.ContainsAny(o.Name, " \t\r\n.*>/\\") {
		return nil, fmt.Errorf("name of consumers %q: want no blanks, dots, slashes, * or >", o.Name)
	}
	conn, err := o.connect(ctx)
	if err != nil {
		return nil, err
	}
	s := &Subscriber{opts: o, log: o.Log, conn: conn, inputs: map[string]*input{}, events: make(chan event)}
	s.ctx, s.stop = context.WithCancel(context.WithoutCancel(ctx))
	if s.js, err = jetstream.New(conn); err == nil {
		err = s.discover(ctx)
	}
	if err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// Close ends reading. What was handed out by the last Batch is delivered again to who
// subscribes next by the same name.
func (s *Subscriber) Close() {
	s.stop()
	s.wg.Wait()
	s.conn.Close()
}

// Hosts is how many streams are merged.
func (s *Subscriber) Hosts() int { return len(s.inputs) }

// discover begins to read streams that are new.
func (s *Subscriber) discover(ctx context.Context) error {
	s.looked = time.Now()
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	list := s.js.StreamNames(ctx)
	for n := range list.Name() {
		uuid, ok := strings.CutPrefix(n, streamPrefix)
		if !ok || s.inputs[n] != nil {
			continue
		}
		if err := s.begin(ctx, n, uuid); err != nil {
			return err
		}
	}
	if err := list.Err(); err != nil {
		return fmt.Errorf("list of streams: %w", err)
	}
	return nil
}

// ackWait is when the server delivers a chunk again whose reader says nothing.
const ackWait = 30 * time.Second

func (s *Subscriber) begin(ctx context.Context, stream, uuid string) error {
	c, err := s.js.CreateOrUpdateConsumer(ctx, stream, jetstream.ConsumerConfig{
		Durable: s.opts.Name, AckPolicy: jetstream.AckAllPolicy, MaxAckPending: 1, AckWait: ackWait, DeliverPolicy: jetstream.DeliverAllPolicy,
	})
	if err != nil {
		return fmt.Errorf("stream %s: consumer: %w", stream, err)
	}
	s.inputs[stream] = &input{stream: stream, uuid: uuid}
	s.wg.Go(func() { s.read(c, stream) }) // ends with s.ctx; Close waits
	return nil
}

// read reads a stream chunk by chunk: the next when the one before is acknowledged.
func (s *Subscriber) read(c jetstream.Consumer, stream string) {
	tell := func(e event) bool {
		e.stream = stream
		select {
		case s.events <- e:
			return e.err == nil
		case <-s.ctx.Done():
			return false
		}
	}
	told := false
	for s.ctx.Err() == nil {
		m, err := s.fetch(c, told)
		switch {
		case err != nil && s.ctx.Err() != nil:
			return
		case err != nil:
			s.log.Warn("stream is not read; it is tried again", "stream", stream, "error", err)
			told = false
			if !pause(s.ctx, firstPause) {
				return
			}
			continue
		case m == nil && !told:
			told = true
			if !tell(event{}) {
				return
			}
			continue
		case m == nil:
			continue
		}
		told = false
		d, err := delivered(m, stream)
		if !tell(event{delivery: d, err: err}) {
			return
		}
		if !s.acknowledge(m, d) {
			return
		}
	}
}

// fetchWait is how long the server keeps a request for a message.
const fetchWait = 5 * time.Second

// fetch asks for a message. It waits for one where it is known that there is none now.
func (s *Subscriber) fetch(c jetstream.Consumer, wait bool) (jetstream.Msg, error) {
	var batch jetstream.MessageBatch
	var err error
	if wait {
		ctx, cancel := context.WithTimeout(s.ctx, fetchWait)
		defer cancel()
		batch, err = c.Fetch(1, jetstream.FetchContext(ctx))
	} else {
		batch, err = c.FetchNoWait(1)
	}
	if err != nil {
		return nil, err
	}
	for m := range batch.Messages() {
		return m, nil
	}
	if err := batch.Error(); err != nil && !errors.Is(err, nats.ErrTimeout) && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, jetstream.ErrNoMessages) {
		return nil, err
	}
	return nil, nil
}

func delivered(m jetstream.Msg, stream string) (*delivery, error) {
	meta, err := m.Metadata()
	if err != nil {
		return nil, fmt.Errorf("stream %s: %w", stream, err)
	}
	c, err := parseChunk(stream, meta.Sequence.Stream, m.Headers(), m.Data())
	return &delivery{chunk: c, arrived: time.Now(), done: make(chan struct{})}, err
}

// acknowledge waits until a chunk is done with, and has the server know. Meanwhile the
// server is told that it is in work.
func (s *Subscriber) acknowledge(m jetstream.Msg, d *delivery) bool {
	alive := time.NewTicker(ackWait / 3)
	defer alive.Stop()
	for {
		select {
		case <-alive.C:
			if err := m.InProgress(); err != nil {
				s.log.Warn("server does not know that a chunk is in work", "error", err)
			}
			continue
		case <-d.done:
		case <-s.ctx.Done():
			return false
		}
		ctx, cancel := context.WithTimeout(s.ctx, callTimeout)
		err := m.DoubleAck(ctx)
		cancel()
		if err != nil && s.ctx.Err() == nil {
			s.log.Warn("chunk is not acknowledged; it comes again", "error", err) // and is known by its indexes
		}
		return s.ctx.Err() == nil
	}
}

// pause waits; it is false when ctx ended first.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// discoverEvery is the time between two looks for new streams.
const discoverEvery = 10 * time.Second

// Batch returns records of all hosts in the order of their time, and acknowledges those
// of the batch before. The records are good until the next Batch. It waits for the
// first; with poll it returns none when there are none.
func (s *Subscriber) Batch(ctx context.Context, poll bool) ([]Labelled, error) {
	s.out = s.out[:0]
	for {
		for _, d := range s.finished { // of the batch before, or known from before
			close(d.done)
		}
		s.finished = s.finished[:0]
		if time.Since(s.looked) >= discoverEvery {
			if err := s.discover(ctx); err != nil {
				s.log.Warn("streams are not listed", "error", err)
			}
		}
		wait := s.merge()
		if len(s.out) > 0 || poll && wait < 0 && s.allIdle() {
			return s.out, nil
		}
		if err := s.await(ctx, wait); err != nil {
			return nil, err
		}
	}
}

// allIdle reports whether there is nothing to read now.
func (s *Subscriber) allIdle() bool {
	for _, in := range s.inputs {
		if in.head != nil || !in.idle {
			return false
		}
	}
	return true
}

// await waits for something to happen; wait is how long the first record has to wait
// still, negative if there is none.
func (s *Subscriber) await(ctx context.Context, wait time.Duration) error {
	if wait < 0 || wait > discoverEvery {
		wait = discoverEvery
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case e := <-s.events:
		return s.take(e)
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// take takes over what a stream tells.
func (s *Subscriber) take(e event) error {
	in := s.inputs[e.stream]
	switch {
	case e.err != nil:
		return e.err
	case e.delivery == nil:
		in.idle = true
	default:
		in.head, in.at, in.idle = e.delivery, 0, false
		in.skip()
	}
	return nil
}

// skip passes over what was handed out before.
func (in *input) skip() {
	for in.at < len(in.head.records) && in.head.records[in.at].Index <= in.last {
		in.at++
	}
}

// next is the record that comes next of a stream that has a head.
func (in *input) next() *changelog.Record { return &in.head.records[in.at] }

// merge hands out records in the order of their time, until that of the next is not
// known or a chunk ends. It returns how long the next has to wait, negative if there is
// none.
func (s *Subscriber) merge() (wait time.Duration) {
	for {
		var first *input
		known := true
		for _, in := range s.inputs {
			switch {
			case in.head == nil:
				known = known && in.idle
			case in.at == len(in.head.records): // all of it was handed out before
				s.finish(in)
				known = false
			case first == nil || in.next().Time < first.next().Time || in.next().Time == first.next().Time && in.stream < first.stream:
				first = in
			}
		}
		if len(s.finished) > 0 && !known {
			return 0 // what comes next is known when they are acknowledged
		}
		if first == nil {
			return -1
		}
		r := first.next()
		if !known {
			return discoverEvery // a chunk is on its way
		}
		// A host whose clock is ahead does not stop the others for longer.
		age := max(time.Since(time.Unix(0, r.Time)), time.Since(first.head.arrived))
		if rest := s.opts.Lag - age; rest > 0 && s.anyIdle() {
			return rest
		}
		s.out = append(s.out, Labelled{Record: r, Host: first.head.host, Source: first.uuid})
		first.last = r.Index
		if first.at++; first.at == len(first.head.records) {
			s.finish(first)
			return 0
		}
	}
}

// anyIdle reports whether a host has sent nothing.
func (s *Subscriber) anyIdle() bool {
	for _, in := range s.inputs {
		if in.head == nil {
			return true
		}
	}
	return false
}

// finish lets go of a chunk whose records were all handed out.
func (s *Subscriber) finish(in *input) {
	s.finished = append(s.finished, in.head)
	in.head, in.idle = nil, false
}
