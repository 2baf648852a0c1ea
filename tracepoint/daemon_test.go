// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracepoint

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/ust/ring"
	"github.com/weir-io/weir/internal/ust/wire"
)

// double is a session daemon for tests: one program's two sockets.
type double struct {
	t               testing.TB
	command, notify *net.UnixConn
	tracer          *tracer
}

// newDouble starts a tracer that registers with a daemon of the test's.
func newDouble(t testing.TB) *double {
	t.Helper()
	// The name of a socket has to be short.
	dir, err := os.MkdirTemp("", "ust")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(dir, "s"), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	d := &double{t: t, tracer: startTracer([]daemon{{l.Addr().String(), filepath.Join(dir, "page"), false}})}
	for _, to := range []**net.UnixConn{&d.command, &d.notify} {
		conn, err := l.AcceptUnix()
		if err != nil {
			t.Fatal(err)
		}
		*to = conn
		b := make([]byte, wire.RegistrationLen)
		if _, err := io.ReadFull(conn, b); err != nil {
			t.Fatal(err)
		}
		r, err := wire.ParseRegistration(b)
		if err == nil {
			err = r.Check()
		}
		if err != nil || r.PID != uint32(os.Getpid()) {
			t.Fatalf("registration %+v, %v", r, err)
		}
	}
	return d
}

// close ends the daemon, and the tracer, which has to notice.
func (d *double) close() {
	d.command.Close()
	d.notify.Close()
	d.tracer.close()
}

// ask sends a command, with what follows it, and returns the answer.
func (d *double) ask(c wire.Command, more []byte, fds ...int) wire.Reply {
	d.t.Helper()
	if _, err := d.command.Write(append(c.Append(nil), more...)); err != nil {
		d.t.Fatal(err)
	}
	if len(fds) > 0 {
		if _, _, err := d.command.WriteMsgUnix([]byte{0}, unix.UnixRights(fds...), nil); err != nil {
			d.t.Fatal(err)
		}
	}
	b := make([]byte, wire.ReplyLen)
	if _, err := io.ReadFull(d.command, b); err != nil {
		d.t.Fatal(err)
	}
	r, err := wire.ParseReply(b)
	if err != nil {
		d.t.Fatal(err)
	}
	return r
}

// A daemon gets the answers that the protocol has, also to what makes no sense.
func TestAnswers(t *testing.T) {
	d := newDouble(t)
	defer d.close()
	New1(newProvider(d.tracer, "app"), "tick", Info, Int("n"))
	object, err := (&ring.Channel{Geometry: ring.Geometry{SubbufBytes: 4096, Subbufs: 2}, Streams: 1}).Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	body := func(n uint64) []byte { return (&wire.Channel{Len: n}).Append(nil) }
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	fd := int(null.Fd())
	session := d.ask(wire.Command{Op: wire.OpSession}, nil).Value
	channel := d.ask(wire.Command{Handle: session, Op: wire.OpChannel, Body: body(uint64(len(object)))}, object, fd).Value
	for _, c := range []struct {
		name string
		m    wire.Command
		more []byte
		fds  []int
		want wire.Code
	}{
		{"version", wire.Command{Op: wire.OpTracerVersion}, nil, nil, wire.OK},
		{"a handle of nothing", wire.Command{Handle: 77, Op: wire.OpEnable}, nil, nil, wire.CodeNoEntry},
		{"a command of no kind", wire.Command{Op: 0x77}, nil, nil, wire.CodeNoSys},
		{"the root's release", wire.Command{Op: wire.OpRelease}, nil, nil, wire.CodeNoAccess},
		{"a channel of garbage", wire.Command{Handle: session, Op: wire.OpChannel, Body: body(900)}, make([]byte, 900), []int{fd}, wire.CodeInvalid},
		{"a stream that is no memory", wire.Command{Handle: channel, Op: wire.OpStream, Body: (&wire.Stream{Len: 1 << 40}).Append(nil)}, nil, []int{fd, fd}, wire.CodeInvalid},
		{"a context of no kind", wire.Command{Handle: channel, Op: wire.OpContext, Body: (&wire.Context{Type: 99}).Append(nil)}, nil, nil, wire.CodeNoSys},
		{"a session without rings", wire.Command{Handle: session, Op: wire.OpEnable}, nil, nil, wire.OK},
		{"quiescence", wire.Command{Op: wire.OpWaitQuiescent}, nil, nil, wire.OK},
		{"release", wire.Command{Handle: session, Op: wire.OpRelease}, nil, nil, wire.OK},
	} {
		if r := d.ask(c.m, c.more, c.fds...); r.Code != c.want || r.Handle != c.m.Handle || r.Op != c.m.Op {
			t.Errorf("%s: %+v, want code %d", c.name, r, c.want)
		}
	}
}

// Whatever a daemon sends, the program goes on.
func FuzzDaemon(f *testing.F) {
	seed := func(all ...wire.Command) (b []byte) {
		for i := range all {
			b = all[i].Append(b)
		}
		return b
	}
	f.Add(seed(wire.Command{Op: wire.OpSession}, wire.Command{Handle: 1, Op: wire.OpEnable}), []byte{})
	f.Add(seed(wire.Command{Op: wire.OpFieldList}, wire.Command{Handle: 1, Op: wire.OpFieldGet}), []byte{1, 2, 3})
	f.Add(seed(wire.Command{Op: wire.OpExclusion, Body: []byte{255, 255, 255, 255}}), []byte{})
	f.Add(seed(wire.Command{Op: wire.OpFilter, Body: []byte{0, 0, 1}}), []byte{})
	f.Fuzz(func(t *testing.T, commands, answers []byte) {
		d := newDouble(t)
		defer d.close()
		e := New2(newProvider(d.tracer, "app"), "tick", Info, Int("n"), String("text"))
		late := time.Now().Add(time.Second)
		for _, c := range []*net.UnixConn{d.command, d.notify} {
			if err := c.SetDeadline(late); err != nil {
				t.Fatal(err)
			}
		}
		// What is refused is refused by the end of the connection.
		_, _ = d.notify.Write(answers)
		_, _ = d.command.Write(commands)
		_ = d.command.CloseWrite()
		_, _ = io.Copy(io.Discard, d.command)
		e.Write(1, "tock")
	})
}
