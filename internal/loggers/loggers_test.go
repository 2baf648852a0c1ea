// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package loggers

import (
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/client/agent"
	"github.com/weir-io/weir/internal/loggers/wire"
	"github.com/weir-io/weir/internal/peer"
)

// of returns a domain of a source.
func of(s *Source, d wire.Domain) *Domain { return &Domain{s, d} }

func uid() uint32 { return uint32(os.Getuid()) }

// Agents that were there, and those that come later, are told the same, and all of it
// is taken back when the session ends.
func TestSession(t *testing.T) {
	s, _ := serve(t, patience)
	first := join(t, s, wire.Log4j)
	first.want("done")
	other := join(t, s, wire.JUL)
	other.want("done")

	tr := of(s, wire.Log4j).Open("s", uid())
	errors := agent.EventRule{Type: agent.Tracepoint, Pattern: "app.db", LogLevel: "error", Filter: "lineno > 3"}
	all := agent.EventRule{Type: agent.AllEvents, Pattern: "*", LogLevel: "LOG4J_DEBUG", LogLevelOnly: true}
	tr.SetRule(&errors, true)
	tr.SetRule(&all, true)
	tr.AddContext("db", "user")
	of(s, wire.Python).Open("s", uid()).AddContext("db", "user") // which agents there do not know
	python := join(t, s, wire.Python)
	python.want("done")
	enabled := []string{
		`enable app.db 1 40000 ((lineno > 3) && (logger_name == "app.db")) && (int_loglevel >= 40000)`,
		`enable * 2 10000 int_loglevel == 10000`,
	}
	first.want(enabled[0], enabled[1], "context 5 db:user")

	foreign := of(s, wire.Log4j).Open("foreign", uid()+1)
	later := join(t, s, wire.Log4j)
	if uid() == 0 { // who is not told of the sessions of others
		foreign.SetRule(&all, true)
	}
	later.want("context 5 db:user", enabled[1], enabled[0], "done")
	tr.SetRule(&errors, false)
	first.want("disable app.db")
	later.want("disable app.db")
	foreign.Close()
	tr.Close()
	first.want("disable *", "context 6 db:user")
	later.want("disable *", "context 6 db:user")
	again := join(t, s, wire.Log4j)
	again.want("done")
	for _, f := range []*fake{first, later, other, python} {
		if len(f.got) > 0 {
			t.Errorf("an agent is told %q, too", <-f.got)
		}
	}
}

// TestList lists the loggers of those that answer.
func TestList(t *testing.T) {
	s, _ := serve(t, patience)
	for _, names := range [][]string{{"a", "b.c"}, nil, {"d"}} {
		join(t, s, wire.Log4j, names...).want("done")
	}
	join(t, s, wire.Python, "other").want("done")
	got, err := s.List(t.Context(), uid(), "log4j")
	var names []string
	for _, l := range got {
		names = append(names, l.Name)
		if l.PID != int32(os.Getpid()) || l.UID != uid() || l.Process != os.Args[0] {
			t.Errorf("%+v: want process %d of user %d, %s", l, os.Getpid(), uid(), os.Args[0])
		}
	}
	if err != nil || !slices.Equal(names, []string{"a", "b.c", "d"}) {
		t.Errorf("loggers %q, %v", names, err)
	}
	if got, err := s.List(t.Context(), uid()+1, "log4j"); err != nil || len(got) > 0 && uid()+1 != 0 {
		t.Errorf("loggers of others' programs: %v, %v", got, err)
	}
	if _, err := s.List(t.Context(), 0, "kernel"); err == nil {
		t.Error("loggers of the kernel: no error")
	}
}

// TestAcceptSurvives has agents let in again after errors, such as too many open files.
func TestAcceptSurvives(t *testing.T) {
	fail := make(chan error, 3)
	for _, err := range []error{unix.EMFILE, unix.ENFILE, unix.ECONNABORTED} {
		fail <- &net.OpError{Op: "accept", Err: os.NewSyscallError("accept4", err)}
	}
	s, told := serveWith(t, patience, func(s *Source) {
		accept := s.accept
		s.accept = func() (*net.TCPConn, error) {
			select {
			case err := <-fail:
				return nil, err
			default:
				return accept()
			}
		}
	})
	join(t, s, wire.Python).want("done")
	told.await(t, "agents register again")
	if err := s.Check(); err != nil || len(fail) > 0 {
		t.Errorf("Check() = %v after %d errors too few", err, len(fail))
	}
}

// TestHostile has agents that break the protocol dropped and told, and others served all
// the while.
func TestHostile(t *testing.T) {
	s, told := serve(t, time.Second)
	good := join(t, s, wire.Python, "good")
	good.want("done")
	tr := of(s, wire.Python).Open("s", uid())
	n := 0
	check := func() {
		t.Helper()
		n++
		r := agent.EventRule{Type: agent.Tracepoint, Pattern: fmt.Sprint("l", n)}
		tr.SetRule(&r, true)
		good.want(fmt.Sprintf(`enable l%d 0 -2147483648 logger_name == "l%d"`, n, n))
	}
	pid := uint32(os.Getpid())
	for _, c := range []struct {
		name string
		say  []byte
		told string
	}{
		{"garbage", []byte("GET / HTTP/1.1\r\n"), "want domain 3"},
		{"another domain", (&wire.Registration{Domain: 9, PID: pid, Major: 2}).Append(nil), "got 9, want domain 3"},
		{"another version", (&wire.Registration{Domain: wire.Python, PID: pid, Major: 3}).Append(nil), "got version 3.0, want 2.x"},
		{"no process", (&wire.Registration{Domain: wire.Python, PID: 1<<31 - 1, Major: 2}).Append(nil), "got 2147483647, want a process of the user's"},
		{"half a message", registration(wire.Python)[:9], "i/o timeout"},
		{"unasked", append(registration(wire.JUL), 0, 0, 0, 1), errUnasked.Error()},
	} {
		conn := dial(t, s)
		if _, err := conn.Write(c.say); err != nil {
			t.Fatal(err)
		}
		gone(t, conn)
		told.await(t, c.told)
		check()
	}
	for _, c := range []struct {
		name   string
		answer []byte
		told   string
	}{
		{"no answer", nil, errSlow.Error()},
		{"half an answer", []byte{0, 0, 0}, errSlow.Error()},
		{"no such status", []byte{0, 0, 0, 7}, "status, offset 0: got 7"},
		{"two answers", []byte{0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1}, errUnasked.Error()},
	} {
		bad := dial(t, s)
		if _, err := bad.Write(registration(wire.Python)); err != nil {
			t.Fatal(err)
		}
		f := &fake{t: t, conn: bad}
		if _, _, err := f.next(); err != nil {
			t.Fatalf("%s: not even told of the session: %v", c.name, err)
		}
		if _, err := bad.Write(c.answer); err != nil {
			t.Fatal(err)
		}
		gone(t, bad)
		told.await(t, c.told)
		check()
	}
	tr.Close()
	for range n {
		<-good.got // disables
	}
	for _, c := range []struct {
		name, told string
		answer     []byte
	}{
		{"a list of 4 GiB", "4294967295 bytes, want at most", []byte{0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 1}},
		{"a list of 4 G names", "4294967295 names in 4 bytes", []byte{0, 0, 0, 1, 0, 0, 0, 4, 0xff, 0xff, 0xff, 0xff, 'a', 0, 'b', 0}},
		{"names without end", "a name without end", []byte{0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 1, 'a', 'b'}},
	} {
		bad := dial(t, s)
		if _, err := bad.Write(registration(wire.Python)); err != nil {
			t.Fatal(err)
		}
		f := &fake{t: t, conn: bad}
		if text, _, err := f.next(); err != nil || text != "done" {
			t.Fatalf("%s: told %q, %v", c.name, text, err)
		}
		go func() { // the connection ends it
			if _, _, err := f.next(); err == nil {
				_, _ = bad.Write(c.answer) // it may be dropped already
			}
		}()
		got, err := s.List(t.Context(), uid(), "python")
		if err != nil || len(got) != 1 || got[0].Name != "good" {
			t.Errorf("%s: %v, %v; want that of the good agent", c.name, got, err)
		}
		good.want("list")
		gone(t, bad)
		told.await(t, c.told)
	}
}

// TestFlood connects more often than may wait: a new agent is served all the same.
func TestFlood(t *testing.T) {
	s, _ := serve(t, patience)
	var idle []net.Conn
	for range 2 * maxPending {
		idle = append(idle, dial(t, s))
	}
	join(t, s, wire.Python, "good").want("done")
	for _, c := range idle[:maxPending/2] {
		gone(t, c)
	}
	s.mu.Lock()
	waiting := len(s.pending)
	s.mu.Unlock()
	if waiting > maxPending {
		t.Errorf("%d connections wait, want %d at most", waiting, maxPending)
	}
}

// TestShare gives one user a share of the agents, and root more.
func TestShare(t *testing.T) {
	s := New(Options{})
	of := func(uid uint32) *program { return &program{s: s, uid: uid} }
	for i := range maxOfUser + 1 {
		if err := s.join(of(1000)); (err != nil) != (i == maxOfUser) {
			t.Fatalf("agent %d of a user: %v", i, err)
		}
	}
	if err := s.join(of(1001)); err != nil {
		t.Errorf("an agent of another user: %v", err)
	}
	for range maxPrograms - maxOfUser - 1 {
		if err := s.join(of(0)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.join(of(0)); err == nil {
		t.Error("one agent too many: no error")
	}
}

// TestPort takes the first of the usual ports that is free, or the one that is said.
func TestPort(t *testing.T) {
	first, err := listen(0)
	if err != nil {
		peer.Lack(t, "one of LTTng's ports: %v", err)
	}
	defer first.Close()
	port := first.Addr().(*net.TCPAddr).Port
	if port < DefaultPort || port > lastPort {
		t.Errorf("port %d, want %d to %d", port, DefaultPort, lastPort)
	}
	if l, err := listen(uint16(port)); err == nil {
		l.Close()
		t.Errorf("port %d twice", port)
	}
	if second, err := listen(0); err == nil {
		defer second.Close()
		if p := second.Addr().(*net.TCPAddr).Port; p <= port {
			t.Errorf("port %d after %d", p, port)
		}
	}
}

// TestRules makes what the host records of rules.
func TestRules(t *testing.T) {
	s := New(Options{})
	for _, c := range []struct {
		d    wire.Domain
		rule agent.EventRule
		want string
	}{
		{wire.JUL, agent.EventRule{Pattern: "a.*", LogLevel: "INFO"}, `(logger_name == "a.*") && (int_loglevel >= 800)`},
		{wire.JUL, agent.EventRule{Pattern: "*", LogLevel: "JUL_all"}, `int_loglevel >= -2147483648`},
		{wire.Log4j, agent.EventRule{Pattern: "a", LogLevel: "warn", LogLevelOnly: true}, `(logger_name == "a") && (int_loglevel == 30000)`},
		{wire.Python, agent.EventRule{Pattern: "*"}, ``},
	} {
		c.rule.Type = agent.Tracepoint
		got, err := of(s, c.d).Rule(&c.rule)
		if pattern := "lttng_" + c.d.String() + ":*"; err != nil || got.Filter != c.want || got.Pattern != pattern {
			t.Errorf("%s %+v: %q, filter %q, %v; want %q, %q", c.d, c.rule, got.Pattern, got.Filter, err, pattern, c.want)
		}
	}
	for _, r := range []agent.EventRule{
		{Type: agent.Syscall, Pattern: "a"},
		{Type: agent.Tracepoint, Pattern: ""},
		{Type: agent.Tracepoint, Pattern: strings.Repeat("a", wire.NameLen)},
		{Type: agent.Tracepoint, Pattern: `a"`},
		{Type: agent.Tracepoint, Pattern: "a", Exclusions: []string{"b"}},
		{Type: agent.Tracepoint, Pattern: "a", Filter: "x >"},
		{Type: agent.Tracepoint, Pattern: "a", LogLevel: "LOUD"},
		{Type: agent.Tracepoint, Pattern: "a", LogLevel: "30"},
	} {
		if got, err := of(s, wire.Python).Rule(&r); err == nil {
			t.Errorf("rule %+v is taken: %q", r, got.Filter)
		}
	}
}
