// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package consumer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/weir-io/weir/internal/handover"
	"github.com/weir-io/weir/internal/kerneltrace"
)

// maxOrders is how many orders wait; the daemon gives one after the other.
const maxOrders = 64

// engine carries out orders.
type engine struct {
	// Immutable.
	conn   *handover.Conn
	log    *slog.Logger
	ctx    context.Context
	cancel context.CancelFunc
	waits  context.Context // ends when the daemon wants an end: nothing waits for a relay then
	hurry  context.CancelFunc
	back   chan struct{} // has something while orders are to be made up for

	// Owned by the goroutine that carries out orders.
	hello    handover.Hello
	spoolDir *os.File
	channels map[uint32]*channel
	tables   map[uint32]*table
	running  bool // started, and not stopped
	paused   bool
	uuid     [16]byte // of the trace that has the domain's own place
	texts    partTexts
	users    handover.Users
	next     *candidate                         // output that was prepared, or nil
	dumps    map[*stream]*kerneltrace.StateDump // for the next snapshot
	keeper   *keeper
	feeder   *feeder                                  // nil: nothing asks what threads are
	asker    func(tid int32) (kerneltrace.Task, bool) // nil until something does
	losses   *losses
	ended    bool // by order

	lostBefore atomic.Uint64 // packets, when the daemon wanted an end

	tasks kerneltrace.Tasks // what is known of the host's threads

	retired sync.WaitGroup // of old outputs that are not settled

	mu      sync.Mutex     // for accounts, given at any time
	out     output         // guarded by mu, changed by the engine alone
	streams []*stream      // likewise
	past    pastStreams    // likewise
	rest    handover.Ended // what became of packets of outputs that have ended; guarded by mu
	owners  *users         // nil until somebody asks
}

// Run carries out the orders that come over a connection until it ends. What was
// read is brought to its place then, as far as that is possible at once.
func Run(conn *handover.Conn, log *slog.Logger) error {
	e := &engine{
		conn: conn, log: log, back: make(chan struct{}, 1), channels: make(map[uint32]*channel), tables: make(map[uint32]*table), out: nowhere{},
	}
	e.ctx, e.cancel = context.WithCancel(context.Background())
	e.waits, e.hurry = context.WithCancel(e.ctx)
	e.keeper, e.losses = new(keeper), &losses{notice: e.notice}
	orders := make(chan received, maxOrders)
	ended := make(chan error, 1)
	go func() { // ends when the connection does; Run waits for it
		err := e.receive(orders)
		e.hurry()
		close(orders)
		ended <- err
	}()
	for open := true; open; {
		var r received
		select {
		case r, open = <-orders:
			if open {
				e.answer(r.m, r.files)
			}
		case <-e.back:
			e.makeUp()
		}
	}
	err := <-ended
	if !e.ended { // the daemon is gone: nobody dials a relay again
		e.end(handover.End{Settle: endSettle})
	}
	e.cancel()
	return err
}

// receive hands orders to the engine. Accounts and signs of life are given at
// once: an order may take long. So is another relay taken, for which an order may wait.
func (e *engine) receive(orders chan<- received) error {
	for {
		m, files, err := e.conn.Receive()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case m.Op == handover.OpStatus:
			handover.CloseAll(files)
			e.reply(m, e.account(), nil)
		case m.Op == handover.OpPing:
			handover.CloseAll(files)
			e.reply(m, nil, nil)
		case m.Op == handover.OpEnd:
			e.lostBefore.Store(e.lost())
			e.hurry()
			orders <- received{m, files}
		case e.reconnected(m, files):
		default:
			orders <- received{m, files}
		}
	}
}

// answer carries out an order and says how that went.
func (e *engine) answer(m handover.Message, files []*os.File) {
	body, err := e.obey(m, files)
	if err != nil {
		e.log.Debug("order not carried out", "op", m.Op, "err", err)
	}
	e.reply(m, body, err)
}

func (e *engine) reply(m handover.Message, body any, err error) {
	a := handover.Message{ID: m.ID}
	if err != nil {
		a.Error = err.Error()
	} else if a.Body, err = json.Marshal(body); err != nil {
		a.Error = err.Error()
	}
	if err := e.conn.Answer(a); err != nil {
		e.log.Warn("answer not sent", "op", m.Op, "err", err)
	}
}

// notice says something without having been asked.
func (e *engine) notice(op handover.Op, body any) {
	b, err := json.Marshal(body)
	if err == nil {
		err = e.conn.Send(handover.Message{Op: op, Body: b})
	}
	if err != nil {
		e.log.Warn("notice not sent", "op", op, "err", err)
	}
}

func (e *engine) greeted(h handover.Hello, files []*os.File) error {
	if h.Version != handover.Version {
		handover.CloseAll(files)
		return fmt.Errorf("version %d of orders, want %d", h.Version, handover.Version)
	}
	e.hello = h
	if h.Realtime {
		kind := overMost
		if h.Domain == kernelDomain {
			kind = overAll
		}
		// Without the privilege it goes on as it is.
		if err := takePriority(kind); err != nil {
			e.log.Info("rings are read without priority", "err", err)
		}
	}
	if len(files) > 0 {
		e.spoolDir = files[0]
		e.keeper.dir, e.keeper.name = files[0], h.Keep
		handover.CloseAll(files[1:])
	}
	return nil
}

func (e *engine) addMetadata(of handover.Part, files []*os.File) error {
	text, err := blob(handover.OpMetadata, files)
	if err != nil {
		return err
	}
	t := e.texts.of(e.part(of))
	t.text = append(t.text, text...)
	return e.out.metadata(t.part, text)
}

func (e *engine) replaceMetadata(of handover.Part, files []*os.File) error {
	text, err := blob(handover.OpRegenerate, files)
	if err != nil {
		return err
	}
	t := e.texts.of(e.part(of))
	t.text = text
	return e.out.regenerate(t.part, text)
}

// current is the output in use.
func (e *engine) current() output {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.out
}

// account says what was done. It may be called at any time.
func (e *engine) account() handover.Status {
	e.mu.Lock()
	out, streams, past := e.out, slices.Clone(e.streams), slices.Clone(e.past)
	e.mu.Unlock()
	st := handover.Status{Streams: make([]handover.StreamStatus, len(streams))}
	out.status(&st)
	for i, s := range streams {
		a := &st.Streams[i]
		*a = handover.StreamStatus{
			Channel: s.channel.ID, CPU: s.cpu, Packets: s.packets.Load(), Bytes: s.bytes.Load(),
			Discarded: s.discarded.Load(), Lost: s.lost.Load(), Confirmed: out.confirmed(s),
		}
		s.source.account(a)
	}
	st.Streams = append(st.Streams, past...)
	for i := range past {
		a := &st.Streams[len(streams)+i]
		a.Confirmed = out.confirmedPast(a.Channel, a.CPU)
	}
	return st
}
