// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/weir-io/weir/internal/wait"
)

// connected returns the ends of a connection of a network.
func connected(t *testing.T, network, address string) (near, far net.Conn) {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	far, err = net.Dial(network, l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { far.Close() })
	if near, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { near.Close() })
	for _, c := range []net.Conn{near, far} {
		if err := c.SetDeadline(time.Now().Add(wait.Patience)); err != nil {
			t.Fatal(err)
		}
	}
	return near, far
}

// pairs are connections of each kind that a session can have.
func pairs(t *testing.T) map[string][2]net.Conn {
	t.Helper()
	all := make(map[string][2]net.Conn)
	near, far := connected(t, "tcp", "127.0.0.1:0")
	all["tcp"] = [2]net.Conn{near, far}
	near, far = connected(t, "unix", filepath.Join(t.TempDir(), "s"))
	all["unix"] = [2]net.Conn{near, far}
	near, far = net.Pipe()
	t.Cleanup(func() { near.Close(); far.Close() })
	all["pipe"] = [2]net.Conn{near, far}
	return all
}

// send writes all of b, which needs more than one call when nobody reads fast.
func send(s *stream, b []byte) error {
	for len(b) > 0 {
		n, err := s.writeSome(b, wait.Patience)
		if err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

func TestStream(t *testing.T) {
	for name, ends := range pairs(t) {
		t.Run(name, func(t *testing.T) {
			near, far := newStream(ends[0]), ends[1]
			large := bytes.Repeat([]byte("0123456789abcdef"), 1<<18) // more than any socket holds
			sent := make(chan error, 1)
			go func() { // received below
				err := send(near, large)
				if err == nil {
					err = ends[0].Close()
				}
				sent <- err
			}()
			got, err := io.ReadAll(far)
			if err != nil || !bytes.Equal(got, large) {
				t.Errorf("%d bytes arrive of %d, %v", len(got), len(large), err)
			}
			if err := <-sent; err != nil {
				t.Error(err)
			}
		})
	}
}

func TestStreamReads(t *testing.T) {
	for name, ends := range pairs(t) {
		t.Run(name, func(t *testing.T) {
			near, far := newStream(ends[0]), ends[1]
			b := make([]byte, 16)
			if err := ends[0].SetReadDeadline(time.Now().Add(time.Millisecond)); err != nil {
				t.Fatal(err)
			}
			if n, err := near.Read(b); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("%d, %v, want the deadline", n, err)
			}
			if err := ends[0].SetReadDeadline(time.Now().Add(wait.Patience)); err != nil {
				t.Fatal(err)
			}
			wrote := make(chan error, 1)
			go func() { // received below
				_, err := far.Write([]byte("send\n"))
				wrote <- errors.Join(err, far.Close())
			}()
			if n, err := near.Read(b); err != nil || string(b[:n]) != "send\n" {
				t.Errorf("%q, %v", b[:n], err)
			}
			if n, err := near.Read(b); err != io.EOF {
				t.Errorf("%d, %v, want the end", n, err)
			}
			if err := <-wrote; err != nil {
				t.Error(err)
			}
			if err := ends[0].Close(); err != nil {
				t.Fatal(err)
			}
			if n, err := near.Read(b); err == nil {
				t.Errorf("%d bytes of a closed connection", n)
			}
			if n, err := near.writeSome(b, wait.Patience); err == nil {
				t.Errorf("%d bytes to a closed connection", n)
			}
		})
	}
}

// Who takes nothing is waited for as long as is said.
func TestStreamPatience(t *testing.T) {
	for name, ends := range pairs(t) {
		t.Run(name, func(t *testing.T) {
			s := newStream(ends[0])
			b := make([]byte, 64<<10)
			for range 10_000 {
				if _, err := s.writeSome(b, time.Millisecond); err != nil {
					if !errors.Is(err, os.ErrDeadlineExceeded) {
						t.Errorf("%v, want the deadline", err)
					}
					return
				}
			}
			t.Error("nobody reads, and all is written")
		})
	}
}

// A client that has gone is an error, and no signal that ends the program.
func TestStreamPeerGone(t *testing.T) {
	near, far := connected(t, "tcp", "127.0.0.1:0")
	if err := far.(*net.TCPConn).SetLinger(0); err != nil {
		t.Fatal(err)
	}
	if err := far.Close(); err != nil {
		t.Fatal(err)
	}
	s := newStream(near)
	if _, err := s.Read(make([]byte, 1)); err == nil || err == io.EOF {
		t.Errorf("reading gives %v, want a reset", err)
	}
	if _, err := s.writeSome(make([]byte, 1), wait.Patience); err == nil {
		t.Error("written to a connection that was reset")
	}
}
