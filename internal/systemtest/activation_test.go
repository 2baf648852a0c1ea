// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package systemtest

import (
	"net"
	"slices"
	"strings"
	"testing"
)

// activate opens the ports of the addresses and names as a service manager
// does, and starts weir with them at the first connection, which this makes. It
// returns when weir says that it is up.
func (m *machine) activate(names, addresses []string, args ...string) *process {
	m.Helper()
	command := []string{"systemd-socket-activate", "--fdname=" + strings.Join(names, ":")}
	for _, a := range addresses {
		command = append(command, "--listen="+a)
	}
	p := m.start(append(command, args...)...)
	var first net.Conn
	m.until("the activator listens", func() bool {
		var err error
		first, err = net.Dial("tcp", addresses[len(addresses)-1])
		return err == nil
	})
	m.Cleanup(func() { first.Close() })
	return p
}

// weir up serves on the sockets that a service manager has opened, in the place
// of the configured addresses, and opens itself what nobody has opened: here the
// viewers' port. Producers, viewers and clients of the HTTP interface find it.
func TestUpBySocketActivation(t *testing.T) {
	isolated(t, func(m *machine) {
		// The configured ports belong to somebody else: only sockets that were
		// handed over can be served on.
		for _, taken := range []string{"127.0.0.1:6342", "127.0.0.1:6343", "127.0.0.1:6347"} {
			l, err := net.Listen("tcp", taken)
			if err != nil {
				m.Fatal(err)
			}
			defer l.Close()
		}
		up := m.activate(
			[]string{"control", "data", "http"}, []string{"127.0.0.1:5342", "127.0.0.1:5343", "127.0.0.1:9347"},
			"--setenv=WEIR_HUB_OUTPUT_DIR="+m.out, "--setenv=WEIR_RELAY_CONTROL_URL=tcp://127.0.0.1:6342",
			"--setenv=WEIR_RELAY_DATA_URL=tcp://127.0.0.1:6343", "--setenv=WEIR_HTTP_LISTEN=127.0.0.1:6347",
			m.weir(), "up", "--state-dir", m.mkdir("state"),
		)
		up.awaitLines("it is up", func(lines []string) bool { return slices.Contains(lines, "weir is up.") })
		m.startSessiond()
		s := m.createLive("activated")
		a := m.startApp(0, 20)
		a.emit(1000, 0)
		v := m.view(s.name + "@begin")
		v.await(0, 1000)
		a.finish()
		s.destroy()
		m.wantEvents("viewer", v.finish(), a.all())
		m.wantEvents("stored", m.readTree(m.out), a.all())
		if out, errs, code := m.try(m.weir(), "sessions"); code != 0 || !strings.Contains(out, s.name) {
			m.Errorf("weir sessions: exit code %d, want 0 and session %s\n%s%s", code, s.name, out, errs)
		}
		up.stop()
	})
}

// A socket of a name that weir does not know is an error, not one more port that
// nobody serves.
func TestUpRefusesUnknownSocket(t *testing.T) {
	isolated(t, func(m *machine) {
		up := m.activate([]string{"contol"}, []string{"127.0.0.1:5342"}, m.weir(), "up", "--state-dir", m.mkdir("state"))
		if code := up.wait(); code != 1 || !strings.Contains(up.errors(), `unexpected socket named "contol"`) {
			m.Errorf("exit code %d, want 1 and the socket's name:\n%s", code, up.errors())
		}
	})
}
