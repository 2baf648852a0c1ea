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

	// Owned by the goroutine that carries out orders.
	hello    handover.Hello
	spoolDir *os.File
	channels map[uint32]*channel
	tables   map[uint32]*table
	running  bool // started, and not stopped
	paused   bool
	uuid     [16]byte
	text     []byte // all metadata
	users    handover.Users

	retired sync.WaitGroup // of old outputs that are not settled

	mu      sync.Mutex // for accounts, given at any time
	out     output     // guarded by mu, changed by the engine alone
	streams []*stream  // likewise
	owners  map[*kerneltrace.Tasks]*users
}

// Run carries out the orders that come over a connection until it ends. What was
// read is brought to its place then, as far as that is possible at once.
func Run(conn *handover.Conn, log *slog.Logger) error {
	e := &engine{
		conn: conn, log: log, channels: make(map[uint32]*channel), tables: make(map[uint32]*table), out: nowhere{},
	}
	e.ctx, e.cancel = context.WithCancel(context.Background())
	orders := make(chan received, maxOrders)
	ended := make(chan error, 1)
	go func() { // ends when the connection does; Run waits for it
		err := e.receive(orders)
		close(orders)
		ended <- err
	}()
	for r := range orders {
		e.answer(r.m, r.files)
	}
	err := <-ended
	e.end()
	return err
}

// received is a message with its files.
type received struct {
	m     handover.Message
	files []*os.File
}

// receive hands orders to the engine. Accounts are given at once: an order may
// take long. So is another relay taken, for which an order may wait.
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

// obey carries out an order. The files that it does not take over are closed.
func (e *engine) obey(m handover.Message, files []*os.File) (any, error) {
	switch m.Op {
	case handover.OpHello:
		return nil, with(m, files, e.greeted)
	case handover.OpChannel:
		return nil, with(m, files, e.addChannel)
	case handover.OpTable:
		return nil, with(m, files, e.extendTable)
	case handover.OpStream:
		return nil, with(m, files, e.addStream)
	case handover.OpMetadata:
		return nil, with(m, files, e.addMetadata)
	case handover.OpRegenerate:
		return nil, with(m, files, e.replaceMetadata)
	case handover.OpOutput:
		return nil, with(m, files, e.setOutput)
	case handover.OpRotate:
		return nil, with(m, files, func(r handover.Rotate, f []*os.File) error { return e.rotate(r, f, output.rotate) })
	case handover.OpClear:
		return nil, with(m, files, func(r handover.Rotate, f []*os.File) error { return e.rotate(r, f, output.clear) })
	case handover.OpInject:
		return nil, with(m, files, e.inject)
	case handover.OpSnapshot:
		return nil, with(m, files, e.snapshot)
	case handover.OpClockSync:
		return nil, with(m, files, e.syncClock)
	case handover.OpUsers:
		return nil, with(m, files, e.setUsers)
	case handover.OpPause:
		return nil, with(m, files, e.pause)
	}
	handover.CloseAll(files)
	switch m.Op {
	case handover.OpStart:
		return nil, e.start()
	case handover.OpStop:
		return nil, e.stop()
	case handover.OpResume:
		return nil, e.resume()
	case handover.OpFlush:
		return nil, e.whileHeld(func() error { return nil })
	}
	return nil, fmt.Errorf("order %q: unknown", m.Op)
}

// with decodes an order's body.
func with[B any](m handover.Message, files []*os.File, do func(B, []*os.File) error) error {
	var b B
	if err := json.Unmarshal(m.Body, &b); err != nil {
		handover.CloseAll(files)
		return fmt.Errorf("order %s: %w", m.Op, err)
	}
	return do(b, files)
}

// want checks the number of files that came with an order, and closes them if it
// is another.
func want(op handover.Op, files []*os.File, n int) error {
	if len(files) == n {
		return nil
	}
	handover.CloseAll(files)
	return fmt.Errorf("order %s: got %d files, want %d", op, len(files), n)
}

func (e *engine) greeted(h handover.Hello, files []*os.File) error {
	if h.Version != handover.Version {
		handover.CloseAll(files)
		return fmt.Errorf("version %d of orders, want %d", h.Version, handover.Version)
	}
	e.hello = h
	if h.Realtime {
		// Without the privilege it goes on as it is.
		if err := takePriority(); err != nil {
			e.log.Info("rings are read without priority", "err", err)
		}
	}
	if len(files) > 0 {
		e.spoolDir = files[0]
		handover.CloseAll(files[1:])
	}
	return nil
}

// blob reads the one file of an order.
func blob(op handover.Op, files []*os.File) ([]byte, error) {
	if err := want(op, files, 1); err != nil {
		return nil, err
	}
	defer files[0].Close()
	return handover.ReadBlob(files[0])
}

func (e *engine) addMetadata(_ struct{}, files []*os.File) error {
	text, err := blob(handover.OpMetadata, files)
	if err != nil {
		return err
	}
	e.text = append(e.text, text...)
	return e.out.metadata(text)
}

func (e *engine) replaceMetadata(_ struct{}, files []*os.File) error {
	text, err := blob(handover.OpRegenerate, files)
	if err != nil {
		return err
	}
	e.text = text
	return e.out.regenerate(text)
}

// start lets the streams read.
func (e *engine) start() error {
	e.running = true
	if e.paused || e.hello.Snapshot {
		return nil
	}
	return e.each(func(s *stream) error { return s.source.start() })
}

// each does something to all streams and returns all errors.
func (e *engine) each(do func(*stream) error) error {
	var errs []error
	for _, s := range e.streams {
		if err := do(s); err != nil {
			errs = append(errs, fmt.Errorf("stream %s_%d: %w", s.channel.Name, s.cpu, err))
		}
	}
	return errors.Join(errs...)
}

// whileHeld does something while no stream gives packets.
func (e *engine) whileHeld(do func() error) error {
	if !e.running || e.paused || e.hello.Snapshot {
		return do()
	}
	herr := e.each(func(s *stream) error { return s.source.hold() })
	err := do()
	return errors.Join(herr, err, e.each(func(s *stream) error { return s.source.start() }))
}

// stop reads what the rings still hold, and waits until it is at its place.
func (e *engine) stop() error {
	e.running = false
	if e.hello.Snapshot || e.paused {
		return nil
	}
	err := e.each(func(s *stream) error { return s.source.stop() })
	ctx, cancel := context.WithTimeout(e.ctx, settleTimeout)
	defer cancel()
	return errors.Join(err, e.out.settle(ctx))
}

func (e *engine) pause(p handover.Pause, files []*os.File) error {
	handover.CloseAll(files)
	var err error
	if !e.paused && e.running {
		err = e.each(func(s *stream) error { return s.source.hold() })
	}
	e.paused = true
	if r, ok := e.out.(*relayOutput); ok && p.Now {
		r.dropQueued()
	}
	return err
}

func (e *engine) resume() error {
	e.paused = false
	if !e.running {
		return nil
	}
	return e.start()
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
	out, streams := e.out, slices.Clone(e.streams)
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
	return st
}

// end brings what was read to its place, and ends everything.
func (e *engine) end() {
	for _, s := range e.streams {
		if e.running && !e.paused && !e.hello.Snapshot {
			if err := s.source.hold(); err != nil {
				e.log.Warn("stream not read to its end", "channel", s.channel.Name, "cpu", s.cpu, "err", err)
			}
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), endTimeout)
	defer cancel()
	if err := e.out.settle(ctx); err != nil {
		e.log.Warn("not everything is at its place", "err", err)
	}
	for _, s := range e.streams {
		if err := s.source.close(); err != nil {
			e.log.Warn("stream not closed", "channel", s.channel.Name, "cpu", s.cpu, "err", err)
		}
	}
	if err := e.out.close(); err != nil {
		e.log.Warn("output not closed", "err", err)
	}
	e.cancel()
	e.retired.Wait()
}
