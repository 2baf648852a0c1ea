// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package sockdiag is the door to the kernel's socket monitoring: it counts the
// sockets of TCP by their states (inet_diag over netlink, linux/inet_diag.h).
//
// The kernel goes through its tables of sockets for that and writes a message of
// some 100 bytes for each. They are counted as they come, so that memory does not
// grow with them; time does, by about 1 µs a socket.
package sockdiag

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

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

// Family is an address family.
type Family uint8

// Families.
const (
	Inet  Family = unix.AF_INET
	Inet6 Family = unix.AF_INET6
)

// Sizes and numbers of linux/netlink.h, linux/sock_diag.h and linux/inet_diag.h.
const (
	headerLen    = 16 // nlmsghdr: length 4, type 2, flags 2, sequence 4, port 4
	requestLen   = 56 // inet_diag_req_v2: family 1, protocol 1, extensions 1, pad 1, states 4, id 48
	messageLeast = 4  // of inet_diag_msg: family 1, state 1, timer 1, retransmits 1
	byFamily     = 20 // SOCK_DIAG_BY_FAMILY
	allStates    = 1<<(Last+1) - 2
	align        = 4

	bufferLen = 64 << 10        // above what the kernel puts into one datagram, 32 KiB
	patience  = 5 * time.Second // for each datagram
)

// Count counts the sockets of TCP of a family, in the network name space of the
// thread.
func Count(f Family) (Counts, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return Counts{}, fmt.Errorf("socket monitoring: %w", err)
	}
	defer unix.Close(fd)
	timeout := unix.NsecToTimeval(int64(patience))
	err = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &timeout)
	if err == nil {
		err = unix.Sendto(fd, request(f), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK})
	}
	if err != nil {
		return Counts{}, fmt.Errorf("socket monitoring: %w", err)
	}
	var c Counts
	buf := make([]byte, bufferLen)
	for {
		n, _, err := unix.Recvfrom(fd, buf, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return Counts{}, fmt.Errorf("socket monitoring: %w", err)
		}
		done, err := c.add(buf[:n])
		if done || err != nil {
			return c, err
		}
	}
}

// request asks for all sockets of TCP of a family.
func request(f Family) []byte {
	b := make([]byte, 0, headerLen+requestLen)
	b = binary.NativeEndian.AppendUint32(b, headerLen+requestLen)
	b = binary.NativeEndian.AppendUint16(b, byFamily)
	b = binary.NativeEndian.AppendUint16(b, unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	b = append(b, make([]byte, 8)...)
	b = append(b, byte(f), unix.IPPROTO_TCP, 0, 0)
	b = binary.NativeEndian.AppendUint32(b, allStates)
	return append(b, make([]byte, headerLen+requestLen-len(b))...)
}

// add counts the messages of a datagram. It reports true with the last one.
func (c *Counts) add(b []byte) (done bool, err error) {
	for at := 0; at < len(b); {
		if len(b)-at < headerLen {
			return false, fmt.Errorf("socket monitoring: header at offset %d: %d bytes, want %d", at, len(b)-at, headerLen)
		}
		length := int(binary.NativeEndian.Uint32(b[at:]))
		if length < headerLen || length > len(b)-at {
			return false, fmt.Errorf("socket monitoring: message at offset %d: length %d, want %d to %d", at, length, headerLen, len(b)-at)
		}
		body := b[at+headerLen : at+length]
		switch kind := binary.NativeEndian.Uint16(b[at+4:]); kind {
		case unix.NLMSG_DONE:
			return true, nil
		case unix.NLMSG_ERROR:
			return false, failure(at, body)
		case byFamily:
			if len(body) < messageLeast {
				return false, fmt.Errorf("socket monitoring: socket at offset %d: %d bytes, want %d at least", at, len(body), messageLeast)
			}
			if state := State(body[1]); state >= First && state <= Last {
				c[state]++
			}
		}
		at += (length + align - 1) / align * align
	}
	return false, nil
}

// failure is what the kernel answers instead.
func failure(at int, body []byte) error {
	if len(body) < 4 {
		return fmt.Errorf("socket monitoring: error at offset %d: %d bytes, want 4 at least", at, len(body))
	}
	code := int32(binary.NativeEndian.Uint32(body))
	if code == 0 {
		return fmt.Errorf("socket monitoring: acknowledgement at offset %d, want sockets", at)
	}
	return fmt.Errorf("socket monitoring: %w", unix.Errno(-code))
}
