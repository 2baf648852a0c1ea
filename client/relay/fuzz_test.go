// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"context"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/weir-io/weir/lttng"
)

// goodReplies are the answers to a whole recording.
func goodReplies(f *testing.F, minor uint32) []byte {
	p := newPeer()
	p.version.Minor, p.keep = minor, new([]byte)
	if err := record(f.Context(), p.open(f, nil)); err != nil {
		f.Fatal(err)
	}
	return *p.keep
}

// FuzzReplies lets a relay answer anything: the session ends with an error, or
// well, and never hangs.
func FuzzReplies(f *testing.F) {
	for _, minor := range []uint32{15, 10, 3} {
		b := goodReplies(f, minor)
		f.Add(b)
		f.Add(b[:len(b)/2])
	}
	f.Add(lttng.Version{Major: 2, Minor: 15}.Append(nil))
	f.Add([]byte("SSH-2.0-OpenSSH_9.2\r\n"))
	f.Fuzz(func(t *testing.T, replies []byte) {
		p := newPeer()
		s, err := p.try(t, func(o *Options) {
			o.Dial = func(_ context.Context, _, address string) (net.Conn, error) {
				client, server := net.Pipe()
				if strings.HasSuffix(address, ":5343") {
					go p.takeData(server) // ends with the client's end
					return client, nil
				}
				go func() { _, _ = io.Copy(io.Discard, server) }() // as the other one
				go feed(server, replies)
				return client, nil
			}
		})
		if err != nil {
			return
		}
		defer s.Abort()
		if err := record(t.Context(), s); err == nil && s.Err() == nil {
			t.Error("session goes on after its end")
		}
	})
}

// feed writes the answers, a few bytes at a time, and hangs up.
func feed(c net.Conn, replies []byte) {
	defer c.Close()
	for len(replies) > 0 {
		n := min(7, len(replies))
		if _, err := c.Write(replies[:n]); err != nil {
			return
		}
		replies = replies[n:]
	}
}
