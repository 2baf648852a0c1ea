// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package sockdiag

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/sys/unix"
)

// Queues are how many bytes wait in sockets: what was received and not read, and what
// was sent and is not on its way.
type Queues struct{ Receive, Send uint64 }

// CountQueues adds up the queues of the sockets of UDP of a family, in the network
// name space of the thread. A kernel that monitors those of TCP only gives ENOENT.
func CountQueues(f Family) (Queues, error) {
	var q Queues
	if err := dump(f, unix.IPPROTO_UDP, q.add); err != nil {
		return Queues{}, err
	}
	return q, nil
}

// Places in an inet_diag_msg: family 1, state 1, timer 1, retransmits 1, id 48,
// expires 4, receive queue 4, send queue 4.
const (
	receiveAt = 56
	sendAt    = 60
	queuesEnd = 64
)

// add adds a socket.
func (q *Queues) add(at int, body []byte) error {
	if len(body) < queuesEnd {
		return fmt.Errorf("socket monitoring: socket at offset %d: %d bytes, want %d at least", at, len(body), queuesEnd)
	}
	q.Receive += uint64(binary.NativeEndian.Uint32(body[receiveAt:]))
	q.Send += uint64(binary.NativeEndian.Uint32(body[sendAt:]))
	return nil
}
