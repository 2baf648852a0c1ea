// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package fanin

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weir-io/weir/changelog"
	client "github.com/weir-io/weir/client/feed"
	"github.com/weir-io/weir/internal/wait"
)

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
