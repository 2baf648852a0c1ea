// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package consumer

import (
	"errors"
	"fmt"
	"testing"

	"github.com/weir-io/weir/client/relay"
	"github.com/weir-io/weir/internal/handover"
	"github.com/weir-io/weir/lttng"
)

// TestRefusedIsNotLost tells errors with which a session on a relay goes on from
// those that end it.
func TestRefusedIsNotLost(t *testing.T) {
	var told []error
	o := &relayOutput{tell: func(err error) { told = append(told, err) }}
	for _, err := range []error{
		&relay.RefusedError{Op: lttng.CmdResetMetadata, Code: lttng.ReplyUnknown}, fmt.Errorf("old relay: %w", errors.ErrUnsupported),
	} {
		if got := o.refused(err); got != nil || len(told) == 0 || told[len(told)-1] != err {
			t.Errorf("%v: got %v, told %v; want it told", err, got, told)
		}
	}
	told = nil
	for _, err := range []error{nil, relay.ErrNoReply} {
		if got := o.refused(err); got != err || told != nil {
			t.Errorf("%v: got %v, told %v; want it back", err, got, told)
		}
	}
}

// TestToldWithoutLock has the daemon told of a spool while nobody holds a lock: it may
// be slow to listen.
func TestToldWithoutLock(t *testing.T) {
	for name, give := range map[string]func(*relayOutput) error{
		"metadata":   func(o *relayOutput) error { return o.metadata(part{}, []byte("text")) },
		"regenerate": func(o *relayOutput) error { return o.regenerate(part{}, []byte("text")) },
	} {
		q := testSpool(t, 100, 0)
		put(t, q, 0, make([]byte, 60)) // of which nobody was told
		o := &relayOutput{spool: q}
		told := false
		q.level.tell = func(handover.Spool) {
			told = true
			if !o.mu.TryLock() {
				t.Errorf("%s: told under the output's lock", name)
				return
			}
			o.mu.Unlock()
		}
		if err := give(o); err != nil || !told {
			t.Errorf("%s: got %v, told %v", name, err, told)
		}
	}
}

// TestStreamComesWhileRelayIsBack has a stream come between the time that a relay which is
// back is told of those there are and the time that what is kept for it is looked at: it is
// made, and then has its packets.
func TestStreamComesWhileRelayIsBack(t *testing.T) {
	q := testSpool(t, 1000, 0)
	o := &relayOutput{spool: q, begun: true}
	c := &connection{streams: make(map[*stream]*relay.Stream)} // made before
	s := &stream{channel: &channel{Channel: handover.Channel{Name: "ch"}}}
	w, err := o.writer(s)
	if err != nil {
		t.Fatal(err)
	}
	give(t, w, 0, 10)
	q.rewind(c.has)
	if it, err := q.next(now(t)); err != nil || it.do == nil {
		t.Errorf("first is %+v, %v, want what makes the stream", it, err)
	}
	if it, err := q.next(now(t)); err != nil || it.stream != s || it.size != 10 {
		t.Errorf("then comes %+v, %v, want the packet", it, err)
	}
}
