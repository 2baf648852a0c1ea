// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relaybench

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/weir-io/weir/lttng"
)

// serve accepts one connection, lets peer talk to it and returns a control
// connection to it. The peer has ended when the test has.
func serve(t *testing.T, ctx context.Context, peer func(net.Conn)) *control {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		peer(c)
	}()
	sock, err := dial(ctx, l.Addr().(*net.TCPAddr).AddrPort())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		sock.close()
		l.Close()
		<-done
	})
	return &control{sock: sock, minor: lttng.MinorVersion}
}

// readIndexes reads n SEND_INDEX requests.
func readIndexes(c net.Conn, n int) error {
	_, err := io.CopyN(io.Discard, c, int64(n*indexBytes))
	return err
}

func addIndexes(i indexer, n int) error {
	for seq := range n {
		if err := i.add(lttng.Index{Stream: 1, NetSeqNum: uint64(seq), PacketSize: 8}); err != nil {
			return err
		}
	}
	return nil
}

// The peer answers nothing until a whole window has come, then byte by byte.
func TestPipelineKeepsAWindowUnanswered(t *testing.T) {
	const rounds = 3
	c := serve(t, t.Context(), func(c net.Conn) {
		for range rounds {
			if readIndexes(c, window) != nil {
				return
			}
			for range window {
				for _, b := range lttng.AppendCode(nil, lttng.ReplyOK) {
					if _, err := c.Write([]byte{b}); err != nil {
						return
					}
				}
			}
		}
	})
	p := newPipeline(c, 4096)
	for seq := range rounds * window {
		if err := p.add(lttng.Index{NetSeqNum: uint64(seq), PacketSize: 8}); err != nil {
			t.Fatal(err)
		}
		if p.unanswered > window {
			t.Fatalf("%d indexes are unanswered, want at most %d", p.unanswered, window)
		}
	}
	if err := p.finish(); err != nil {
		t.Error(err)
	}
	if p.unanswered != 0 {
		t.Errorf("%d indexes are unanswered at the end", p.unanswered)
	}
}

// An index waits for others only as long as few bytes are ahead of it.
func TestPipelineSendsBatches(t *testing.T) {
	for _, tt := range []struct{ packetBytes, batch int }{{256, window}, {4 << 10, 32}, {64 << 10, 2}, {1 << 20, 1}} {
		c := serve(t, t.Context(), func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })
		p := newPipeline(c, tt.packetBytes)
		for n, want := range []int{tt.batch - 1, 0} {
			add := []int{tt.batch - 1, 1}[n]
			if err := addIndexes(p, add); err != nil {
				t.Fatal(err)
			}
			if got := len(p.queued) / indexBytes; got != want {
				t.Errorf("packets of %d bytes: %d indexes wait after %d more, want %d", tt.packetBytes, got, add, want)
			}
		}
	}
}

func TestIndexersReportRefusals(t *testing.T) {
	for _, mode := range []IndexMode{Pipelined, Sync} {
		c := serve(t, t.Context(), func(c net.Conn) {
			reply := lttng.AppendCode(nil, lttng.ReplyOK)
			reply = lttng.AppendCode(reply, lttng.ReplyUnknown)
			for i := range 2 {
				if readIndexes(c, 1) != nil {
					return
				}
				if _, err := c.Write(reply[i*4:][:4]); err != nil {
					return
				}
			}
		})
		i := newIndexer(mode, c, 4096)
		err := addIndexes(i, 2)
		if finishErr := i.finish(); err == nil {
			err = finishErr
		}
		if err == nil || !strings.Contains(err.Error(), "SEND_INDEX") || !strings.Contains(err.Error(), "UNKNOWN") {
			t.Errorf("%s: got %v, want the refusal", mode, err)
		}
	}
}

func TestIndexersReportALostPeer(t *testing.T) {
	for _, mode := range []IndexMode{Pipelined, Sync} {
		c := serve(t, t.Context(), func(c net.Conn) { _ = readIndexes(c, 1) })
		i := newIndexer(mode, c, 4096)
		err := addIndexes(i, 10*window)
		c.sock.shutdown()
		if finishErr := i.finish(); err == nil {
			err = finishErr
		}
		if err == nil {
			t.Errorf("%s: no error when the peer is gone", mode)
		}
	}
}

// A peer that says nothing is left when the context ends, with its cause.
func TestContextEndsABlockedCall(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	c := serve(t, ctx, func(c net.Conn) {
		if readIndexes(c, 1) == nil {
			cancel(errors.New("enough"))
			_, _ = io.Copy(io.Discard, c)
		}
	})
	i := newIndexer(Sync, c, 4096)
	if err := addIndexes(i, 1); err == nil || !strings.Contains(err.Error(), "enough") {
		t.Errorf("got %v, want the cause", err)
	}
}

func TestDialRefused(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().(*net.TCPAddr).AddrPort()
	l.Close()
	if _, err := dial(t.Context(), address); err == nil || !strings.Contains(err.Error(), address.String()) {
		t.Errorf("got %v, want an error that names %s", err, address)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := dial(ctx, address); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}
