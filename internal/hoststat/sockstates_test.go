// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package hoststat

import (
	"errors"
	"net"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/kernel/sockdiag"
	"github.com/weir-io/weir/internal/wait"
)

// Sockets of this process are among those that are counted.
func TestSockStates(t *testing.T) {
	e := newEngine(t, Options{SlowPeriod: 20 * time.Millisecond})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	wait.Until(t, "the listener is counted", func() bool {
		got := sectionOf(t, e, "proc/net/sockstates")
		n, err := strconv.Atoi(got["proc/net/sockstates/tcpstate[listen]/inet"])
		return err == nil && n > 0 && got["proc/net/sockstates/tcpstate[closing]/inet6"] != ""
	})
}

func TestSockStatesByFamily(t *testing.T) {
	e := newEngine(t, Options{SlowPeriod: 20 * time.Millisecond})
	r := e.sectionOf("proc/net/sockstates").reader.(*sockStatesReader)
	var six error
	r.count = func(f sockdiag.Family) (c sockdiag.Counts, err error) {
		if f == sockdiag.Inet6 {
			return c, six
		}
		c[1], c[11] = 7, 9
		return c, nil
	}
	six = unix.EAFNOSUPPORT
	want(t, sectionOf(t, e, "proc/net/sockstates"), "proc/net/sockstates/tcpstate[", map[string]string{
		"established]/inet": "7", "closing]/inet": "9", "established]/inet6": "0", "listen]/inet": "0",
	})
	for err, absent := range map[error]bool{unix.ENOENT: true, unix.EPROTONOSUPPORT: true, unix.EPERM: false, unix.ENOBUFS: false} {
		if got := absentOr(err); errors.Is(got, errAbsent) != absent {
			t.Errorf("%v: %v", err, got)
		}
	}
}

// A fixture has no sockets.
func TestNoSockStates(t *testing.T) {
	e := files{"proc/net/sockstat": "sockets: used 1\n"}.engine(t)
	if got := sectionOf(t, e, "proc/net/sockstates"); len(got) > 0 {
		t.Errorf("%v", got)
	}
}
