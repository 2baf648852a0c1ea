// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracepoint

import (
	"errors"
	"io"
	"net"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/ust/ring"
	"github.com/weir-io/weir/internal/ust/wire"
)

// recorder is a double that records events in a session of one channel.
type recorder struct {
	*double
	session, channel uint32
	readers          []*ring.Reader
	names            chan string // of events that the program declares
	refuse           wire.Notice // what it declares of this kind is refused
}

// newRecorder has a tracer's events of a pattern recorded in rings, with contexts.
func newRecorder(t testing.TB, g ring.Geometry, rings uint32, rule wire.Event, contexts ...wire.ContextType) *recorder {
	t.Helper()
	return newRefuser(t, noNotice, g, rings, rule, contexts...)
}

// noNotice is a kind of which there are none.
const noNotice = ^wire.Notice(0)

// newRefuser is newRecorder of a daemon that refuses what is declared of a kind.
func newRefuser(t testing.TB, refuse wire.Notice, g ring.Geometry, rings uint32, rule wire.Event, contexts ...wire.ContextType) *recorder {
	t.Helper()
	r := &recorder{double: newDouble(t), names: make(chan string, 1000), refuse: refuse}
	go r.answer()
	r.session = r.want(wire.Command{Op: wire.OpSession}, nil).Value
	c := ring.Channel{Geometry: g, Streams: rings}
	object, err := c.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	fd := int(null.Fd())
	r.channel = r.want(wire.Command{Handle: r.session, Op: wire.OpChannel, Body: (&wire.Channel{Len: uint64(len(object))}).Append(nil)}, object, fd).Value
	for i := range rings {
		r.addRing(g, i, fd)
	}
	for _, x := range contexts {
		body, names := (&wire.Context{Type: x}).Append(nil), []byte(nil)
		if x == wire.ContextApp {
			app := wire.AppContext{Provider: "web", Name: "user"}
			body, names = app.Append(nil), app.AppendNames(nil)
		}
		r.want(wire.Command{Handle: r.channel, Op: wire.OpContext, Body: body}, names)
	}
	r.addRule(rule)
	r.want(wire.Command{Handle: r.session, Op: wire.OpEnable}, nil)
	return r
}

func (r *recorder) addRule(rule wire.Event) uint32 {
	r.t.Helper()
	handle := r.want(wire.Command{Handle: r.channel, Op: wire.OpEvent, Body: rule.Append(nil)}, nil).Value
	r.want(wire.Command{Handle: handle, Op: wire.OpEnable}, nil)
	return handle
}

func (r *recorder) addRing(g ring.Geometry, i uint32, wake int) {
	r.t.Helper()
	f, err := ring.Create(g, ring.Header{Begin: now()}, i)
	if err != nil {
		r.t.Fatal(err)
	}
	defer f.Close()
	reader, err := ring.Open(f, g)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = reader.Close() }) // it is mapped
	r.readers = append(r.readers, reader)
	body := (&wire.Stream{Len: g.Layout().Size, Number: i}).Append(nil)
	r.want(wire.Command{Handle: r.channel, Op: wire.OpStream, Body: body}, nil, int(f.Fd()), wake)
}

// want asks for what must succeed.
func (r *recorder) want(c wire.Command, more []byte, fds ...int) wire.Reply {
	r.t.Helper()
	reply := r.ask(c, more, fds...)
	if err := reply.Answers(&c); err != nil {
		r.t.Fatalf("command %#x: %v", uint32(c.Op), err)
	}
	return reply
}

// answer answers what the program tells of, until it is gone.
func (r *recorder) answer() {
	for id := uint32(0); ; id++ {
		if err := r.answerOne(id); err != nil {
			if !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) && !errors.Is(err, unix.ECONNRESET) {
				r.t.Errorf("notice: %v", err)
			}
			return
		}
	}
}

func (r *recorder) answerOne(id uint32) error {
	head := make([]byte, wire.NoticeLen)
	if _, err := io.ReadFull(r.notify, head); err != nil {
		return err
	}
	n, err := wire.ParseNotice(head)
	if err != nil {
		return err
	}
	b := make([]byte, n.Len())
	if _, err := io.ReadFull(r.notify, b); err != nil {
		return err
	}
	rest, answer, code := 0, []byte(nil), int32(0)
	if n == r.refuse {
		code = -22
	}
	switch n {
	case wire.NoticeEvent:
		e, err := wire.ParseEventNotice(b)
		if err != nil {
			return err
		}
		r.names <- e.Name
		rest, answer = e.Rest(), (&wire.EventAnswer{Code: code, ID: id}).Append(nil)
	case wire.NoticeChannel:
		c, err := wire.ParseChannelNotice(b)
		if err != nil {
			return err
		}
		rest, answer = int(c.FieldsLen), (&wire.ChannelAnswer{Code: code, Header: wire.LargeHeader}).Append(nil)
	case wire.NoticeEnum:
		e, err := wire.ParseEnumNotice(b)
		if err != nil {
			return err
		}
		rest, answer = int(e.EntriesLen), (&wire.EnumAnswer{Code: code, ID: uint64(id)}).Append(nil)
	}
	if _, err := io.CopyN(io.Discard, r.notify, int64(rest)); err != nil {
		return err
	}
	_, err = r.notify.Write(answer)
	return err
}

// anything selects all events.
var anything = wire.Event{Pattern: "*", Level: -1}
