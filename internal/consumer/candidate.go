// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package consumer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/weir-io/weir/client/relay"
	"github.com/weir-io/weir/internal/handover"
)

const (
	// settleTimeout is how long an output that another one has replaced is waited
	// for.
	settleTimeout = 10 * time.Second
	// endSettle is how long one is at the end of the process, when the daemon is
	// gone.
	endSettle = 2 * time.Second
	// endTimeout is how long the farewell to the relay, or the keeping of packets,
	// may take then.
	endTimeout = 2500 * time.Millisecond
)

// reconnected gives a relay output that has lost its relay another relay. It
// reports false for an order that is about something else.
func (e *engine) reconnected(m handover.Message, files []*os.File) bool {
	var o handover.Output
	if m.Op != handover.OpOutput || json.Unmarshal(m.Body, &o) != nil || !o.Resume {
		return false
	}
	lost, ok := e.current().(*relayOutput)
	if !ok {
		handover.CloseAll(files)
		e.reply(m, nil, errNotLost)
		return true
	}
	r, err := adopt(o, files)
	if err == nil {
		err = lost.reconnect(r)
	}
	e.reply(m, nil, err)
	return true
}

// candidate is an output that may take the place of the one there is.
type candidate struct {
	out     output
	writers []packetWriter // of all streams
}

// prepare makes an output ready for all streams.
func (e *engine) prepare(o handover.Output, files []*os.File) error {
	if err := e.forget(); err != nil {
		handover.CloseAll(files)
		return err
	}
	out, err := e.newOutput(o, files)
	if err != nil {
		return err
	}
	c := &candidate{out: out}
	err = e.tellTexts(out)
	for _, s := range e.streams {
		if err != nil {
			break
		}
		var w packetWriter
		w, err = out.writer(s)
		c.writers = append(c.writers, w)
	}
	if err != nil {
		return errors.Join(err, e.drop(out))
	}
	e.next = c
	return nil
}

// tellTexts gives a new output the metadata that there are.
func (e *engine) tellTexts(out output) error {
	for _, t := range e.texts {
		if err := out.metadata(t.part, t.text); err != nil {
			return err
		}
	}
	return nil
}

// forget ends the output that was prepared, if there is one.
func (e *engine) forget() error {
	c := e.next
	if c == nil {
		return nil
	}
	e.next = nil
	return e.drop(c.out)
}

// commit gives all streams the place that was prepared, at a packet's end. The old
// one has all packets up to here, the new one those that follow.
func (e *engine) commit() error {
	c := e.next
	if c == nil {
		return errors.New("no output was prepared")
	}
	e.next = nil
	return e.whileHeld(func() error {
		old := e.out
		e.mu.Lock()
		e.out = c.out
		e.mu.Unlock()
		for i, s := range e.streams {
			s.out = c.writers[i]
		}
		if r, ok := c.out.(*relayOutput); ok {
			r.begin()
		}
		// What waits for an old relay is sent while the new output is written.
		e.retire(old)
		return nil
	})
}

// drop ends an output that was not used.
func (e *engine) drop(out output) error {
	_, err := out.close(e.ctx)
	return err
}

// newOutput makes an output of what came with an order.
func (e *engine) newOutput(o handover.Output, files []*os.File) (output, error) {
	switch o.Kind {
	case handover.OutputNone:
		handover.CloseAll(files)
		return nowhere{}, nil
	case handover.OutputDirectory:
		if err := want(handover.OpOutput, files, 1); err != nil {
			return nil, err
		}
		d := newTree(files[0], e.hello.Hang)
		d.onBack = e.catchUp
		d.onHang = func(s handover.Stuck) { e.notice(handover.NoticeStuck, s) }
		d.onFailure = func(err error) {
			if err == nil {
				e.notice(handover.NoticeWell, struct{}{})
				return
			}
			e.notice(handover.NoticeError, handover.Failure{Error: err.Error()})
		}
		return d, nil
	case handover.OutputRelay:
		r, err := adopt(o, files)
		if err != nil {
			return nil, err
		}
		q := newSpool(e.hello.SpoolMemory, o.SpoolDisk, e.spoolDir)
		q.level.tell = func(told handover.Spool) { e.notice(handover.NoticeSpool, told) }
		var out *relayOutput
		out = newRelayOutput(r, o, q, e.keeper, func(err error) {
			if e.current() == output(out) { // another one has no successor to wait for
				e.notice(handover.NoticeLost, handover.Lost{Output: o.Number, Error: err.Error()})
			}
		})
		out.tell = func(err error) { e.notice(handover.NoticeError, handover.Failure{Error: err.Error()}) }
		return out, nil
	}
	handover.CloseAll(files)
	return nil, fmt.Errorf("output of kind %q", o.Kind)
}

// adopt takes over a session on a relay.
func adopt(o handover.Output, files []*os.File) (*relay.Session, error) {
	if err := want(handover.OpOutput, files, 2); err != nil {
		return nil, err
	}
	h := relay.Handle{Control: files[0], Data: files[1]}
	if err := json.Unmarshal(o.Relay, &h.State); err != nil {
		handover.CloseAll(files)
		return nil, fmt.Errorf("state of the relay session: %w", err)
	}
	return relay.Adopt(h)
}

// retire ends an output when it is settled, beside everything else.
func (e *engine) retire(old output) {
	e.retired.Go(func() {
		ctx, stop := context.WithTimeout(e.waits, settleTimeout)
		defer stop()
		if err := old.settle(ctx); err != nil {
			e.notice(handover.NoticeError, handover.Failure{Error: "old output: " + err.Error()})
		}
		ctx, stop = context.WithTimeout(e.ctx, settleTimeout)
		defer stop()
		rest, err := old.close(ctx)
		if err != nil {
			e.notice(handover.NoticeError, handover.Failure{Error: "old output: " + err.Error()})
		}
		if rest.kept+rest.lost == 0 {
			return
		}
		if e.waits.Err() == nil {
			var told handover.Ended
			rest.addTo(&told)
			e.notice(handover.NoticeKept, told)
			return
		}
		e.closed(rest, nil) // with the rest of all
	})
}

// rotate goes on in a new chunk.
func (e *engine) rotate(r handover.Rotate, files []*os.File, how func(output, handover.Chunk, *os.File) (func() error, error)) error {
	var dir *os.File
	if len(files) > 0 {
		dir = files[0]
		handover.CloseAll(files[1:])
	}
	wait := done
	err := e.whileHeld(func() (err error) {
		wait, err = how(e.out, r.Chunk, dir)
		return err
	})
	if err != nil {
		return err
	}
	return wait()
}
