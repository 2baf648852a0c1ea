// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weir-io/weir/lttng"
)

// A relay that says nothing is lost after the time for a reply, also when
// others were answered long before.
func TestNoReply(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPeer()
		s := p.open(t, nil)
		data, _ := streams(t, s)
		<-time.After(time.Hour) // nothing outstanding: no deadline
		if err := s.Err(); err != nil {
			t.Fatalf("idle session ended: %v", err)
		}
		p.raw[lttng.CmdSendIndex] = []byte{}
		begin := time.Now()
		if err := data[0].SendPacket(t.Context(), make([]byte, 8), info(0)); err != nil {
			t.Fatal(err)
		}
		<-s.Dead()
		if took := time.Since(begin); took != defaultReplyTimeout {
			t.Errorf("relay given up after %v, want %v", took, defaultReplyTimeout)
		}
		if err := data[1].SendPacket(t.Context(), make([]byte, 8), info(0)); !errors.Is(err, ErrNoReply) || !errors.Is(err, s.Err()) {
			t.Errorf("got %v, want %v", err, ErrNoReply)
		}
		want := "relay: control relay:5342: SEND_INDEX reply of stream ch_0: no reply within 15s"
		if err := s.Err(); err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
		s.Abort()
		synctest.Wait()
	})
}

// A relay that takes no packets is lost after a while.
func TestStalled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPeer()
		p.deaf = true
		s := p.open(t, nil)
		data, _ := streams(t, s)
		begin := time.Now()
		err := data[0].WritePacket(make([]byte, 8), info(0))
		if took := time.Since(begin); took != defaultStallTimeout || !errors.Is(err, ErrStalled) || !errors.Is(err, s.Err()) {
			t.Errorf("got %v after %v, want %v after %v", err, took, ErrStalled, defaultStallTimeout)
		}
		close(p.forget)
		s.Abort()
		synctest.Wait()
	})
}

// The context ends a packet that waits: for nothing, if no byte was sent yet.
func TestSendPacketContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPeer()
		p.deaf = true
		s := p.open(t, nil)
		data, _ := streams(t, s)
		first, cancelFirst := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- data[0].SendPacket(first, make([]byte, 8), info(0)) }()
		synctest.Wait() // it has the data connection and is not served
		second, cancelSecond := context.WithTimeout(t.Context(), time.Second)
		defer cancelSecond()
		if err := data[1].SendPacket(second, make([]byte, 8), info(0)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v of a packet behind another, want %v", err, context.DeadlineExceeded)
		}
		cancelFirst()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want %v", err, context.Canceled)
		}
		if s.Err() != nil || s.Unanswered() != 0 || data[0].Sent() != 0 {
			t.Errorf("session ended with %v, %d unanswered, %d sent; want none of that", s.Err(), s.Unanswered(), data[0].Sent())
		}
		close(p.forget)
		s.Abort()
		synctest.Wait()
	})
}

// In the middle of a packet a context ends the session.
func TestSendPacketContextInPacket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPeer()
		p.deaf, p.started = true, make(chan struct{})
		s := p.open(t, nil)
		data, _ := streams(t, s)
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			<-p.started
			cancel()
		}()
		err := data[0].SendPacket(ctx, make([]byte, 8), info(0))
		if !errors.Is(err, context.Canceled) || s.Err() == nil {
			t.Errorf("got %v and session %v, want %v in both", err, s.Err(), context.Canceled)
		}
		close(p.forget)
		s.Abort()
		synctest.Wait()
	})
}

// At most so many indexes are unanswered.
func TestWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPeer()
		p.raw[lttng.CmdSendIndex] = []byte{}
		s := p.open(t, func(o *Options) { o.Window = 5 })
		data, _ := streams(t, s)
		for n := range uint64(5) {
			if err := data[0].SendPacket(t.Context(), make([]byte, 8), info(n)); err != nil {
				t.Fatal(err)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := data[0].SendPacket(ctx, make([]byte, 8), info(5)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("sixth packet: %v, want %v", err, context.DeadlineExceeded)
		}
		if err := data[0].Beacon(ctx, 1); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("beacon: %v, want %v", err, context.DeadlineExceeded)
		}
		if got := data[0].Sent(); got != 5 || s.Err() != nil {
			t.Errorf("%d packets sent, session %v; want 5 and nil", got, s.Err())
		}
		s.Abort()
		synctest.Wait()
	})
}

// A question that nobody waits for any more leaves the session good.
func TestQuestionContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPeer()
		s := p.open(t, nil)
		data, _ := streams(t, s)
		p.pending = 1000
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if err := s.Drain(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Drain: %v, want %v", err, context.DeadlineExceeded)
		}
		p.mu.Lock()
		p.pending = 0
		p.mu.Unlock()
		if err := data[0].SendPacket(t.Context(), make([]byte, 8), info(0)); err != nil {
			t.Error(err)
		}
		if err := s.Drain(t.Context()); err != nil {
			t.Error(err)
		}
		if got := []uint64{data[0].Confirmed(), data[0].Stored(), data[1].Stored()}; !slices.Equal(got, []uint64{1, 1, 0}) {
			t.Errorf("confirmed and stored %v, want [1 1 0]", got)
		}
		// A change is another matter.
		p.raw[lttng.CmdCloseStream] = []byte{}
		ctx, cancel = context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := data[0].Close(ctx); !errors.Is(err, context.DeadlineExceeded) || s.Err() == nil {
			t.Errorf("Close of a stream: %v, session %v; want %v in both", err, s.Err(), context.DeadlineExceeded)
		}
		s.Abort()
		synctest.Wait()
	})
}
