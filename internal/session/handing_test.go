// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/weir-io/weir/internal/handover"
	"github.com/weir-io/weir/internal/source"
)

// growing is a channel of a source, whose rings come once.
type growing struct {
	source.Channel

	fresh []source.Stream
}

func (g *growing) MoreStreams() ([]source.Stream, error) {
	fresh := g.fresh
	g.fresh = nil
	return fresh, nil
}

// picky is a consumer that answers as judge says, of streams by their processors; it gives
// no answer where that is not ok.
func picky(t *testing.T, judge func(cpu uint32) (text string, ok bool)) *process {
	t.Helper()
	mine, theirs, err := handover.Pair()
	if err != nil {
		t.Fatal(err)
	}
	conn, err := handover.New(theirs)
	if err != nil {
		t.Fatal(err)
	}
	p := &process{Caller: handover.NewCaller(mine, func(handover.Message) {})}
	ended := make(chan struct{})
	go func() { // ends with the connection
		defer close(ended)
		for {
			m, files, err := conn.Receive()
			if err != nil {
				return
			}
			handover.CloseAll(files)
			var o handover.Stream
			if err := json.Unmarshal(m.Body, &o); err != nil || len(files) != 1 {
				t.Errorf("order %s: %d files, %v", m.Op, len(files), err)
			}
			if text, ok := judge(o.CPU); ok {
				if err := conn.Answer(handover.Message{ID: m.ID, Error: text}); err != nil {
					t.Error(err)
				}
			}
		}
	}()
	t.Cleanup(func() {
		if err := p.Caller.Close(); err != nil {
			t.Error(err)
		}
		<-ended
		conn.Close()
	})
	return p
}

// streamsOf makes a stream for each processor.
func streamsOf(t *testing.T, cpus ...uint32) (all []source.Stream) {
	t.Helper()
	for _, cpu := range cpus {
		f, err := os.Open(os.DevNull)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, source.Stream{CPU: cpu, Files: []*os.File{f}})
	}
	return all
}

// orders are the processors whose streams were handed over.
type orders struct {
	mu   sync.Mutex
	cpus []uint32 // guarded by mu
}

func (o *orders) add(cpu uint32) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.cpus = append(o.cpus, cpu)
}

func (o *orders) all() []uint32 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.cpus)
}

// closed reports whether all files of streams are.
func closed(all []source.Stream) bool {
	return !slices.ContainsFunc(all, func(s source.Stream) bool {
		_, err := s.Files[0].Stat()
		return !errors.Is(err, os.ErrClosed)
	})
}

// A stream that the consumer refuses is handed over again, and others do not wait for it.
func TestRefusedStreamAgain(t *testing.T) {
	var got orders
	refuse := true
	p := picky(t, func(cpu uint32) (string, bool) {
		got.add(cpu)
		if cpu == 1 && refuse {
			refuse = false
			return "no room", true
		}
		return "", true
	})
	streams := streamsOf(t, 0, 1, 2)
	c := &channel{Channel: &growing{fresh: streams}}
	var refused *handover.OrderError
	if err := c.grow(t.Context(), p); !errors.As(err, &refused) {
		t.Errorf("the first time: %v, want a refusal", err)
	}
	for range 2 {
		if err := c.grow(t.Context(), p); err != nil {
			t.Error(err)
		}
	}
	if want := []uint32{0, 1, 2, 1}; !slices.Equal(got.all(), want) {
		t.Errorf("streams handed over: %d, want %d", got.all(), want)
	}
	if !closed(streams) {
		t.Error("files stay open")
	}
}

// Of a consumer that gives no answer nobody knows what it has: it gets all again, a new
// one nothing that was left.
func TestUnansweredStreamsAgain(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var got orders
	var silent atomic.Bool
	silent.Store(true)
	p := picky(t, func(cpu uint32) (string, bool) {
		got.add(cpu)
		if silent.Load() && cpu == 1 {
			cancel()
			return "", false
		}
		return "", true
	})
	streams := streamsOf(t, 0, 1, 2)
	c := &channel{Channel: &growing{fresh: streams}}
	if err := c.grow(ctx, p); !errors.Is(err, context.Canceled) {
		t.Errorf("without an answer: %v, want %v", err, context.Canceled)
	}
	silent.Store(false)
	if err := c.grow(t.Context(), p); err != nil {
		t.Error(err)
	}
	if want := []uint32{0, 1, 1, 2}; !slices.Equal(got.all(), want) {
		t.Errorf("streams handed over: %d, want %d", got.all(), want)
	}
	left := streamsOf(t, 3)
	c.handing.left = left
	c.handing.drop()
	if !closed(left) || len(c.handing.left) > 0 {
		t.Error("what was left for a consumer that is gone is kept")
	}
}
