// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package consumer

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"sync"
	"time"

	"github.com/weir-io/weir/client/relay"
	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/internal/handover"
	"github.com/weir-io/weir/lttng"
)

// connection is one session on a relay, as this consumer uses it.
type connection struct {
	session *relay.Session
	metas   map[string]*relay.Stream // by places of parts
	streams map[*stream]*relay.Stream
	stored  map[*stream]uint64 // packets that were confirmed, with those of a session before
	lost    map[*stream]uint64 // packets that were given up, as far as they are counted
}

const (
	// confirmPeriod is how often the relay is asked what has arrived.
	confirmPeriod = 200 * time.Millisecond
	// relayTimeout bounds what a relay takes for one order.
	relayTimeout = 15 * time.Second
)

// relayOutput sends packets to a relay. What it is given waits in a spool, from
// which one goroutine sends it, until the relay has it. When the relay is lost
// the goroutine waits for another one.
type relayOutput struct {
	// Immutable.
	trace   string // path of the domain in the session
	spool   *spool
	keeper  *keeper // of what no relay has got at the end
	onLost  func(error)
	tell    func(error) // what the relay has refused; nil: nobody listens
	ctx     context.Context
	cancel  context.CancelFunc
	stopped chan struct{} // closed by the goroutine
	next    chan *relay.Session

	// Owned by the goroutine.
	opened  bool               // a relay may have had the streams
	known   bool               // of a consumer that died; until they are found
	awaited map[*stream]uint64 // packets that the relay wants next of those
	origin  *relay.Identity    // of the recording on a relay that keeps its place; read once it has stopped

	mu       sync.Mutex
	begun    bool      // the goroutine runs; guarded by mu
	writers  []*stream // likewise
	texts    partTexts // likewise
	conn     *connection
	lostAt   time.Time
	failure  string
	farewell context.Context    // of the session on the relay; set by close
	numbered map[*stream]uint64 // confirmed packets, those given up included
	given    map[*stream]uint64 // packets that were given up on their way by UDP
}

// errNoAnswer is why an order that a relay does not answer comes to nothing.
var errNoAnswer = fmt.Errorf("the relay has not answered within %v", relayTimeout)

// within bounds one order.
func (o *relayOutput) within() (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(o.ctx, relayTimeout, errNoAnswer)
}

// errNotLost refuses a relay in the place of one that is in use.
var errNotLost = errors.New("the relay is not lost")

// newRelayOutput begins to send to a session on a relay, which it takes over.
func newRelayOutput(r *relay.Session, to handover.Output, q *spool, k *keeper, onLost func(error)) *relayOutput {
	o := &relayOutput{
		trace: to.Trace, opened: to.Known, known: to.Known, spool: q, keeper: k, onLost: onLost, stopped: make(chan struct{}), next: make(chan *relay.Session, 1),
		awaited: make(map[*stream]uint64), numbered: make(map[*stream]uint64), given: make(map[*stream]uint64),
	}
	o.ctx, o.cancel = context.WithCancel(context.Background())
	o.next <- r
	return o
}

// begin starts the goroutine once all streams are known.
func (o *relayOutput) begin() {
	o.mu.Lock()
	o.begun = true
	o.mu.Unlock()
	go o.run()
}

// reconnect gives the goroutine another relay.
func (o *relayOutput) reconnect(r *relay.Session) error {
	o.mu.Lock()
	lost := !o.lostAt.IsZero()
	o.mu.Unlock()
	if lost {
		select {
		case o.next <- r:
			return nil
		default:
		}
	}
	r.Abort()
	return errNotLost
}

// run sends until the output is closed.
func (o *relayOutput) run() {
	defer close(o.stopped)
	for {
		var r *relay.Session
		select {
		case r = <-o.next:
		case <-o.ctx.Done():
			return
		}
		err := o.serve(r)
		if o.ctx.Err() != nil {
			o.finish(r)
			return
		}
		r.Abort()
		o.lostNow(err)
		o.onLost(err)
	}
}

func (o *relayOutput) lostNow(err error) {
	o.mu.Lock()
	more := o.countLostLocked()
	o.conn, o.lostAt, o.failure = nil, time.Now(), err.Error()
	o.mu.Unlock()
	more.tell()
}

// serve sends to one relay until it is lost or the output closed.
func (o *relayOutput) serve(r *relay.Session) error {
	c, err := o.open(r)
	if err != nil {
		return err
	}
	o.mu.Lock()
	o.conn, o.lostAt, o.failure = c, time.Time{}, ""
	o.mu.Unlock()
	asked := time.Now()
	for {
		ctx, cancel := context.WithTimeout(o.ctx, confirmPeriod)
		it, err := o.spool.next(ctx)
		cancel()
		switch {
		case err == nil:
			if err := o.send(c, &it); err != nil {
				return err
			}
		case o.ctx.Err() != nil, errors.Is(err, errSpoolClosed):
			return err
		case r.Err() != nil:
			return r.Err()
		case !errors.Is(err, context.DeadlineExceeded):
			return err
		}
		if time.Since(asked) >= confirmPeriod || o.spool.idle() {
			if err := o.confirm(c); err != nil {
				return err
			}
			asked = time.Now()
		}
	}
}

// open makes the streams on a relay and sends the metadata. Packets that were not
// confirmed by the last one are sent again.
func (o *relayOutput) open(r *relay.Session) (*connection, error) {
	ctx, cancel := o.within()
	defer cancel()
	c := &connection{session: r, metas: make(map[string]*relay.Stream), streams: make(map[*stream]*relay.Stream), stored: make(map[*stream]uint64), lost: make(map[*stream]uint64)}
	var options []relay.StreamOptions
	o.mu.Lock()
	writers, parts := slices.Clone(o.writers), o.partsLocked()
	o.mu.Unlock()
	for _, s := range writers {
		options = append(options, o.options(s))
	}
	for _, p := range parts {
		options = append(options, o.metaOptions(p))
	}
	made, err := o.addStreams(ctx, r, options)
	o.mu.Lock()
	o.opened = true // the relay may have made them even if its answer is lost
	o.mu.Unlock()
	o.origin = nil
	if i := r.Identity(); r.Resumable() {
		o.origin = &i
	}
	if err != nil {
		return nil, err
	}
	for i, s := range writers {
		c.streams[s] = made[i]
		if o.known {
			o.awaited[s] = made[i].Next()
			o.countGone(s)
		}
	}
	o.known = false
	for i, p := range parts {
		c.metas[p.place] = made[len(writers)+i]
	}
	// Text that is put from now on is sent where it stands; all there is goes
	// first, and once.
	o.mu.Lock()
	texts := o.textsLocked()
	o.spool.rewind(func(it *item) bool {
		has := it.info.Sequence < c.streams[it.stream].Next()
		if has {
			o.numbered[it.stream]++
		}
		return has
	})
	o.mu.Unlock()
	o.spool.tell()
	for _, t := range texts {
		if len(t.text) == 0 {
			continue
		}
		if err := o.sendText(ctx, c, t.part, t.text); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// addStreams makes the streams on a relay, or goes on with those that a session
// before has left there, if the relay keeps their place.
func (o *relayOutput) addStreams(ctx context.Context, r *relay.Session, options []relay.StreamOptions) ([]*relay.Stream, error) {
	if o.opened && r.Resumable() {
		made, err := r.Resume(ctx, options...)
		if !errors.Is(err, relay.ErrNothingStored) {
			return made, err
		}
	}
	o.known = false // what there was is elsewhere
	return r.AddStreams(ctx, options...)
}

// send sends one thing.
func (o *relayOutput) send(c *connection, it *item) error {
	if it.do != nil {
		return it.do(c)
	}
	st := c.streams[it.stream]
	if it.beacon != nil { // nobody moves it on any more
		return st.Beacon(o.ctx, it.beacon.until)
	}
	if _, ok := c.stored[it.stream]; !ok {
		c.stored[it.stream] = st.Sent()
	}
	o.countGone(it.stream)
	return st.SendPacket(o.ctx, it.data, it.info)
}

// countGone counts the packets that a consumer has taken along that died: those from
// the one that the relay wants up to the first one of this consumer's. A source that
// makes packets itself tells with its first one which that is.
func (o *relayOutput) countGone(s *stream) {
	wanted, ok := o.awaited[s]
	first := s.first.Load()
	if !ok || first == 0 {
		return
	}
	delete(o.awaited, s)
	s.lose(max(first-1, wanted) - wanted)
}

// confirm asks the relay what it has, and drops that from the spool.
func (o *relayOutput) confirm(c *connection) error {
	// Each answer has its limit in the session, which names what did not come.
	if _, err := c.session.Pending(o.ctx); err != nil {
		return err
	}
	o.account(c)
	return nil
}

// account drops what the relay has from the spool, and what was given up on its way by
// UDP. That is counted first: whoever sees that nothing is left sees what is lost.
func (o *relayOutput) account(c *connection) {
	settled := make(map[*stream]uint64, len(c.streams))
	for s, st := range c.streams {
		settled[s] = st.Stored() // with those given up, which are counted by now
	}
	o.mu.Lock()
	more := o.countLostLocked()
	o.mu.Unlock()
	more.tell()
	o.mu.Lock()
	o.forgetLocked(c, settled)
	o.mu.Unlock()
	o.spool.tell()
}

// forgetLocked drops so many packets of each stream from the spool, which tells later.
func (o *relayOutput) forgetLocked(c *connection, settled map[*stream]uint64) {
	o.spool.confirm(func(it *item) bool {
		// Counted, as numbers have gaps where a packet was lost before it came here.
		if c.stored[it.stream] >= settled[it.stream] {
			return false
		}
		c.stored[it.stream]++
		o.numbered[it.stream]++
		return true
	})
}

// losing is how many packets of each stream are lost, which is told without a lock.
type losing map[*stream]uint64

func (l losing) tell() {
	for s, n := range l {
		s.lose(n)
	}
}

// countLostLocked counts what was given up on its way by UDP since the last time.
// It runs on the goroutine that owns the connection.
func (o *relayOutput) countLostLocked() losing {
	if o.conn == nil {
		return nil
	}
	all := make(losing)
	for s, st := range o.conn.streams {
		more := st.Lost() - o.conn.lost[s]
		o.conn.lost[s] += more
		o.given[s] += more
		all[s] = more
	}
	return all
}

// dropQueued gives up the packets that no relay was sent; they are counted, and
// their successors' numbers tell.
func (o *relayOutput) dropQueued() {
	losing(o.spool.discardUnsent()).tell()
}

// finish ends the session on the relay. One that has not confirmed everything
// until now is not waited for any longer.
func (o *relayOutput) finish(r *relay.Session) {
	o.mu.Lock()
	farewell := o.farewell
	o.mu.Unlock()
	most := relayTimeout / 3
	if !o.spool.settled() {
		most = relayTimeout / 15
	}
	ctx, cancel := context.WithTimeout(farewell, most)
	defer cancel()
	if err := r.Close(ctx); err != nil {
		r.Abort()
	}
	o.mu.Lock()
	c := o.conn
	o.mu.Unlock()
	if c != nil {
		o.account(c)
	}
}

func (o *relayOutput) metadata(p part, text []byte) error {
	text = append([]byte(nil), text...)
	defer o.spool.tell()
	o.mu.Lock()
	defer o.mu.Unlock()
	t := o.texts.of(p)
	t.text = append(t.text[:len(t.text):len(t.text)], text...)
	return o.spool.add(item{metadata: true, do: func(c *connection) error {
		ctx, cancel := o.within()
		defer cancel()
		return o.sendText(ctx, c, p, text)
	}}, nil)
}

// regenerate replaces the text.
func (o *relayOutput) regenerate(p part, text []byte) error {
	text = append([]byte(nil), text...)
	defer o.spool.tell()
	o.mu.Lock()
	defer o.mu.Unlock()
	o.texts.of(p).text = text
	return o.spool.add(item{metadata: true, do: func(c *connection) error {
		ctx, cancel := o.within()
		defer cancel()
		if err := o.addPart(ctx, c, p); err != nil {
			return err
		}
		return o.refused(c.metas[p.place].ResetMetadata(ctx, text))
	}}, nil)
}

// refused tells an error with which the session on the relay goes on, or returns it.
func (o *relayOutput) refused(err error) error {
	if _, ok := errors.AsType[*relay.RefusedError](err); !ok && !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	if o.tell != nil {
		o.tell(err)
	}
	return nil
}

func (o *relayOutput) writer(s *stream) (packetWriter, error) {
	o.mu.Lock()
	o.writers = append(o.writers, s)
	begun := o.begun
	o.mu.Unlock()
	w := &relayWriter{o, s}
	if !begun {
		return w, nil
	}
	return w, o.spool.put(item{do: func(c *connection) error { return o.addStream(c, s) }}, nil)
}

// addStream makes a stream that has come since the session on the relay began. A
// relay that was found since then has it already.
func (o *relayOutput) addStream(c *connection, s *stream) error {
	if c.streams[s] != nil {
		return nil
	}
	ctx, cancel := o.within()
	defer cancel()
	made, err := c.session.AddStreams(ctx, o.options(s))
	if err != nil {
		return err
	}
	c.streams[s] = made[0]
	return o.addPart(ctx, c, s.in)
}

// addPart makes the stream of a part's metadata, unless it is there.
func (o *relayOutput) addPart(ctx context.Context, c *connection, p part) error {
	if c.metas[p.place] != nil {
		return nil
	}
	made, err := c.session.AddStreams(ctx, o.metaOptions(p))
	if err != nil {
		return err
	}
	c.metas[p.place] = made[0]
	return nil
}

// sendText appends to the metadata of a part.
func (o *relayOutput) sendText(ctx context.Context, c *connection, p part, text []byte) error {
	if err := o.addPart(ctx, c, p); err != nil {
		return err
	}
	return c.metas[p.place].SendMetadata(ctx, text)
}

// partsLocked are those that there are.
func (o *relayOutput) partsLocked() []part {
	var all []part
	for _, t := range o.texts {
		all = append(all, t.part)
	}
	for _, s := range o.writers {
		if !slices.ContainsFunc(all, func(p part) bool { return p.place == s.in.place }) {
			all = append(all, s.in)
		}
	}
	return all
}

// textsLocked are the metadata of all parts as they are now.
func (o *relayOutput) textsLocked() []partText {
	var all []partText
	for _, t := range o.texts {
		all = append(all, *t)
	}
	return all
}

func (o *relayOutput) metaOptions(p part) relay.StreamOptions {
	return relay.StreamOptions{
		Channel: "metadata", Path: path.Join(o.trace, p.place), TraceUUID: p.uuid, BigEndian: binary.NativeEndian.Uint16([]byte{0, 1}) == 1,
	}
}

func (o *relayOutput) options(s *stream) relay.StreamOptions {
	return relay.StreamOptions{
		Channel: streamName(s), Path: path.Join(o.trace, s.in.place),
		TracefileSize: s.channel.TracefileBytes, TracefileCount: s.channel.TracefileCount,
		ClassID: s.class, Instance: uint64(s.cpu),
	}
}

// order has something done to the relay, after all packets before it. The function
// that it returns waits for that.
func (o *relayOutput) order(do func(context.Context, *connection) error) (func() error, error) {
	done := make(chan error, 1)
	err := o.spool.put(item{do: func(c *connection) error {
		ctx, cancel := o.within()
		defer cancel()
		done <- do(ctx, c)
		return c.session.Err()
	}}, nil)
	return func() error {
		t := time.NewTimer(2 * relayTimeout)
		defer t.Stop()
		select {
		case err := <-done:
			return err
		case <-o.stopped:
			return errSpoolClosed
		case <-t.C:
			return errors.New("the relay has not got the order: it is lost, or far behind")
		}
	}, err
}

func (o *relayOutput) rotate(handover.Chunk, *os.File) (func() error, error) {
	return o.order(func(ctx context.Context, c *connection) error {
		return o.nextChunk(ctx, c, lttng.CloseMove)
	})
}

func (o *relayOutput) clear(handover.Chunk, *os.File) (func() error, error) {
	return o.order(func(ctx context.Context, c *connection) error {
		if !c.session.ClearAllowed() {
			return errors.New("the relay does not allow to clear")
		}
		return o.nextChunk(ctx, c, lttng.CloseDelete)
	})
}

func (o *relayOutput) nextChunk(ctx context.Context, c *connection, old lttng.CloseCommand) error {
	if err := c.session.Drain(ctx); err != nil {
		return err
	}
	_, err := c.session.Rotate(ctx, relay.Rotation{Command: old, Metadata: func(st *relay.Stream) []byte { return o.allText(c, st) }})
	return err
}

// allText is what a stream of metadata has.
func (o *relayOutput) allText(c *connection, st *relay.Stream) []byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	for place, meta := range c.metas {
		if t := o.texts.find(place); meta == st && t != nil {
			return t.text
		}
	}
	return nil
}

func (o *relayOutput) settle(ctx context.Context) error {
	return o.spool.empty(ctx)
}

// close ends the output; packets that the relay has not got are kept, or lost.
func (o *relayOutput) close(ctx context.Context) (unsent, error) {
	o.mu.Lock()
	o.farewell = ctx
	begun, texts := o.begun, o.textsLocked()
	o.mu.Unlock()
	o.cancel() // first: the end of the spool alone looks like that of the relay
	o.spool.close()
	if begun {
		<-o.stopped
	}
	select {
	case r := <-o.next:
		r.Abort()
	default:
	}
	defer o.spool.free()
	return o.keeper.keep(ctx, o.spool, texts, o.trace, o.origin)
}

// datagrams reports whether packets go to the relay by UDP, and may be lost.
func (o *relayOutput) datagrams() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.conn == nil {
		return false
	}
	_, ok := o.conn.session.UDP()
	return ok
}

// isLost reports whether there is no relay.
func (o *relayOutput) isLost() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return !o.lostAt.IsZero()
}

func (o *relayOutput) status(to *handover.Status) {
	st := o.spool.status()
	o.mu.Lock()
	defer o.mu.Unlock()
	to.Output, to.Connected, to.LostAt, to.LastError = handover.OutputRelay, o.conn != nil, o.lostAt, o.failure
	to.SpoolBytes, to.SpoolOldest, to.SpoolFull = st.bytes, st.oldest, st.full
}

func (o *relayOutput) confirmed(s *stream) uint64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	n := o.numbered[s]
	return n - min(n, o.given[s])
}

// relayWriter puts a stream's packets into the spool.
type relayWriter struct {
	o *relayOutput
	s *stream
}

func (w *relayWriter) write(packet []byte, info ctf.PacketInfo) error {
	return w.o.spool.put(item{stream: w.s, info: info}, packet)
}

// writeWaiting is write that waits for room until ctx ends.
func (w *relayWriter) writeWaiting(ctx context.Context, packet []byte, info ctf.PacketInfo) error {
	for {
		changed := w.o.spool.watch()
		err := w.write(packet, info)
		if !errors.Is(err, errSpoolFull) {
			return err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return errors.Join(err, context.Cause(ctx))
		}
	}
}

// beacon is for viewers: without a relay there are none, and another one gets those
// to come.
func (w *relayWriter) beacon(until uint64) error {
	if w.o.isLost() {
		return nil
	}
	return w.o.spool.beat(w.s, until)
}
