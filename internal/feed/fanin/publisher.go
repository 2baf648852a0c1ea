// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package fanin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/weir-io/weir/changelog"
	client "github.com/weir-io/weir/client/feed"
)

// Feed is what a publisher reads: the consumer of a feed.
type Feed interface {
	Read(context.Context, client.ReadOptions) (*client.Batch, error)
	Cancel(ctx context.Context, through uint64) (uint64, error)
}

// PublishOptions say what goes where.
type PublishOptions struct {
	Server

	Feed     Feed
	Info     client.Info // of the feed
	Host     string
	HostID   HostID
	Replicas int   // of a new stream; default: 1
	MaxBytes int64 // of a new stream; 0: no limit. When it is reached, publishing waits
	Trim     bool  // remove what all consumers of the stream have acknowledged
}

// Publisher publishes a feed. One goroutine uses it.
type Publisher struct {
	opts    PublishOptions
	log     *slog.Logger
	conn    *nats.Conn
	js      jetstream.JetStream
	stream  jetstream.Stream
	seq     uint64 // of the last message of the stream
	through uint64 // last index that the stream has
	trimmed time.Time
	payload []byte
	// published is called between a publication and its cancellation, by tests.
	published func()
}

// callTimeout bounds a request to the server.
const callTimeout = 15 * time.Second

// OpenPublisher connects, and makes the stream if there is none.
func OpenPublisher(ctx context.Context, o PublishOptions) (*Publisher, error) {
	conn, err := o.connect(ctx)
	if err != nil {
		return nil, err
	}
	p := &Publisher{opts: o, log: o.Log, conn: conn}
	if p.js, err = jetstream.New(conn); err == nil {
		err = p.openStream(ctx)
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return p, nil
}

func (p *Publisher) openStream(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	uuid := p.opts.Info.Source
	var err error
	p.stream, err = p.js.Stream(ctx, streamOf(uuid))
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		p.stream, err = p.js.CreateStream(ctx, jetstream.StreamConfig{
			Name: streamOf(uuid), Subjects: []string{subjectOf(uuid)}, Description: "file-system changes of " + p.opts.Host,
			Storage: jetstream.FileStorage, Retention: jetstream.LimitsPolicy, Discard: jetstream.DiscardNew, Replicas: max(p.opts.Replicas, 1),
			MaxBytes: orUnlimited(p.opts.MaxBytes), Duplicates: 2 * time.Minute, AllowDirect: true,
		})
	}
	if err != nil {
		return fmt.Errorf("stream %s: %w", streamOf(uuid), err)
	}
	if err := p.catchUp(ctx); err != nil {
		return err
	}
	info := &p.opts.Info
	switch {
	case p.through > info.Last:
		return fmt.Errorf("stream %s: it has records through %d, and the journal ends at %d: it was made anew; remove the stream to begin again",
			streamOf(uuid), p.through, info.Last)
	case p.seq > 0 && info.Asked > p.through:
		p.log.Warn("records were cancelled that the stream has not got", "first", p.through+1, "last", info.Asked)
	}
	return nil
}

func orUnlimited(n int64) int64 {
	if n == 0 {
		return -1
	}
	return n
}

// catchUp finds out where the stream is.
func (p *Publisher) catchUp(ctx context.Context) error {
	info, err := p.stream.Info(ctx)
	if err != nil {
		return fmt.Errorf("stream %s: %w", streamOf(p.opts.Info.Source), err)
	}
	p.seq, p.through = info.State.LastSeq, 0
	if info.State.Msgs == 0 {
		if p.seq > 0 {
			return fmt.Errorf("stream %s: its last message was removed: remove the stream to begin again", info.Config.Name)
		}
		return nil
	}
	m, err := p.stream.GetMsg(ctx, p.seq)
	if err != nil {
		return fmt.Errorf("stream %s: message %d: %w", info.Config.Name, p.seq, err)
	}
	c, err := parseChunk(info.Config.Name, m.Sequence, m.Header, m.Data)
	if err != nil {
		return err
	}
	p.through = c.last
	return nil
}

// Through is the last index that the stream has.
func (p *Publisher) Through() uint64 { return p.through }

// Close disconnects.
func (p *Publisher) Close() { p.conn.Close() }

// Run publishes the feed until ctx ends; with once, until there is nothing more to read.
func (p *Publisher) Run(ctx context.Context, once bool) error {
	for {
		more, err := p.Step(ctx, once)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return err
		case once && !more:
			return nil
		}
	}
}

// Step reads a batch, publishes it and cancels it.
func (p *Publisher) Step(ctx context.Context, poll bool) (more bool, err error) {
	o := client.ReadOptions{MaxRecords: chunkRecords, MaxBytes: chunkBytes, Wait: -1, Keep: true}
	if poll {
		o.Wait = 0
	}
	b, err := p.opts.Feed.Read(ctx, o)
	if err != nil {
		return false, err
	}
	if err := p.Publish(ctx, b); err != nil {
		return false, err
	}
	if p.published != nil {
		p.published()
	}
	// What the feed has left out behind the last message is not cancelled: whoever publishes
	// next could not tell it from records that somebody else has cancelled.
	through := min(b.Through, p.through)
	if through == 0 {
		return b.More, nil // cancelling 0 would mean all
	}
	if _, err := p.opts.Feed.Cancel(ctx, through); err != nil {
		return false, err
	}
	return b.More, p.trim(ctx)
}

// Publish publishes what the stream has not got of a batch, and returns when the server
// has acknowledged it; it tries until then.
func (p *Publisher) Publish(ctx context.Context, b *client.Batch) error {
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		err := p.publishAll(ctx, b)
		var bad *ChunkError
		if err == nil || ctx.Err() != nil || errors.As(err, &bad) {
			return err
		}
		p.log.Warn("NATS does not take it; it is tried again", "error", err, "after", pause)
		if err := sleep(ctx, pause); err != nil {
			return err
		}
		again, cancel := context.WithTimeout(ctx, callTimeout)
		err = p.catchUp(again) // it may have come through after all
		cancel()
		if errors.As(err, &bad) {
			return err
		}
	}
}

// publishAll publishes a batch as chunks. What a feed tells of a directory that was moved
// in is left out: it has the index of the move, and is not of the journal. The batch may
// be through an earlier index than that of the move until all of it was told.
func (p *Publisher) publishAll(ctx context.Context, b *client.Batch) error {
	p.payload = p.payload[:0]
	first, last, n := uint64(0), p.through, 0
	for i := range b.Records {
		r := &b.Records[i]
		if r.Index <= last || r.Mark.Own() {
			continue // the stream has it, or it is none of the journal's
		}
		before := len(p.payload)
		p.payload = appendRecord(p.payload, r)
		if n > 0 && (n == chunkRecords || len(p.payload) > chunkBytes) {
			next := append([]byte(nil), p.payload[before:]...)
			if err := p.send(ctx, first, last, p.payload[:before]); err != nil {
				return err
			}
			p.payload = append(p.payload[:0], next...)
			n = 0
		}
		if n == 0 {
			first = r.Index
		}
		last = r.Index
		n++
	}
	if n == 0 {
		return nil // nothing but what a filter has left out
	}
	return p.send(ctx, first, max(last, b.Through), p.payload)
}

// send publishes one chunk.
func (p *Publisher) send(ctx context.Context, first, last uint64, payload []byte) error {
	uuid := p.opts.Info.Source
	m := nats.NewMsg(subjectOf(uuid))
	m.Data = payload
	m.Header.Set(headFirst, strconv.FormatUint(first, 10))
	m.Header.Set(headLast, strconv.FormatUint(last, 10))
	m.Header.Set(headHost, p.opts.Host)
	m.Header.Set(headFeed, p.opts.Info.ID)
	if p.opts.HostID != (HostID{}) {
		m.Header.Set(headHostID, p.opts.HostID.String())
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	ack, err := p.js.PublishMsg(ctx, m, jetstream.WithMsgID(uuid+"/"+strconv.FormatUint(first, 10)),
		jetstream.WithExpectStream(streamOf(uuid)), jetstream.WithExpectLastSequence(p.seq))
	if err != nil {
		return fmt.Errorf("publish records %d to %d behind message %d: %w", first, last, p.seq, err)
	}
	if ack.Duplicate {
		return fmt.Errorf("publish records %d to %d behind message %d: the stream has them as message %d", first, last, p.seq, ack.Sequence)
	}
	p.seq, p.through = ack.Sequence, last
	return nil
}

// trimEvery is the time between two looks for what nobody needs any more.
const trimEvery = 10 * time.Second

// trim removes what all consumers have acknowledged, but for the last message: it says
// where the stream is. Without a consumer all is kept.
func (p *Publisher) trim(ctx context.Context) error {
	if !p.opts.Trim || time.Since(p.trimmed) < trimEvery {
		return nil
	}
	p.trimmed = time.Now()
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	lowest, any := p.seq-1, false
	list := p.stream.ListConsumers(ctx)
	for c := range list.Info() {
		lowest, any = min(lowest, c.AckFloor.Stream), true
	}
	if err := list.Err(); err != nil || !any || p.seq == 0 || lowest == 0 {
		return p.later("list consumers", err)
	}
	return p.later("purge", p.stream.Purge(ctx, jetstream.WithPurgeSequence(lowest+1)))
}

// later logs what trimming failed with; it is tried again.
func (p *Publisher) later(what string, err error) error {
	if err != nil {
		p.log.Warn("stream is not trimmed", "at", what, "error", err)
	}
	return nil
}

// Labelled is a record and the host that it is from.
type Labelled struct {
	*changelog.Record

	Host   string
	Source string // UUID of the file system
}
