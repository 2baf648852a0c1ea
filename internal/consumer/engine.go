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
	"time"

	"github.com/weir-io/weir/internal/handover"
	"github.com/weir-io/weir/internal/kerneltrace"
)

// tellRounds is how many times packets that tell of lost ones are sent at the end:
// on their way by UDP they may be lost as others are.
const tellRounds = 3

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

// received is a message with its files.
type received struct {
	m     handover.Message
	files []*os.File
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
		return nil, with(m, files, e.prepare)
	case handover.OpRotate:
		return nil, with(m, files, func(r handover.Rotate, f []*os.File) error { return e.rotate(r, f, output.rotate) })
	case handover.OpClear:
		return nil, with(m, files, func(r handover.Rotate, f []*os.File) error {
			if e.hello.Snapshot {
				handover.CloseAll(f)
				return e.clearSnapshots()
			}
			return e.rotate(r, f, output.clear)
		})
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
	case handover.OpStop:
		return ask(m, files, e.stop)
	case handover.OpEnd:
		return ask(m, files, func(o handover.End) (handover.Ended, error) { return e.end(o), nil })
	}
	handover.CloseAll(files)
	switch m.Op {
	case handover.OpCommit:
		return nil, e.commit()
	case handover.OpDrop:
		return nil, e.forget()
	case handover.OpStart:
		return nil, e.start()
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

// ask decodes the body of an order that has an answer and no files.
func ask[B, A any](m handover.Message, files []*os.File, do func(B) (A, error)) (a A, err error) {
	err = with(m, files, func(b B, files []*os.File) (err error) {
		handover.CloseAll(files)
		a, err = do(b)
		return err
	})
	return a, err
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
		e.keeper.dir, e.keeper.name = files[0], h.Keep
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

// start lets the streams read.
func (e *engine) start() error {
	e.running = true
	if e.hello.Snapshot {
		return e.keepPackets()
	}
	if e.paused {
		return nil
	}
	return e.each(func(s *stream) error {
		err := s.source.start()
		if errors.Is(err, errHung) {
			s.missed = true // it begins when the file system answers
			return nil
		}
		return err
	})
}

// catchUp has orders made up for that a stream has missed. It may be called by
// anybody.
func (e *engine) catchUp() {
	select {
	case e.back <- struct{}{}:
	default:
	}
}

// makeUp has streams that have missed orders, as they waited for a file system that
// answers again, do what is to be done now.
func (e *engine) makeUp() {
	for _, s := range e.streams {
		if !s.missed {
			continue
		}
		s.missed = false
		if d, ok := s.source.(*drain); ok {
			e.must(s, d.call(func() error {
				e.sift(d)
				return d.setFilters(s.channel.Filters)
			}))
		}
		switch {
		case e.drains():
			e.must(s, s.source.start())
		case e.running || e.paused || e.hello.Snapshot:
			e.must(s, s.source.hold())
		default:
			e.must(s, s.source.stop())
		}
	}
}

// must takes note of what a stream has not done: it is tried again if it hangs.
func (e *engine) must(s *stream, err error) {
	switch {
	case errors.Is(err, errHung):
		s.missed = true
	case err != nil && !errors.Is(err, errSpoolFull):
		e.log.Warn("stream does not go on as it should", "channel", s.channel.Name, "cpu", s.cpu, "err", err)
	}
}

// each does something to all streams and returns all errors.
func (e *engine) each(do func(*stream) error) error {
	var errs []error
	for _, s := range e.streams {
		if err := do(s); err != nil {
			s.missed = s.missed || errors.Is(err, errHung)
			errs = append(errs, fmt.Errorf("stream %s_%d: %w", s.channel.Name, s.cpu, err))
		}
	}
	return errors.Join(errs...)
}

// whileHeld does something while no stream gives packets.
func (e *engine) whileHeld(do func() error) error {
	if e.paused || e.hello.Snapshot {
		return do()
	}
	again := source.start
	if !e.running {
		again = source.goOn // what waits for room
	}
	err := e.each(func(s *stream) error { return s.source.hold() })
	if !errors.Is(err, errHung) { // who hangs may still write
		err = errors.Join(err, do())
	}
	return errors.Join(err, e.each(func(s *stream) error { return again(s.source) }))
}

// stop reads what the rings still hold, and waits until it is at its place.
func (e *engine) stop(o handover.Stop) (handover.Stopped, error) {
	e.running = false
	if e.hello.Snapshot || e.paused {
		return handover.Stopped{}, nil
	}
	ctx, cancel := context.WithTimeout(e.waits, o.Settle)
	defer cancel()
	full, err := e.drain(ctx)
	if full != nil { // the streams go on when there is room
		return handover.Stopped{Unsettled: full.Error()}, err
	}
	if errors.Is(err, errHung) { // and when the file system answers
		return handover.Stopped{Unsettled: err.Error()}, nil
	}
	st := handover.Stopped{}
	// Packets that follow lost ones tell that, unless they are lost too.
	for round := range tellRounds {
		told := false
		err = errors.Join(err, e.each(func(s *stream) error {
			was, err := s.source.tell()
			told = told || was
			return err
		}))
		if round > 0 && !told {
			break
		}
		st = e.settle(o.Settle)
	}
	return st, err
}

// drain reads what the rings still hold, as the spool gets room for it, until ctx
// ends. It returns why not all is read beside other errors.
func (e *engine) drain(ctx context.Context) (full, err error) {
	for {
		full = nil
		err = errors.Join(err, e.each(func(s *stream) error {
			serr := s.source.stop()
			if !errors.Is(serr, errSpoolFull) {
				return serr
			}
			full = serr
			return nil
		}))
		if full == nil || e.out.settle(ctx) != nil {
			return full, err
		}
	}
}

// settle waits until everything that was read is at its place.
func (e *engine) settle(most time.Duration) (st handover.Stopped) {
	ctx, cancel := context.WithTimeout(e.waits, most)
	defer cancel()
	if err := e.out.settle(ctx); err != nil {
		st.Unsettled = err.Error()
	}
	return st
}

func (e *engine) pause(p handover.Pause, files []*os.File) error {
	handover.CloseAll(files)
	var err error
	if !e.paused && !e.hello.Snapshot { // a stopped one may wait for room
		err = e.each(func(s *stream) error { return s.source.hold() })
	}
	e.paused = true
	if r, ok := e.out.(*relayOutput); ok && p.Now {
		r.dropQueued()
	}
	return err
}

func (e *engine) resume() error {
	if !e.paused {
		return nil
	}
	e.paused = false
	switch {
	case e.running:
		return e.start()
	case e.hello.Snapshot:
		return nil
	}
	return e.each(func(s *stream) error { return s.source.goOn() })
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

// end brings what was read to its place, and ends everything. It takes endTimeout
// and what was given for the relay, not counting a disk that is stuck.
func (e *engine) end(o handover.End) handover.Ended {
	e.ended = true
	e.hurry()
	for _, s := range e.streams {
		if e.drains() {
			last := s.source.hold
			if o.Halted {
				last = s.source.stop
			}
			if err := last(); err != nil && !errors.Is(err, errSpoolFull) {
				e.log.Warn("stream not read to its end", "channel", s.channel.Name, "cpu", s.cpu, "err", err)
			}
		}
	}
	r, ok := e.out.(*relayOutput)
	there := ok && o.Settle > 0 && !r.isLost()
	settled, cancel := context.WithTimeout(e.ctx, o.Settle)
	defer cancel()
	if there {
		e.makeRoom(settled, o.Halted)
	}
	if (o.Halted || e.running) && !e.hello.Snapshot {
		e.tellLosses(settled, r)
	}
	if there {
		_ = r.settle(settled) // what is not settled then is told below
	}
	for _, s := range e.streams {
		if err := s.source.close(); err != nil {
			e.log.Warn("stream not closed", "channel", s.channel.Name, "cpu", s.cpu, "err", err)
		}
	}
	if e.feeder != nil {
		if err := e.feeder.close(); err != nil {
			e.log.Warn("feeds not closed", "err", err)
		}
	}
	if err := e.forget(); err != nil {
		e.log.Warn("prepared output not closed", "err", err)
	}
	ctx, cancel := context.WithTimeout(e.ctx, endTimeout)
	defer cancel()
	e.closed(e.out.close(ctx))
	e.retired.Wait()
	e.losses.flush()
	var st handover.Status
	e.out.status(&st)
	rest := e.summary(e.lost()-e.lostBefore.Load(), &st)
	for _, place := range rest.Places {
		e.log.Info("packets that no relay has got are kept", "place", place)
	}
	if rest.Lost > 0 || rest.Error != "" {
		e.log.Warn("output not closed in order", "lost", rest.Lost, "err", rest.Error)
	}
	return rest
}

// tellLosses has packets without events tell at the end of the streams what is lost. By
// UDP they can be lost themselves: then others follow until ctx ends, and they do not
// count. r is nil where no relay is the output.
func (e *engine) tellLosses(ctx context.Context, r *relayOutput) {
	tell := func() {
		if err := e.each(func(s *stream) error { return s.source.tellAll() }); err != nil {
			e.log.Warn("losses are not told in the trace", "err", err)
		}
	}
	if r == nil || !r.datagrams() {
		tell()
		return
	}
	_ = r.settle(ctx) // so that all that is lost then are packets that tell
	before := e.lost()
	for n := before; ; n = e.lost() {
		tell()
		if r.settle(ctx) != nil || e.lost() == n {
			break
		}
	}
	if !e.untold() {
		e.lostBefore.Add(e.lost() - before)
	}
}

// untold reports whether packets are lost of which no later one tells.
func (e *engine) untold() bool {
	return slices.ContainsFunc(e.streams, func(s *stream) bool { return s.untold.Load() })
}

// summary is what became of packets, of which so many are lost.
func (e *engine) summary(lost uint64, st *handover.Status) handover.Ended {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.rest.Lost = lost
	for _, s := range e.streams {
		if !e.hello.Snapshot {
			e.rest.Events += s.unread.Load()
		}
	}
	if lost > 0 && e.rest.Error == "" && st.Output == handover.OutputDirectory {
		e.rest.Error = st.LastError
	}
	return e.rest
}

// makeRoom has packets that found no room in the spool go there at the end, as far
// as the relay makes some until ctx ends.
func (e *engine) makeRoom(ctx context.Context, halted bool) {
	switch {
	case e.paused || e.hello.Snapshot:
	case halted:
		if _, err := e.drain(ctx); err != nil { // what is not read is told as lost
			e.log.Warn("streams not read to their end", "err", err)
		}
	case e.running:
		for e.each((*stream).retry) != nil && e.out.settle(ctx) == nil {
		}
	}
}

// lost is how many packets of all streams are lost.
func (e *engine) lost() (n uint64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, s := range e.streams {
		n += s.lost.Load()
	}
	return n
}

// closed takes note of what became of an output.
func (e *engine) closed(rest unsent, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	rest.addTo(&e.rest)
	if errors.Is(err, errHung) {
		e.rest.Stuck = err.Error()
		return
	}
	if err != nil && e.rest.Error == "" {
		e.rest.Error = err.Error()
	}
}
