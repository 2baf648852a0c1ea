// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"bufio"
	"errors"
	"net"
	"path/filepath"
	"sync"
	"testing"
)

// TestFarewell has a consumer that was disconnected between two requests told why, rather
// than that the agent is gone.
func TestFarewell(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "feed.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	var served sync.WaitGroup
	t.Cleanup(func() {
		l.Close()
		served.Wait()
	})
	closed := make(chan struct{})
	served.Go(func() {
		for {
			n, err := l.Accept()
			if err != nil {
				return
			}
			served.Go(func() { disconnect(n, closed) })
		}
	})
	c, err := Dial(t.Context(), socket)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	n, err := c.Open(t.Context(), "cl1", OpenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	<-closed
	if _, err := n.Read(t.Context(), ReadOptions{}); !errors.Is(err, &Error{Code: CodeAborted}) || errors.Is(err, ErrGone) {
		t.Errorf("got %v, want %s", err, CodeAborted)
	}
}

// disconnect lets a client open a feed, and says farewell.
func disconnect(n net.Conn, closed chan<- struct{}) {
	defer n.Close()
	r := bufio.NewReader(n)
	var buf []byte
	for {
		f, err := ReadFrame(r, &buf, MaxRequest)
		if err != nil {
			return
		}
		answer := Frame{Op: f.Op | OpAnswer, Tag: f.Tag, Payload: append([]byte{1, 0}, "{}"...)}
		if f.Op == OpOpen {
			answer.Payload = []byte(`{"id":"cl1"}`)
		}
		if _, err := n.Write(answer.Append(nil)); err != nil {
			return
		}
		if f.Op == OpOpen {
			farewell := Frame{Op: OpError, Payload: []byte(`{"code":"feed_aborted","message":"reset"}`)}
			_, _ = n.Write(farewell.Append(nil))
			n.Close()
			close(closed)
			return
		}
	}
}
