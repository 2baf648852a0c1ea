// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package sockdiag

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Family is an address family.
type Family uint8

// Families.
const (
	Inet  Family = unix.AF_INET
	Inet6 Family = unix.AF_INET6
)

// Sizes and numbers of linux/netlink.h, linux/sock_diag.h and linux/inet_diag.h.
const (
	headerLen  = 16 // nlmsghdr: length 4, type 2, flags 2, sequence 4, port 4
	requestLen = 56 // inet_diag_req_v2: family 1, protocol 1, extensions 1, pad 1, states 4, id 48
	byFamily   = 20 // SOCK_DIAG_BY_FAMILY
	allStates  = 1<<(Last+1) - 2
	align      = 4

	bufferLen = 64 << 10        // above what the kernel puts into one datagram, 32 KiB
	patience  = 5 * time.Second // for each datagram
)

// rooms are buffers for datagrams: who asks again and again does not leave one behind
// each time.
var rooms = sync.Pool{New: func() any { return new([bufferLen]byte) }}

// dump calls a function with the message of each socket of a protocol and a family, in
// the network name space of the thread: its offset in a datagram, and what it says, which is valid until the function returns.
func dump(f Family, protocol byte, each func(at int, body []byte) error) error {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return fmt.Errorf("socket monitoring: %w", err)
	}
	defer unix.Close(fd)
	timeout := unix.NsecToTimeval(int64(patience))
	err = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &timeout)
	if err == nil {
		err = unix.Sendto(fd, request(f, protocol), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK})
	}
	if err != nil {
		return fmt.Errorf("socket monitoring: %w", err)
	}
	buf := rooms.Get().(*[bufferLen]byte)
	defer rooms.Put(buf)
	for {
		n, _, err := unix.Recvfrom(fd, buf[:], 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return fmt.Errorf("socket monitoring: %w", err)
		}
		if done, err := walk(buf[:n], each); done || err != nil {
			return err
		}
	}
}

// request asks for all sockets of a protocol and a family.
func request(f Family, protocol byte) []byte {
	b := make([]byte, 0, headerLen+requestLen)
	b = binary.NativeEndian.AppendUint32(b, headerLen+requestLen)
	b = binary.NativeEndian.AppendUint16(b, byFamily)
	b = binary.NativeEndian.AppendUint16(b, unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	b = append(b, make([]byte, 8)...)
	b = append(b, byte(f), protocol, 0, 0)
	b = binary.NativeEndian.AppendUint32(b, allStates)
	return append(b, make([]byte, headerLen+requestLen-len(b))...)
}

// walk goes through the messages of a datagram. It reports true with the last one.
func walk(b []byte, each func(at int, body []byte) error) (done bool, err error) {
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
			if err := each(at, body); err != nil {
				return false, err
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
