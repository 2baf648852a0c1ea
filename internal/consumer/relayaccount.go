// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package consumer

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

// dropQueued gives up the packets that no relay was sent; they are counted, and
// their successors' numbers tell.
func (o *relayOutput) dropQueued() {
	losing(o.spool.discardUnsent()).tell()
}

func (o *relayOutput) confirmed(s *stream) uint64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.storedLocked(s)
}
