// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package fanin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/weir-io/weir/changelog"
	client "github.com/weir-io/weir/client/feed"
	"github.com/weir-io/weir/internal/wait"
)

func must(tb testing.TB, errs ...error) {
	tb.Helper()
	if err := errors.Join(errs...); err != nil {
		tb.Fatal(err)
	}
}

// natsServer runs a server that syncs before it acknowledges.
func natsServer(tb testing.TB, dir string, port int) *server.Server {
	tb.Helper()
	s, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: port, JetStream: true, StoreDir: dir, SyncAlways: true, NoSigs: true, NoLog: true,
		JetStreamMaxStore: 1 << 30, JetStreamMaxMemory: 1 << 26,
	})
	must(tb, err)
	s.Start()
	if !s.ReadyForConnections(wait.Patience) {
		tb.Fatal("NATS does not accept connections")
	}
	return s
}

func newServer(tb testing.TB) *server.Server {
	tb.Helper()
	s := natsServer(tb, tb.TempDir(), -1)
	tb.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	return s
}

// source is a feed with records that are all there. It delivers what is not cancelled.
type source struct {
	records   []changelog.Record
	delivered uint64
	cancelled uint64
}

func newSource(first, n uint64, at func(i uint64) time.Time) *source {
	s := &source{delivered: first - 1, cancelled: first - 1}
	for i := first; i < first+n; i++ {
		name := fmt.Appendf(nil, "f%d", i)
		s.records = append(s.records, changelog.Record{
			Index: i, Time: at(i).UnixNano(), Type: changelog.Create, Target: changelog.FID{Seq: i}, Name: name, Path: name,
		})
	}
	return s
}

func (s *source) Read(_ context.Context, o client.ReadOptions) (*client.Batch, error) {
	b := &client.Batch{Through: s.delivered}
	for _, r := range s.records {
		if r.Index <= s.delivered {
			continue
		}
		if len(b.Records) == o.MaxRecords {
			b.More = true
			break
		}
		b.Records = append(b.Records, r)
		b.Through = r.Index
	}
	s.delivered = b.Through
	return b, nil
}

func (s *source) Cancel(_ context.Context, through uint64) (uint64, error) {
	s.cancelled = max(s.cancelled, through)
	return s.cancelled, nil
}

func (s *source) last() uint64 { return s.records[len(s.records)-1].Index }

// uuidOf is that of a file system of a test.
func uuidOf(i int) string { return fmt.Sprintf("00000000-0000-4000-8000-%012d", i) }

func publisher(tb testing.TB, url, uuid string, feed Feed, last, cancelled uint64) *Publisher {
	tb.Helper()
	p, err := OpenPublisher(tb.Context(), PublishOptions{
		Server: Server{URL: url, Log: slog.New(slog.DiscardHandler)}, Feed: feed, Host: "host-" + uuid[len(uuid)-1:], HostID: HostID{15: uuid[len(uuid)-1]},
		Info: client.Info{ID: "cl1", Source: uuid, Last: last, Cancelled: cancelled},
	})
	must(tb, err)
	return p
}

func (s *source) publisher(tb testing.TB, url, uuid string) *Publisher {
	tb.Helper()
	s.delivered = s.cancelled // another consumer begins there
	return publisher(tb, url, uuid, s, s.last(), s.cancelled)
}

// everything is what a stream has, as indexes.
func everything(tb testing.TB, url, uuid string) []uint64 {
	tb.Helper()
	conn, err := nats.Connect(url)
	must(tb, err)
	defer conn.Close()
	js, err := jetstream.New(conn)
	must(tb, err)
	stream, err := js.Stream(tb.Context(), streamOf(uuid))
	must(tb, err)
	info, err := stream.Info(tb.Context())
	must(tb, err)
	var all []uint64
	next := uint64(0)
	for seq := info.State.FirstSeq; seq <= info.State.LastSeq; seq++ {
		m, err := stream.GetMsg(tb.Context(), seq)
		must(tb, err)
		if len(m.Data) > chunkBytes {
			tb.Errorf("message %d: %d bytes, want %d at most", seq, len(m.Data), chunkBytes)
		}
		c, err := parseChunk("x", seq, m.Header, m.Data)
		must(tb, err)
		if next > 0 && c.first <= next || m.Header.Get("Nats-Msg-Id") != fmt.Sprintf("%s/%d", uuid, c.first) {
			tb.Errorf("message %d: headers %v behind index %d", seq, m.Header, next)
		}
		next = c.last
		for i := range c.records {
			all = append(all, c.records[i].Index)
		}
	}
	return all
}

// checkOnce makes sure that indexes are each there once, in order.
func checkOnce(tb testing.TB, got []uint64, first, last uint64) {
	tb.Helper()
	for i, index := range got {
		if want := first + uint64(i); index != want {
			tb.Fatalf("record %d: got index %d, want %d", i, index, want)
		}
	}
	if uint64(len(got)) != last-first+1 {
		tb.Errorf("got %d records, want %d to %d", len(got), first, last)
	}
}

func every(d time.Duration) func(uint64) time.Time {
	return func(i uint64) time.Time { return time.Unix(1_800_000_000, 0).Add(time.Duration(i) * d) }
}

func subscriber(tb testing.TB, url, name string) *Subscriber {
	tb.Helper()
	s, err := OpenSubscriber(tb.Context(), SubscribeOptions{Server: Server{URL: url, Log: slog.New(slog.DiscardHandler)}, Name: name, Lag: time.Millisecond})
	must(tb, err)
	return s
}
