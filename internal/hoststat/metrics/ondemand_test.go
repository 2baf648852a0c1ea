// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weir-io/weir/internal/hoststat"
	"github.com/weir-io/weir/internal/wait"
)

// The states of sockets are counted for who asks for them by name, and for nobody
// else: not for a plain scrape, nor a hub.
func TestSocketStatesOnDemand(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s := newServer(t, hoststat.Options{SlowPeriod: 20 * time.Millisecond})
	const listening = "weir_tcp_sockets|family=inet|state=listen"
	for _, query := range []string{"", "?off=loadavg"} {
		if strings.Contains(exposition(t, s.Native, query), "weir_tcp_sockets") {
			t.Errorf("%q has them counted", query)
		}
	}
	for _, section := range s.views[0].o.Engine.Sections() {
		if section.Path == "proc/net/sockstates" && section.Cost.Calls > 0 {
			t.Errorf("they were counted %d times for nobody", section.Cost.Calls)
		}
	}
	wait.Until(t, "the listener is counted", func() bool {
		got := parse(t, exposition(t, s.Native, "?on=sockstates&on=loadavg")).samples
		_, ok := got["weir_load1"]
		return ok && got[listening] > 0
	})
	if got := Selectors(); slices.Contains(got, "/proc/net/sockstates") || !slices.Contains(got, "/proc/net/sockstat") {
		t.Errorf("a hub asks for %v", got)
	}
}
