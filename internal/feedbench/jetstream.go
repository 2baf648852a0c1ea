// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package feedbench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/weir-io/weir/client/feed"
	"github.com/weir-io/weir/internal/bench"
	"github.com/weir-io/weir/internal/benchproc"
	"github.com/weir-io/weir/internal/feed/journal"
	"github.com/weir-io/weir/internal/procstat"
)

const (
	natsWindow   = 1024 // messages that are published and not acknowledged
	natsTimeout  = time.Minute
	journalBatch = 1000
	journalRound = 100 // batches of a run of the journal alone
)

// stored is what it took to store records.
type stored struct {
	records int
	took    time.Duration
	cpu     time.Duration
}

func (s stored) rate() float64 { return float64(s.records) / s.took.Seconds() }
func (s stored) each() float64 { return micros(s.cpu) / float64(s.records) }

// jetStream holds the storm, and the journal alone, against a stream of a server that
// syncs each message before it answers. It gets the same records.
func (b *Bench) jetStream(ctx context.Context) ([]bench.Row, error) {
	var storms []stormed
	var peer, own []stored
	for range b.Runs {
		var records [][]byte
		err := b.with(ctx, setting{kind: "ext4"}, func(s *stand) error {
			got, err := s.blow(ctx, b.sizes.storm)
			if err != nil {
				return err
			}
			storms = append(storms, got)
			records, err = s.raw(ctx, b.sizes.messages)
			return err
		})
		if err != nil {
			return nil, err
		}
		if b.NATS != "" {
			got, err := b.publish(ctx, records)
			if err != nil {
				return nil, err
			}
			peer = append(peer, got)
		}
		got, err := b.appendAll(ctx, records)
		if err != nil {
			return nil, err
		}
		own = append(own, got)
	}
	const name = "JetStream, one message a record, synced"
	bar := &bench.Bar{OfRatio: true, Must: 20, Aim: 60}
	whole := bench.Row{Name: "storm on ext4 to durable records, full index", Unit: "records/s", Bar: bar}
	whole.Set(bench.Figures(storms, stormed.rate))
	whole.Against(name, bench.Figures(peer, stored.rate))
	alone := bench.Row{Name: fmt.Sprintf("records that are there to durable ones, batches of %d", journalBatch), Unit: "records/s", Bar: bar}
	alone.Set(bench.Figures(own, stored.rate))
	alone.Against(name, bench.Figures(peer, stored.rate))
	cpu := bench.Row{Name: "the same: CPU of a record", Unit: "µs"}
	cpu.Set(bench.Figures(own, stored.each))
	cpu.Against(name, bench.Figures(peer, stored.each))
	return []bench.Row{cpu, alone, whole}, nil
}

// raw returns some records of the feed as they are stored.
func (s *stand) raw(ctx context.Context, n int) (all [][]byte, err error) {
	c, err := s.client.Open(ctx, s.feed.ID, feed.OpenOptions{Format: feed.FormatNative})
	if err != nil {
		return nil, err
	}
	defer c.Close()
	for len(all) < n {
		before := len(all)
		_, err := c.Raw(ctx, feed.ReadOptions{Keep: true}, func(r []byte) error {
			all = append(all, bytes.Clone(r))
			return nil
		})
		if err != nil {
			return nil, err
		}
		if len(all) == before {
			return nil, fmt.Errorf("the feed has %d records, want %d", len(all), n)
		}
	}
	return all[:n], nil
}

// publish publishes records to a server, one message each, and waits until all are
// acknowledged. The CPU time is the server's.
func (b *Bench) publish(ctx context.Context, records [][]byte) (got stored, err error) {
	dir, err := os.MkdirTemp(b.scratch, "nats-")
	if err != nil {
		return got, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	address, err := freeAddress()
	if err != nil {
		return got, err
	}
	config := fmt.Sprintf("listen: %q\njetstream { store_dir: %q, sync_interval: always, max_file_store: 4GB }\n", address, filepath.Join(dir, "store"))
	path := filepath.Join(dir, "nats.conf")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		return got, err
	}
	p, err := benchproc.Program{Name: "nats-server", Dir: dir, Command: []string{b.NATS, "-c", path}}.Start()
	if err != nil {
		return got, err
	}
	defer func() { err = errors.Join(err, p.End(syscall.SIGTERM)) }()
	var conn *nats.Conn
	if err := p.Await(ctx, "it answers", func() bool { conn, err = nats.Connect("nats://" + address); return err == nil }); err != nil {
		return got, err
	}
	defer conn.Close()
	js, err := jetstream.New(conn, jetstream.WithPublishAsyncMaxPending(natsWindow), jetstream.WithPublishAsyncTimeout(natsTimeout))
	if err != nil {
		return got, err
	}
	_, err = js.CreateStream(ctx, jetstream.StreamConfig{Name: "BENCH", Subjects: []string{"bench"}, Storage: jetstream.FileStorage})
	if err != nil {
		return got, p.Explain(err)
	}
	before, err := procstat.ReadClock(procstat.Host(), p.PID())
	if err != nil {
		return got, err
	}
	begun := time.Now()
	if err := publishAll(ctx, js, records); err != nil {
		return got, p.Explain(err)
	}
	got = stored{records: len(records), took: time.Since(begun)}
	after, err := procstat.ReadClock(procstat.Host(), p.PID())
	got.cpu = after.Since(before)
	return got, err
}

// publishAll publishes records and waits for what the server says of each.
func publishAll(ctx context.Context, js jetstream.JetStream, records [][]byte) error {
	var answers []jetstream.PubAckFuture
	for _, r := range records {
		f, err := js.PublishAsync("bench", r, jetstream.WithStallWait(natsTimeout))
		if err != nil {
			return err
		}
		answers = append(answers, f)
	}
	for i, f := range answers {
		select {
		case <-f.Ok():
		case err := <-f.Err():
			return fmt.Errorf("message %d of %d: %w", i+1, len(answers), err)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// freeAddress is an address of loopback that nobody listens on.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// appendAll appends records to a journal of this process, over and over.
func (b *Bench) appendAll(ctx context.Context, records [][]byte) (got stored, err error) {
	dir, err := os.MkdirTemp(b.scratch, "store-")
	if err != nil {
		return got, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	store, err := journal.OpenStore(dir, journal.Options{})
	if err != nil {
		return got, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	j, err := store.Open(journal.UUID{1})
	if err != nil {
		return got, err
	}
	chunks := slices.Collect(slices.Chunk(records, journalBatch))
	before, err := ownCPU()
	if err != nil {
		return got, err
	}
	var batch journal.Batch
	next, begun := uint64(1), time.Now()
	for i := range journalRound {
		batch.Reset(next)
		for _, r := range chunks[i%len(chunks)] {
			batch.Append(func(p []byte) []byte { return append(p, r...) })
		}
		next = batch.Next()
		if err := j.Apply(ctx, &batch); err != nil {
			return got, err
		}
	}
	got = stored{records: int(next - 1), took: time.Since(begun)}
	after, err := ownCPU()
	got.cpu = after - before
	return got, err
}
