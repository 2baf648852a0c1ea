// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package consumer

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"sync"
	"time"

	"github.com/weir-io/weir/client/relay"
	"github.com/weir-io/weir/internal/handover"
)

// connection is one session on a relay, as this consumer uses it.
type connection struct {
	session *relay.Session
	metas   map[string]*relay.Stream // by places of parts
	streams map[*stream]*relay.Stream
	stored  map[*stream]uint64 // packets that were confirmed, with those of a session before
	lost    map[*stream]uint64 // packets that were given up, as far as they are counted
}

// has reports whether the relay has a packet. It has none of a stream that has come since
// the session there was made: what makes that is in the spool, before its packets.
func (c *connection) has(it *item) bool {
	st := c.streams[it.stream]
	return st != nil && it.info.Sequence < st.Next()
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
	ending  []part             // whose packets have been sent, and whose streams are to be closed
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
	leaving  []*stream          // of parts that end, which the relay does not know yet
	past     map[ringKey]uint64 // confirmed packets of those that have ended
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
		past: make(map[ringKey]uint64), trace: to.Trace, opened: to.Known, known: to.Known, spool: q, keeper: k, onLost: onLost, stopped: make(chan struct{}), next: make(chan *relay.Session, 1),
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
			if err := o.closeEnded(c); err != nil {
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
		has := c.has(it)
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

func (o *relayOutput) options(s *stream) relay.StreamOptions {
	return relay.StreamOptions{
		Channel: streamName(s), Path: path.Join(o.trace, s.in.place),
		TracefileSize: s.channel.TracefileBytes, TracefileCount: s.channel.TracefileCount,
		ClassID: s.class, Instance: uint64(s.cpu),
	}
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
