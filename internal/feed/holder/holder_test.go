// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package holder

import (
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// serve runs a holder until it ends, and returns its socket and a channel that is
// closed then.
func serve(t *testing.T, o Options) (socket string, ended <-chan struct{}) {
	t.Helper()
	socket = filepath.Join(t.TempDir(), "holder.sock")
	l, err := net.ListenUnix("unixpacket", &net.UnixAddr{Name: socket, Net: "unixpacket"})
	if err != nil {
		t.Fatal(err)
	}
	o.Check = 10 * time.Millisecond
	o.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := New(o).Run(l); err != nil {
			t.Errorf("Run: %v", err)
		}
	}()
	t.Cleanup(func() { <-done })
	return socket, done
}

func dial(t *testing.T, socket string) *Client {
	t.Helper()
	c, err := Dial(socket)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestHeldOutlivesTheAgent(t *testing.T) {
	socket, ended := serve(t, Options{})
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	first := dial(t, socket)
	if err := first.Hold("a", w); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	first.Close()

	second := dial(t, socket)
	files, err := second.Take("a")
	if err != nil || len(files) != 1 {
		t.Fatalf("Take: got %d files, error %v, want 1", len(files), err)
	}
	if _, err := files[0].WriteString("still here"); err != nil {
		t.Fatal(err)
	}
	files[0].Close()
	if err := second.Drop("a"); err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(r); err != nil || string(b) != "still here" {
		t.Errorf("read: got %q, %v, want what was written through the descriptor", b, err)
	}
	second.Close()
	<-ended // nothing is held any more
}

func TestUnknownKeyIsNothing(t *testing.T) {
	socket, ended := serve(t, Options{})
	c := dial(t, socket)
	if files, err := c.Take("none"); err != nil || files != nil {
		t.Errorf("Take: got %v, %v, want nothing", files, err)
	}
	c.Close()
	<-ended
}

func TestBadOrderIsRefused(t *testing.T) {
	socket, ended := serve(t, Options{})
	c := dial(t, socket)
	if _, err := c.call("steal", "a"); err == nil || !strings.Contains(err.Error(), "steal") {
		t.Errorf("unknown order: got %v, want an error that names it", err)
	}
	if err := c.Hold("", os.Stdin); err == nil {
		t.Error("empty key: got no error")
	}
	c.Close()
	<-ended
}

func TestPatienceEnds(t *testing.T) {
	socket, ended := serve(t, Options{Patience: time.Millisecond})
	c := dial(t, socket)
	if err := c.Hold("a", os.Stdin); err != nil {
		t.Fatal(err)
	}
	c.Close()
	<-ended
	if _, err := Dial(socket); err == nil {
		t.Error("Dial: got no error from a holder that has ended")
	}
}
