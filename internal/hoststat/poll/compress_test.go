// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package poll_test

import (
	"bytes"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/weir-io/weir/internal/hoststat/poll"
	"github.com/weir-io/weir/internal/hoststat/polltest"
	"github.com/weir-io/weir/internal/wait"
)

// packedFrame compresses a body as a session has asked for, if it has.
func packedFrame(t *testing.T, lines string, body []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	name := ""
	switch {
	case strings.Contains(lines, "\ncompress gzip\n"):
		name = "gzip"
		w := gzip.NewWriter(&out)
		if _, err := w.Write(body); err != nil || w.Close() != nil {
			t.Error(err)
		}
	case strings.Contains(lines, "\ncompress zstd\n"):
		name = "zstd"
		w, err := zstd.NewWriter(nil)
		if err != nil {
			t.Error(err)
		}
		out.Write(w.EncodeAll(body, nil))
	default:
		return polltest.Frame(body)
	}
	header := "Content-Length: " + strconv.Itoa(out.Len()) + "\nContent-Encoding: " + name + "\n\n"
	return append([]byte(header), out.Bytes()...)
}

// Messages come compressed where that is wanted, or by itself from far away.
func TestCompression(t *testing.T) {
	for _, tt := range []struct {
		how  poll.Compression
		rtt  time.Duration
		want string // in what the session has asked with
	}{
		{poll.CompressNone, time.Second, ""},
		{poll.CompressGzip, 0, "compress gzip"},
		{poll.CompressZstd, 0, "compress zstd"},
		{poll.CompressAuto, 20 * time.Millisecond, ""},
		{poll.CompressAuto, 21 * time.Millisecond, "compress zstd"},
		{"", 21 * time.Millisecond, "compress zstd"},
	} {
		m := polltest.Default("n1")
		d := new(polltest.Daemon)
		d.Answer = func(session, _ int) []byte { return packedFrame(t, d.Lines(session), m.Message(time.Now())) }
		c := watch(t, poll.Config{Delay: fast, Compress: tt.how, RTT: func(int) time.Duration { return tt.rtt }}, poll.Target{Name: "n1", Address: d.Start(t)})
		wait.Until(t, "messages come", func() bool { s := look(c, "n1"); return s.messages > 3 && s.state == poll.OK })
		lines := d.Lines(0)
		if got := strings.Contains(lines, "\ncompress "); got != (tt.want != "") || !strings.Contains(lines, tt.want) {
			t.Errorf("%s at %v: asked with\n%s", tt.how, tt.rtt, lines)
		}
		if n := strings.Count(lines, "init\n"); n > 2 || d.Sessions() != 1 {
			t.Errorf("%s: the selection was sent %d times in %d sessions", tt.how, n, d.Sessions())
		}
	}
}

// The kernel's own measure is that of loopback: nothing is compressed.
func TestLoopbackIsNear(t *testing.T) {
	d := &polltest.Daemon{Answer: polltest.Steady(polltest.Default("n1"))}
	c := watch(t, poll.Config{Delay: fast}, poll.Target{Name: "n1", Address: d.Start(t)})
	wait.Until(t, "messages come", func() bool { return look(c, "n1").messages > 2 })
	if strings.Contains(d.Lines(0), "\ncompress ") {
		t.Errorf("asked with\n%s", d.Lines(0))
	}
}

// Data that are none of the encoding, or too much of it, end the session.
func TestBadCompression(t *testing.T) {
	bomb, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	huge := bomb.EncodeAll(make([]byte, 1<<20), nil)
	for want, answer := range map[string][]byte{
		"not well formed": []byte("Content-Length: 4\nContent-Encoding: zstd\n\nnone"),
		"above the limit": append([]byte("Content-Length: "+strconv.Itoa(len(huge))+"\nContent-Encoding: zstd\n\n"), huge...),
	} {
		d := &polltest.Daemon{Answer: func(int, int) []byte { return answer }}
		c := watch(t, poll.Config{Delay: fast, Limit: 1 << 16, Compress: poll.CompressZstd}, poll.Target{Name: "n1", Address: d.Start(t)})
		wait.Until(t, "it is told", func() bool {
			s := look(c, "n1")
			if s.state == poll.BadProto && !strings.Contains(s.reason, want) {
				t.Fatal(s.reason)
			}
			return s.state == poll.BadProto
		})
	}
}
