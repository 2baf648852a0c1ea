// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ustsource

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/client/agent"
	"github.com/weir-io/weir/internal/source"
	"github.com/weir-io/weir/internal/ust/ring"
	"github.com/weir-io/weir/internal/ust/wire"
)

// serve makes a source that listens, until the test ends.
func serve(t *testing.T) *Source {
	t.Helper()
	return serveWith(t, nil)
}

// serveWith makes one that is changed before it serves.
func serveWith(t *testing.T, change func(*Source)) *Source {
	t.Helper()
	s := New(Options{Log: slog.New(slog.NewTextHandler(t.Output(), nil)), Dir: t.TempDir()})
	if s.Check(false) == nil {
		t.Fatal("the domain can be used before anybody listens")
	}
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	if err := s.Check(false); err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(s)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var ended sync.WaitGroup
	ended.Go(func() {
		if err := s.Serve(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { cancel(); ended.Wait() })
	return s
}

// fake is a program that speaks the protocol.
type fake struct {
	t               *testing.T
	command, notify *net.UnixConn

	handle    uint32
	commands  []wire.Command
	object    []byte // of the last channel
	streams   int
	endless   bool                  // has lists without an end
	declare   bool                  // an event when its session is enabled
	refuses   wire.Code             // to tell counters; 0: it does
	refused   int32                 // code of the answer to its channel
	contexts  []wire.Field          // of its channel
	fields    []wire.Field          // of its event; nil: two
	eventCode int32                 // of the answer to that
	codes     map[wire.Op]wire.Code // with which it answers some commands once
	abi       uint32                // that it speaks
	id        uint32                // that it got
	done      chan error

	registered chan struct{} // closed when it need not wait any more
}

func dial(t *testing.T, s *Source) *net.UnixConn {
	t.Helper()
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: filepath.Join(s.opts.Dir, socketName), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// registration is what this process would say.
func registration(kind uint32) wire.Registration {
	r := wire.NewRegistration(kind)
	r.PID, r.PPID, r.UID, r.GID, r.Name = uint32(os.Getpid()), uint32(os.Getppid()), uint32(os.Getuid()), uint32(os.Getgid()), "fake"
	return r
}

// join registers a program, and has it answer.
func join(t *testing.T, s *Source, change func(*fake)) *fake {
	t.Helper()
	f := &fake{t: t, command: dial(t, s), notify: dial(t, s), done: make(chan error, 1), registered: make(chan struct{}), abi: wire.OldestABI}
	if change != nil {
		change(f)
	}
	for kind, conn := range []*net.UnixConn{f.command, f.notify} {
		r := registration(uint32(kind))
		r.Major = f.abi
		if _, err := conn.Write(r.Append(nil)); err != nil {
			t.Fatal(err)
		}
	}
	go func() { f.done <- f.serve() }() // ends with the connection
	return f
}

// serve answers commands until the daemon goes.
func (f *fake) serve() error {
	b := make([]byte, wire.CommandLen)
	for {
		if _, err := io.ReadFull(f.command, b); err != nil {
			return err
		}
		c, err := wire.ParseCommand(b)
		if err != nil {
			return err
		}
		c.Body = append([]byte(nil), c.Body...)
		f.commands = append(f.commands, c)
		r := wire.Reply{Handle: c.Handle, Op: c.Op}
		if err := f.obey(c, &r); err != nil {
			return err
		}
		if code, ok := f.codes[c.Op]; ok {
			r.Code = code
			delete(f.codes, c.Op)
		}
		if _, err := f.command.Write(r.Append(nil)); err != nil {
			return err
		}
		if c.Op == wire.OpRegisterDone {
			close(f.registered)
		}
	}
}

// obey takes what follows a command, and does it.
func (f *fake) obey(c wire.Command, r *wire.Reply) error {
	switch c.Op {
	case wire.OpTracerVersion:
		r.Body = wire.Version{Major: 2, Minor: f.abi + 4, Patch: 5}.Append(nil) // 2.13 is of ABI 9
	case wire.OpSession, wire.OpEvent:
		f.handle++
		r.Value = f.handle
	case wire.OpChannel:
		f.handle++
		r.Value = f.handle
		ch, err := wire.ParseChannel(c.Body)
		if err != nil {
			return err
		}
		f.object = make([]byte, ch.Len)
		if _, err := io.ReadFull(f.command, f.object); err != nil {
			return err
		}
		return f.files(1)
	case wire.OpStream:
		f.streams++
		return f.files(2)
	case wire.OpContext:
		if _, _, _, err := wire.ParsePerfContext(c.Body); err == nil {
			r.Code = f.refuses
		}
	case wire.OpFilter:
		x, err := wire.ParseFilter(c.Body)
		if err != nil {
			return err
		}
		_, err = io.ReadFull(f.command, make([]byte, x.Len))
		return err
	case wire.OpExclusion:
		x, err := wire.ParseExclusion(c.Body)
		if err != nil {
			return err
		}
		_, err = io.ReadFull(f.command, make([]byte, x.Count*wire.NameLen))
		return err
	case wire.OpTracepointList:
		f.handle++
		r.Value, f.streams = f.handle, 0
	case wire.OpTracepointGet:
		if f.streams++; f.streams > 2 && !f.endless {
			r.Code = wire.CodeNoEntry
			return nil
		}
		r.Body = (&wire.Tracepoint{Name: []string{"app:a", "app:b"}[f.streams%2], Level: 4}).Append(nil)
	case wire.OpEnable:
		if c.Handle == 1 && f.declare { // the session
			return f.tell()
		}
	}
	return nil
}

// files takes descriptors.
func (f *fake) files(n int) error {
	oob := make([]byte, 128)
	_, got, _, _, err := f.command.ReadMsgUnix(make([]byte, 1), oob)
	if err != nil {
		return err
	}
	all, err := unix.ParseSocketControlMessage(oob[:got])
	if err != nil || len(all) != 1 {
		return errors.Join(errors.New("no descriptors"), err)
	}
	fds, err := unix.ParseUnixRights(&all[0])
	if err != nil || len(fds) != n {
		return errors.Join(errors.New("other descriptors"), err)
	}
	for _, fd := range fds {
		unix.Close(fd)
	}
	return nil
}

// tell declares the channel and an event, while a command waits for its answer.
func (f *fake) tell() error {
	c := wire.ChannelNotice{Session: 1, Channel: 2, FieldsLen: uint32(len(f.contexts)) * wire.FieldLen}
	if _, err := f.notify.Write(wire.AppendFields(c.Append(nil), f.contexts)); err != nil {
		return err
	}
	b := make([]byte, wire.ChannelAnswerLen)
	if _, err := io.ReadFull(f.notify, b); err != nil {
		return err
	}
	if a, err := wire.ParseChannelAnswer(b); err != nil || a.Code != 0 {
		f.refused = a.Code
		return err
	}
	fields := f.fields
	if fields == nil {
		fields = []wire.Field{{Name: "n", Kind: wire.Integer, Bits: 32, Base: 10, Align: 8}, {Name: "text", Kind: wire.String}}
	}
	e := wire.EventNotice{Session: 1, Channel: 2, Name: "app:tick", Level: 6, FieldsLen: uint32(len(fields)) * wire.FieldLen}
	if _, err := f.notify.Write(wire.AppendFields(e.Append(nil), fields)); err != nil {
		return err
	}
	b = b[:wire.EventAnswerLen]
	if _, err := io.ReadFull(f.notify, b); err != nil {
		return err
	}
	a, err := wire.ParseEventAnswer(b)
	f.id, f.eventCode = a.ID, a.Code
	return err
}

// A program that comes before the start gets its session, channel, streams and rule in
// order, and what it declares is in the metadata before it has its answer.
func TestProgram(t *testing.T) {
	for abi := uint32(wire.OldestABI); abi <= wire.NewestABI; abi++ {
		t.Run(fmt.Sprint("ABI ", abi), func(t *testing.T) { testProgram(t, abi) })
	}
}

func testProgram(t *testing.T, abi uint32) {
	s := serve(t)
	f := join(t, s, func(f *fake) { f.declare, f.abi = true, abi })
	<-f.registered
	var text []byte
	var tr source.Trace
	info := source.SessionInfo{Name: "s", Owner: uint32(os.Getuid()), UUID: [16]byte{7}}
	info.Publish = func() error {
		more, err := tr.(*trace).Texts(false)
		for _, m := range more {
			text = append(text, m.Text...)
		}
		return err
	}
	tr, err := s.Open(info)
	if err != nil {
		t.Fatal(err)
	}
	c, err := tr.Channel(0, "ch", agent.ChannelSettings{SubbufBytes: 4096, SubbufCount: 2})
	if err != nil {
		t.Fatal(err)
	}
	rule := &agent.EventRule{Type: agent.Tracepoint, Pattern: "app:*", Exclusions: []string{"app:no"}, LogLevel: "info", Filter: "n > 1 && $ctx.vpid != 1", Enabled: true}
	if _, err := c.AddRule(rule); err != nil {
		t.Fatal(err)
	}
	if err := c.AddContext("vtid"); err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`name = "app:tick"`, "loglevel = 6", "_n;", "_text;"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the metadata have no %s:\n%s", want, text)
		}
	}
	streams, err := c.Streams()
	if err != nil || len(streams) != int(s.cpus) {
		t.Fatalf("%d streams, %v; want %d", len(streams), err, s.cpus)
	}
	for _, st := range streams {
		r, err := ring.Open(st.Files[0], ring.Geometry{SubbufBytes: 4096, Subbufs: 2})
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(r.Close(), closeAll(st.Files)); err != nil {
			t.Error(err)
		}
	}
	if got := s.Events(t.Context(), info.Owner, "*b", false); len(got) != 1 || got[0].Name != "app:b" || got[0].LogLevel != "TRACE_WARNING" || got[0].Process != os.Args[0] {
		t.Errorf("events: %+v", got)
	}
	if err := errors.Join(c.Stop(), tr.Close()); err != nil {
		t.Error(err)
	}
	f.command.Close()
	<-f.done
	f.wantOps()
	object, err := ring.ParseChannel(f.object)
	if err != nil || object.Name != "ch" || object.UUID != info.UUID || object.Streams != s.cpus {
		t.Errorf("channel object %+v, %v", object, err)
	}
}

// wantOps checks the order of commands.
func (f *fake) wantOps() {
	f.t.Helper()
	want := []wire.Op{wire.OpTracerVersion, wire.OpRegisterDone, wire.OpSession, wire.OpChannel}
	for range possibleCPUs() {
		want = append(want, wire.OpStream)
	}
	want = append(want,
		wire.OpContext, wire.OpEvent, wire.OpFilter, wire.OpExclusion, wire.OpEnable, wire.OpEnable,
		wire.OpTracepointList, wire.OpTracepointGet, wire.OpTracepointGet, wire.OpTracepointGet, wire.OpRelease,
		wire.OpDisable, wire.OpWaitQuiescent, wire.OpRelease, wire.OpRelease, wire.OpRelease)
	for i, c := range f.commands {
		if i >= len(want) || c.Op != want[i] {
			f.t.Errorf("command %d is %#x, of %d; want %#x", i, uint32(c.Op), len(f.commands), want)
			return
		}
	}
	if len(f.commands) != len(want) {
		f.t.Errorf("%d commands, want %d", len(f.commands), len(want))
	}
}

// A program that is not what it says, or says nothing that can be, is let go, and the
// next one served.
func TestStrangers(t *testing.T) {
	s := serve(t)
	change := func(c func(*wire.Registration)) []byte {
		r := registration(wire.CommandSocket)
		c(&r)
		return r.Append(nil)
	}
	for name, b := range map[string][]byte{
		"another pid": change(func(r *wire.Registration) { r.PID++ }),
		"another uid": change(func(r *wire.Registration) { r.UID++ }),
		"ABI 8":       change(func(r *wire.Registration) { r.Major = 8 }),
		"ABI 11":      change(func(r *wire.Registration) { r.Major = 11 }),
		"32 bits":     change(func(r *wire.Registration) { r.LongBits = 32 }),
		"garbage":     []byte(strings.Repeat("garbage ", wire.RegistrationLen)),
		"socket 9":    change(func(r *wire.Registration) { r.Socket = 9 }),
	} {
		conn := dial(t, s)
		if _, err := conn.Write(b); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		wantClosed(t, name, conn)
	}
	odd := join(t, s, nil)
	<-odd.registered
	if _, err := odd.notify.Write([]byte{9, 0, 0, 0}); err != nil {
		t.Fatal(err)
	}
	wantClosed(t, "a notice that is none", odd.notify)
	<-odd.done
	unknown := join(t, s, nil)
	<-unknown.registered
	if _, err := unknown.notify.Write((&wire.EventNotice{Session: 5, Channel: 6, Name: "a:b"}).Append(nil)); err != nil {
		t.Fatal(err)
	}
	wantClosed(t, "an event of no channel", unknown.notify)
	<-unknown.done
	good := join(t, s, nil)
	<-good.registered
}

// wantClosed waits until the daemon has closed a connection.
func wantClosed(t *testing.T, name string, conn *net.UnixConn) {
	t.Helper()
	if err := conn.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, conn); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%s: the connection stays open", name)
	}
}

// A daemon that listens keeps its socket, unless it is taken.
func TestSocketTaken(t *testing.T) {
	s := serve(t)
	o := s.opts
	if err := New(o).Listen(); !errors.Is(err, errTaken) {
		t.Errorf("a second daemon: %v, want errTaken", err)
	}
	o.Take = true
	second := New(o)
	if err := second.Listen(); err != nil {
		t.Fatal(err)
	}
	if err := second.listener.Close(); err != nil {
		t.Error(err)
	}
}
