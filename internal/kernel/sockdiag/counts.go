// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package sockdiag

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// State is a state of TCP, by the kernel's number.
type State uint8

// Bounds of states.
const (
	First State = 1
	Last  State = 11
)

// names are the states by their numbers.
var names = [Last + 1]string{
	1: "established", 2: "syn_sent", 3: "syn_recv", 4: "fin_wait1", 5: "fin_wait2", 6: "timewait", 7: "close", 8: "close_wait", 9: "last_ack",
	10: "listen", 11: "closing",
}

// String returns the name of a state.
func (s State) String() string { return names[s] }

// Counts are numbers of sockets by state.
type Counts [Last + 1]uint64

// Count counts the sockets of TCP of a family, in the network name space of the
// thread.
func Count(f Family) (Counts, error) {
	var c Counts
	if err := dump(f, unix.IPPROTO_TCP, c.add); err != nil {
		return Counts{}, err
	}
	return c, nil
}

// messageLeast is what is read of an inet_diag_msg: family 1, state 1, timer 1,
// retransmits 1.
const messageLeast = 4

// add counts a socket.
func (c *Counts) add(at int, body []byte) error {
	if len(body) < messageLeast {
		return fmt.Errorf("socket monitoring: socket at offset %d: %d bytes, want %d at least", at, len(body), messageLeast)
	}
	if state := State(body[1]); state >= First && state <= Last {
		c[state]++
	}
	return nil
}
