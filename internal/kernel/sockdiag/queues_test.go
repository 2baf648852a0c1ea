// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package sockdiag

import (
	"encoding/binary"
	"net"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/wait"
)

// What nobody has read of a socket is counted, by family, until it is closed.
func TestCountQueues(t *testing.T) {
	for family, address := range map[Family]string{Inet: "127.0.0.1:0", Inet6: "[::1]:0"} {
		before, err := CountQueues(family)
		if err != nil {
			t.Fatal(err)
		}
		server, err := net.ListenPacket("udp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer server.Close()
		client, err := net.Dial("udp", server.LocalAddr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		const packets, size = 50, 1000
		for range packets {
			if _, err := client.Write(make([]byte, size)); err != nil {
				t.Fatal(err)
			}
		}
		wait.Until(t, "what waits is counted", func() bool {
			now, err := CountQueues(family)
			return err == nil && now.Receive >= before.Receive+packets*size
		})
		server.Close()
		wait.Until(t, "it is gone", func() bool {
			now, err := CountQueues(family)
			return err == nil && now.Receive < before.Receive+packets*size
		})
	}
}

func TestAddQueues(t *testing.T) {
	socket := func(receive, send uint32) []byte {
		body := make([]byte, 72)
		binary.NativeEndian.PutUint32(body[receiveAt:], receive)
		binary.NativeEndian.PutUint32(body[sendAt:], send)
		return message(byFamily, body...)
	}
	var q Queues
	done, err := walk(join(socket(1, 2), message(unix.NLMSG_NOOP), socket(1<<32-1, 3), message(unix.NLMSG_DONE)), q.add)
	if want := (Queues{1 << 32, 5}); !done || err != nil || q != want {
		t.Errorf("%+v, %v, %v, want %+v", q, done, err, want)
	}
	if _, err := walk(message(byFamily, make([]byte, queuesEnd-1)...), q.add); err == nil || !strings.Contains(err.Error(), "63 bytes, want 64") {
		t.Errorf("of a short message: %v", err)
	}
}
