// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package live

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/weir-io/weir/lttng"
)

// maxFuzzReplies bounds what one conversation can be told: the largest reply
// to the shortest request, as many as fit.
const maxFuzzReplies = 64 << 20

// FuzzConnection sends any bytes, in pieces, and then the end. The server must
// end the connection too, and have nothing of it left.
func FuzzConnection(f *testing.F) {
	captures, err := filepath.Glob("testdata/captures/*.c2s.bin")
	if err != nil || len(captures) == 0 {
		f.Fatalf("no captures: %v", err)
	}
	for _, name := range captures {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, uint16(len(b)))
		f.Add(b[:len(b)/2+3], uint16(16))
	}
	f.Add(connectBytes(lttng.ViewerConnectMsg{Major: 2, Minor: 15, Type: 1}), uint16(1))
	b := newBench(f, func(o *Options) { o.InactivePace = 1 })
	for _, name := range []string{"one", "two"} {
		p := newProducer(f, b.store, name)
		_, data := p.trace(tracePath, traceTSD, "ch_0", "ch_1")
		p.packet(data[0], 1, 2, 4096)
		p.packet(data[0], 3, 4, 100_000)
		p.beacon(data[1], 10)
		p.add("ust/pid/b-2", "ch_0")
		p.ss.Publish()
	}
	f.Fuzz(func(t *testing.T, sent []byte, step uint16) {
		conn, err := net.Dial("tcp", b.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
			t.Fatal(err)
		}
		written := make(chan struct{})
		go func() { // ends with the connection, received below
			defer close(written)
			for n := max(int(step), 1); len(sent) > 0; sent = sent[min(n, len(sent)):] {
				if _, err := conn.Write(sent[:min(n, len(sent))]); err != nil {
					return // the server has had enough
				}
			}
			_ = conn.(*net.TCPConn).CloseWrite() // fails when the server was faster
		}()
		n, err := io.Copy(io.Discard, conn)
		if nerr, ok := err.(net.Error); ok && nerr.Timeout() || n > maxFuzzReplies {
			t.Errorf("connection goes on after %d bytes of replies, error %v", n, err)
		}
		conn.Close()
		<-written
		until(t, "nothing is left", func() bool { s := b.srv.Stats(); return s.Connected == 0 && s.Attached == 0 })
	})
}
