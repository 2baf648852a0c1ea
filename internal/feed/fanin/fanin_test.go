// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package fanin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
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

func TestPublish(t *testing.T) {
	url := newServer(t).ClientURL()
	s := newSource(11, 4500, every(time.Millisecond))
	p := s.publisher(t, url, uuidOf(1))
	defer p.Close()
	must(t, p.Run(t.Context(), true))
	checkOnce(t, everything(t, url, uuidOf(1)), 11, 4510)
	if s.cancelled != 4510 || p.Through() != 4510 {
		t.Errorf("cancelled through %d, published through %d, want 4510", s.cancelled, p.Through())
	}
}

// Records that are large go into chunks of 512 KiB.
// What is told of a directory that was moved in has the index of the move, whose batches
// are through an earlier one until all is told.
func TestMoveIsPublishedOnce(t *testing.T) {
	s, uuid := newServer(t), uuidOf(1)
	feed := newSource(1, 6, every(time.Second))
	synth := feed.records[3] // below the move, which is record 4
	synth.Flags = changelog.FlagSynth
	batches := []*client.Batch{
		{Through: 3, Records: append(slices.Clone(feed.records[:4]), synth)},
		{Through: 3, Records: []changelog.Record{synth, synth}},
		{Through: 6, Records: append([]changelog.Record{synth}, feed.records[4:]...)},
	}
	for range 2 { // the second publisher gets all of it again
		p := feed.publisher(t, s.ClientURL(), uuid)
		for _, b := range batches {
			must(t, p.Publish(t.Context(), b))
		}
		p.Close()
	}
	checkOnce(t, everything(t, s.ClientURL(), uuid), 1, 6)
}

func TestLargeRecords(t *testing.T) {
	url := newServer(t).ClientURL()
	s := newSource(1, 60, every(time.Second))
	for i := range s.records {
		s.records[i].Path = []byte(strings.Repeat("p", 30_000))
	}
	p := s.publisher(t, url, uuidOf(1))
	defer p.Close()
	must(t, p.Run(t.Context(), true))
	checkOnce(t, everything(t, url, uuidOf(1)), 1, 60)
}

// The end of a publisher between publication and cancellation doubles nothing and loses
// nothing, also when the next one cuts its batches elsewhere.
func TestEndBetweenPublishAndCancel(t *testing.T) {
	url := newServer(t).ClientURL()
	s := newSource(1, 3300, every(time.Millisecond))
	for range 20 {
		p := s.publisher(t, url, uuidOf(1))
		b, err := s.Read(t.Context(), client.ReadOptions{MaxRecords: 777})
		must(t, err, p.Publish(t.Context(), b)) // and is not cancelled
		p.Close()
		if len(b.Records) > 300 {
			_, err = s.Cancel(t.Context(), b.Records[300].Index)
			must(t, err)
		}
	}
	p := s.publisher(t, url, uuidOf(1))
	defer p.Close()
	must(t, p.Run(t.Context(), true))
	checkOnce(t, everything(t, url, uuidOf(1)), 1, 3300)
}

// The server ends and comes back; what was acknowledged is there, and is not repeated.
func TestServerRestarts(t *testing.T) {
	dir := t.TempDir()
	srv := natsServer(t, dir, -1)
	url := srv.ClientURL()
	port := srv.Addr().String()
	s := newSource(1, 2500, every(time.Millisecond))
	p := s.publisher(t, url, uuidOf(1))
	defer p.Close()
	_, err := p.Step(t.Context(), true)
	must(t, err)
	srv.Shutdown()
	srv.WaitForShutdown()
	var number int
	_, err = fmt.Sscanf(port[strings.LastIndexByte(port, ':')+1:], "%d", &number)
	must(t, err)
	done := make(chan error, 1)
	go func() { done <- p.Run(t.Context(), true) }() // the test waits for done
	srv = natsServer(t, dir, number)
	defer func() {
		srv.Shutdown()
		srv.WaitForShutdown()
	}()
	must(t, <-done)
	checkOnce(t, everything(t, url, uuidOf(1)), 1, 2500)
}

func TestTwoPublishersDoNotMix(t *testing.T) {
	url := newServer(t).ClientURL()
	s := newSource(1, 2000, every(time.Millisecond))
	first, second := s.publisher(t, url, uuidOf(1)), s.publisher(t, url, uuidOf(1))
	defer first.Close()
	defer second.Close()
	b, err := s.Read(t.Context(), client.ReadOptions{MaxRecords: 900})
	must(t, err, first.Publish(t.Context(), b))
	must(t, second.Publish(t.Context(), b)) // finds out that the stream has them
	checkOnce(t, everything(t, url, uuidOf(1)), 1, 900)
}

func TestJournalMadeAnewIsRefused(t *testing.T) {
	url := newServer(t).ClientURL()
	s := newSource(1, 20, every(time.Millisecond))
	p := s.publisher(t, url, uuidOf(1))
	must(t, p.Run(t.Context(), true))
	p.Close()
	_, err := OpenPublisher(t.Context(), PublishOptions{
		Server: Server{URL: url, Log: slog.New(slog.DiscardHandler)}, Info: client.Info{ID: "cl1", Source: uuidOf(1), Last: 5},
	})
	if err == nil || !strings.Contains(err.Error(), "made anew") {
		t.Errorf("journal that ends before the stream: got %v", err)
	}
}

func subscriber(tb testing.TB, url, name string) *Subscriber {
	tb.Helper()
	s, err := OpenSubscriber(tb.Context(), SubscribeOptions{Server: Server{URL: url, Log: slog.New(slog.DiscardHandler)}, Name: name, Lag: time.Millisecond})
	must(tb, err)
	return s
}

// Records of several hosts come in the order of their time, each once and with its host.
func TestMerge(t *testing.T) {
	url := newServer(t).ClientURL()
	total := 0
	for i := 1; i <= 4; i++ {
		n := uint64(700 * i)
		total += int(n)
		s := newSource(1, n, every(time.Duration(i)*time.Millisecond))
		p := s.publisher(t, url, uuidOf(i))
		must(t, p.Run(t.Context(), true))
		p.Close()
	}
	sub := subscriber(t, url, "reader")
	var before int64
	next := map[string]uint64{}
	read := func(batches int) (n int) {
		for range batches {
			all, err := sub.Batch(t.Context(), true)
			must(t, err)
			if len(all) == 0 {
				return n
			}
			for _, r := range all {
				if r.Time < before || r.Index != next[r.Source]+1 || r.Host != "host-"+r.Source[len(r.Source)-1:] || r.Record.Host[15] != r.Source[len(r.Source)-1] {
					t.Fatalf("record %d of %s at %d: behind %d at %d", r.Index, r.Host, r.Time, next[r.Source], before)
				}
				before, next[r.Source] = r.Time, r.Index
				n++
			}
		}
		return n
	}
	if got := read(1 << 30); got != total {
		t.Errorf("got %d records, want %d", got, total)
	}
	// Another reader has its own place. One by the same name goes on.
	sub.Close()
	sub = subscriber(t, url, "reader")
	if got := read(1 << 30); got != 0 {
		t.Errorf("read again by the same name: got %d records, want none", got)
	}
	sub.Close()
	before = 0
	clear(next)
	sub = subscriber(t, url, "other")
	if got := read(1 << 30); got != total {
		t.Errorf("another reader: got %d records, want %d", got, total)
	}
	sub.Close()
}

// What a reader has been given and not gone on from comes again.
func TestReaderThatDies(t *testing.T) {
	url := newServer(t).ClientURL()
	s := newSource(1, 1500, every(time.Millisecond))
	p := s.publisher(t, url, uuidOf(1))
	defer p.Close()
	must(t, p.Run(t.Context(), true))
	sub := subscriber(t, url, "")
	first, err := sub.Batch(t.Context(), false)
	must(t, err)
	if first[0].Index != 1 || len(first) != 1000 {
		t.Errorf("first batch: got %d records from %d", len(first), first[0].Index)
	}
	sub.Close()
	sub = subscriber(t, url, "")
	defer sub.Close()
	again, err := sub.Batch(t.Context(), false)
	must(t, err)
	if again[0].Index != 1 {
		t.Errorf("without a name: got record %d first, want 1", again[0].Index)
	}
}

func TestTrimKeepsTheLastMessage(t *testing.T) {
	url := newServer(t).ClientURL()
	s := newSource(1, 3000, every(time.Millisecond))
	p := s.publisher(t, url, uuidOf(1))
	defer p.Close()
	must(t, p.Run(t.Context(), true))
	p.opts.Trim = true
	must(t, p.trim(t.Context()))
	checkOnce(t, everything(t, url, uuidOf(1)), 1, 3000) // nobody reads: all is kept
	sub := subscriber(t, url, "reader")
	defer sub.Close()
	for n := 0; n < 3000; {
		all, err := sub.Batch(t.Context(), false)
		must(t, err)
		n += len(all)
	}
	_, err := sub.Batch(t.Context(), true)
	must(t, err)
	wait.Until(t, "the stream to be trimmed", func() bool {
		p.trimmed = time.Time{}
		must(t, p.trim(t.Context()))
		return len(everything(t, url, uuidOf(1))) == 1000
	})
	must(t, p.catchUp(t.Context()))
	if p.Through() != 3000 {
		t.Errorf("through %d, want 3000", p.Through())
	}
}

func TestForeignMessage(t *testing.T) {
	url := newServer(t).ClientURL()
	s := newSource(1, 3, every(time.Millisecond))
	p := s.publisher(t, url, uuidOf(1))
	defer p.Close()
	must(t, p.Run(t.Context(), true))
	_, err := p.conn.RequestWithContext(t.Context(), subjectOf(uuidOf(1)), []byte("hello")) // the answer says that it is stored
	must(t, err)
	var bad *ChunkError
	if _, err := OpenPublisher(t.Context(), p.opts); !errors.As(err, &bad) || bad.Sequence != 2 || bad.Field != headFirst {
		t.Errorf("publisher: got %v", err)
	}
	sub := subscriber(t, url, "")
	defer sub.Close()
	for n := 0; err == nil && n < 10; n++ {
		_, err = sub.Batch(t.Context(), false)
	}
	if !errors.As(err, &bad) {
		t.Errorf("subscriber: got %v", err)
	}
}

func payloadOf(s *source) (b []byte) {
	for i := range s.records {
		b = appendRecord(b, &s.records[i])
	}
	return b
}

func TestPayloadCutAtEveryByte(t *testing.T) {
	s := newSource(1, 3, every(time.Second))
	b := payloadOf(s)
	var ends []int
	for i := range s.records {
		ends = append(ends, len(payloadOf(&source{records: s.records[:i+1]})))
	}
	for cut := range b {
		if _, err := parsePayload(b[:cut]); (err == nil) != (cut == 0 || slices.Contains(ends, cut)) {
			t.Errorf("cut at %d: got %v", cut, err)
		}
	}
	records, err := parsePayload(b)
	if err != nil || len(records) != 3 || records[2].Index != 3 {
		t.Errorf("whole: got %d records, %v", len(records), err)
	}
}

func FuzzParseChunk(f *testing.F) {
	f.Add("1", "3", "00112233445566778899aabbccddeeff", payloadOf(newSource(1, 3, every(time.Second))))
	f.Add("0", "x", "", []byte{255, 255, 255, 255})
	f.Fuzz(func(t *testing.T, first, last, host string, b []byte) {
		h := nats.Header{}
		h.Set(headFirst, first)
		h.Set(headLast, last)
		h.Set(headHostID, host)
		c, err := parseChunk("s", 1, h, b)
		if err != nil {
			return
		}
		for i := range c.records {
			if r := &c.records[i]; r.Index < c.first || r.Index > c.last {
				t.Errorf("record %d of chunk %d to %d", r.Index, c.first, c.last)
			}
		}
	})
}

// A message a chunk, against one a record, on a server that syncs.
func BenchmarkPublish(b *testing.B) {
	for _, n := range []uint64{1, 100, 1000} {
		b.Run(fmt.Sprintf("records=%d", n), func(b *testing.B) {
			s := newSource(1, 1, every(time.Microsecond))
			p := publisher(b, newServer(b).ClientURL(), uuidOf(1), s, 1<<40, 0)
			defer p.Close()
			next := uint64(1)
			for b.Loop() {
				b.StopTimer()
				batch := &client.Batch{Records: newSource(next, n, every(time.Microsecond)).records, Through: next + n - 1}
				next += n
				b.StartTimer()
				must(b, p.Publish(b.Context(), batch))
			}
			b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "records/s")
		})
	}
}

// Chunks of 8 hosts, merged.
func BenchmarkSubscribe(b *testing.B) {
	url := newServer(b).ClientURL()
	const hosts, n = 8, 50_000
	for i := range hosts {
		s := newSource(1, n, every(time.Duration(i+1)*time.Microsecond))
		p := s.publisher(b, url, uuidOf(i))
		must(b, p.Run(b.Context(), true))
		p.Close()
	}
	for b.Loop() {
		sub := subscriber(b, url, "")
		for got := 0; got < hosts*n; {
			all, err := sub.Batch(b.Context(), false)
			must(b, err)
			got += len(all)
		}
		sub.Close()
	}
	b.ReportMetric(float64(hosts*n)*float64(b.N)/b.Elapsed().Seconds(), "records/s")
}
