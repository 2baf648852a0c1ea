// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package fssource

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/changelog"
	"github.com/weir-io/weir/client/agent"
	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/ctf/schema"
	"github.com/weir-io/weir/internal/handover"
	"github.com/weir-io/weir/internal/source"
	"github.com/weir-io/weir/internal/wait"
)

// fakeFeeds watches one directory, of which a test makes the records.
type fakeFeeds struct {
	mu      sync.Mutex
	records []changelog.Record
	changed chan struct{} // closed and replaced by each change
	opened  []changelog.Mask
	open    int
	refuse  error
	ended   error // what reads end with from now on
	read    int   // records that were handed out
}

func (f *fakeFeeds) Watched() ([]string, error) { return []string{"/srv"}, nil }

func (f *fakeFeeds) Open(_ context.Context, _ uint32, dir string, types changelog.Mask) (Feed, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.refuse != nil {
		return nil, f.refuse
	}
	f.opened = append(f.opened, types)
	f.open++
	return &fakeFeed{f: f, at: len(f.records), types: types}, nil
}

// change appends a record, with the next index unless it has one, and the present time.
func (f *fakeFeeds) change(r changelog.Record) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if r.Index == 0 {
		r.Index = uint64(len(f.records) + 1)
	}
	r.Time = time.Now().UnixNano()
	f.records = append(f.records, r)
	f.wake()
}

func (f *fakeFeeds) wake() {
	close(f.changed)
	f.changed = make(chan struct{})
}

// fakeFeed reads them.
type fakeFeed struct {
	f     *fakeFeeds
	at    int
	types changelog.Mask
}

func (n *fakeFeed) Read(ctx context.Context, wait time.Duration, record func(*changelog.Record)) (int, error) {
	late := time.After(wait)
	for {
		n.f.mu.Lock()
		changed, ended, records := n.f.changed, n.f.ended, n.f.records[n.at:]
		n.f.mu.Unlock()
		for i := range records {
			if n.types.Has(records[i].Type) {
				record(&records[i])
			}
		}
		n.at += len(records)
		n.f.mu.Lock()
		n.f.read += len(records)
		n.f.mu.Unlock()
		if len(records) > 0 || ended != nil {
			return len(records), ended
		}
		select {
		case <-changed:
		case <-late:
			return 0, nil
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

func (n *fakeFeed) Forward() error {
	n.f.mu.Lock()
	defer n.f.mu.Unlock()
	n.at = len(n.f.records)
	return nil
}

func (n *fakeFeed) Close() error {
	n.f.mu.Lock()
	defer n.f.mu.Unlock()
	n.f.open--
	return nil
}

// recorder is a channel and the consumer's end of its stream.
type recorder struct {
	*testing.T

	feeds   *fakeFeeds
	trace   *trace
	channel *channel
	conn    *handover.PacketConn
	begun   bool

	data      []byte // packets that were taken
	discarded uint64
}

func newRecorder(t *testing.T, change func(*source.SessionInfo, *agent.ChannelSettings)) *recorder {
	t.Helper()
	r := &recorder{T: t, feeds: &fakeFeeds{changed: make(chan struct{})}}
	s := New(r.feeds, slog.New(slog.NewTextHandler(t.Output(), nil)))
	info, set := source.SessionInfo{Name: "s", Mode: agent.Normal}, s.Defaults(agent.Normal)
	if change != nil {
		change(&info, &set)
	}
	tr, err := s.Open(info)
	r.ok(err)
	r.trace = tr.(*trace)
	t.Cleanup(func() {
		r.ok(r.trace.Close())
		if r.feeds.open != 0 {
			t.Errorf("%d feeds are open after all", r.feeds.open)
		}
	})
	c, err := r.trace.Channel(0, "c", set)
	r.ok(err)
	r.channel = c.(*channel)
	return r
}

func (r *recorder) ok(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

// rule adds a rule of tracepoints.
func (r *recorder) rule(pattern, dir string) error {
	_, err := r.channel.AddRule(&agent.EventRule{Type: agent.Tracepoint, Pattern: pattern, Location: dir, Enabled: true})
	return err
}

// start begins to record.
func (r *recorder) start() {
	r.Helper()
	if !r.begun {
		r.begun = true
		r.ok(r.channel.Prepare())
		streams, err := r.channel.Streams()
		r.ok(err)
		r.conn, err = handover.NewPacketConn(streams[0].Files[0])
		r.ok(err)
		r.Cleanup(func() { r.conn.Close() })
	}
	r.ok(r.channel.Start())
}

// stop ends recording and returns the events so far, and how many were discarded.
func (r *recorder) stop() (events []string, discarded uint64) {
	r.Helper()
	r.ok(r.channel.Stop())
	return r.read()
}

// read takes what the consumer would, and returns the events so far.
func (r *recorder) read() (events []string, discarded uint64) {
	r.Helper()
	for {
		packet, info, err := r.conn.Receive()
		if errors.Is(err, unix.EAGAIN) {
			break
		}
		r.ok(err)
		r.data = append(r.data, packet...)
		r.discarded = info.Discarded
	}
	dir := r.TempDir()
	text, err := r.trace.Regenerate()
	r.ok(err)
	r.ok(os.WriteFile(filepath.Join(dir, "metadata"), text, 0o600))
	r.ok(os.WriteFile(filepath.Join(dir, "c_0"), r.data, 0o600))
	set, err := ctf.Open(ctf.Options{}, dir)
	r.ok(err)
	for _, c := range set.Cursors() {
		for {
			kind, err := c.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			r.ok(err)
			if kind == ctf.EventRecord {
				payload, _ := c.Event().Scope(schema.EventPayload)
				events = append(events, c.Event().Class.Name+" "+show(payload))
			}
		}
		r.ok(c.Close())
	}
	return events, r.discarded
}

// show writes a field as text.
func show(v ctf.Value) string {
	switch c := v.Class().(type) {
	case *schema.Struct:
		var all []string
		for i := range c.Members {
			f, _ := v.Field(c.Members[i].Name)
			all = append(all, c.Members[i].Name+"="+show(f))
		}
		return strings.Join(all, " ")
	case *schema.Integer:
		if c.Signed {
			return strconv.FormatInt(v.Int(), 10)
		}
		return strconv.FormatUint(v.Uint(), int(c.Base))
	case *schema.String:
		return string(v.Text())
	}
	return fmt.Sprintf("%T", v.Class())
}

// at is how many records were read.
func (r *recorder) at() int {
	r.feeds.mu.Lock()
	defer r.feeds.mu.Unlock()
	return r.feeds.read
}

// settled waits until so many records were read.
func (r *recorder) settled(n int) {
	r.Helper()
	wait.Until(r.T, "records are read", func() bool { return r.at() >= n })
}
