// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package sockdiag

import (
	"encoding/binary"
	"errors"
	"net"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/wait"
)

// Sockets of this test are counted, by family and state.
func TestCount(t *testing.T) {
	for family, address := range map[Family]string{Inet: "127.0.0.1:0", Inet6: "[::1]:0"} {
		before, err := Count(family)
		if err != nil {
			t.Fatal(err)
		}
		const listeners = 200 // other programs come and go
		var all []net.Listener
		for range listeners {
			l, err := net.Listen("tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			all = append(all, l)
		}
		var conns []net.Conn
		for _, l := range all {
			c, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			conns = append(conns, c)
		}
		listen, established := State(10), State(1)
		wait.Until(t, "all are counted", func() bool {
			now, err := Count(family)
			return err == nil && now[listen] >= before[listen]+listeners/2 && now[established] >= before[established]+listeners
		})
		for i := range conns {
			conns[i].Close()
			all[i].Close()
		}
		wait.Until(t, "they are gone", func() bool {
			now, err := Count(family)
			return err == nil && now[listen] < before[listen]+listeners/2
		})
	}
}

// message is a message of netlink.
func message(kind uint16, body ...byte) []byte {
	b := binary.NativeEndian.AppendUint32(nil, uint32(headerLen+len(body)))
	b = binary.NativeEndian.AppendUint16(b, kind)
	b = append(append(b, make([]byte, 10)...), body...)
	return append(b, make([]byte, (align-len(b)%align)%align)...)
}

func join(parts ...[]byte) (all []byte) {
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

func TestAdd(t *testing.T) {
	socket := func(state byte) []byte { return message(byFamily, unix.AF_INET, state, 0, 0, 9, 9, 9) }
	for name, tt := range map[string]struct {
		in   []byte
		done bool
		want string // of the error
	}{
		"nothing":       {nil, false, ""},
		"some":          {join(socket(1), socket(10), socket(1)), false, ""},
		"the end":       {join(socket(1), socket(10), socket(1), message(unix.NLMSG_DONE, 0, 0, 0, 0), []byte("rest")), true, ""},
		"other kinds":   {join(socket(1), message(unix.NLMSG_NOOP), socket(10), socket(1), socket(0), socket(12), socket(255)), false, ""},
		"a short head":  {socket(1)[:15], false, "header at offset 0: 15 bytes, want 16"},
		"a long length": {socket(1)[:20], false, "length 23, want 16 to 20"},
		"no length":     {make([]byte, 16), false, "length 0, want 16 to 16"},
		"a short body":  {join(socket(1), message(byFamily, 2, 1)), false, "socket at offset 24: 2 bytes, want 4 at least"},
		"an error":      {message(unix.NLMSG_ERROR, errorOf(unix.EPERM)...), false, "operation not permitted"},
		"a short error": {message(unix.NLMSG_ERROR, 1), false, "error at offset 0: 1 bytes, want 4"},
		"an answer":     {message(unix.NLMSG_ERROR, 0, 0, 0, 0), false, "acknowledgement at offset 0"},
	} {
		var c Counts
		done, err := walk(tt.in, c.add)
		if done != tt.done || (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, %v, want %v, %s", name, done, err, tt.done, tt.want)
		}
		if tt.want == "" && tt.in != nil && (c[1] != 2 || c[10] != 1) {
			t.Errorf("%s: %v", name, c)
		}
	}
	var c Counts
	if _, err := walk(message(unix.NLMSG_ERROR, errorOf(unix.ENOENT)...), c.add); !errors.Is(err, unix.ENOENT) {
		t.Errorf("%v is no ENOENT", err)
	}
}

func errorOf(e unix.Errno) []byte { return binary.NativeEndian.AppendUint32(nil, uint32(-int32(e))) }

// Cut anywhere, a datagram is counted up to there or refused.
func TestCutAtEveryByte(t *testing.T) {
	whole := join(message(byFamily, 2, 1, 0, 0), message(byFamily, 2, 10, 0, 0), message(unix.NLMSG_DONE, 0, 0, 0, 0))
	const socket = 20
	for n := range whole {
		var c Counts
		done, err := walk(whole[:n], c.add)
		sockets := c[1] + c[10]
		if done || err == nil != (n%socket == 0) || sockets != uint64(n/socket) {
			t.Errorf("%d bytes: %v, %v, %d sockets", n, done, err, sockets)
		}
	}
}

func TestStates(t *testing.T) {
	seen := map[string]bool{}
	for s := First; s <= Last; s++ {
		if s.String() == "" || seen[s.String()] {
			t.Errorf("state %d is called %q", s, s)
		}
		seen[s.String()] = true
	}
}

func FuzzAdd(f *testing.F) {
	f.Add(join(message(byFamily, 2, 1, 0, 0), message(unix.NLMSG_DONE)))
	f.Add(message(unix.NLMSG_ERROR, errorOf(unix.EPERM)...))
	f.Fuzz(func(t *testing.T, b []byte) {
		var c Counts
		_, _ = walk(b, c.add)
		sum := uint64(0)
		for _, n := range c {
			sum += n
		}
		if sum > uint64(len(b)/headerLen) {
			t.Errorf("%d sockets of %d bytes", sum, len(b))
		}
	})
}

func BenchmarkCount(b *testing.B) {
	for b.Loop() {
		if _, err := Count(Inet); err != nil {
			b.Fatal(err)
		}
	}
}
