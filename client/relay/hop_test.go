// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/weir-io/weir/lttng"
)

// hopper answers the first line and passes the rest to a peer.
type hopper struct {
	answer string
	lines  []string
	dialed []string
}

func (h *hopper) dial(p *peer) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		h.dialed = append(h.dialed, network+" "+address)
		client, server := net.Pipe()
		line := make(chan string, 1)
		go func() { // ends with the client's end
			var b []byte
			one := make([]byte, 1)
			for len(b) == 0 || b[len(b)-1] != '\n' {
				if _, err := io.ReadFull(server, one); err != nil {
					server.Close()
					return
				}
				b = append(b, one[0])
			}
			line <- string(b)
			if _, err := io.WriteString(server, h.answer); err != nil || !strings.HasPrefix(h.answer, "200 ") {
				server.Close()
				return
			}
			if strings.Contains(string(b), ":5343") {
				p.takeData(server)
			} else {
				p.serve(server)
			}
		}()
		return &lined{Conn: client, line: line, h: h}, nil
	}
}

// lined notes the line when the answer to it is read.
type lined struct {
	net.Conn
	line chan string
	h    *hopper
}

func (l *lined) Read(b []byte) (int, error) {
	n, err := l.Conn.Read(b)
	select {
	case line := <-l.line:
		l.h.lines = append(l.h.lines, line)
	default:
	}
	return n, err
}

// A chain is asked of its first hop, for either end.
func TestHops(t *testing.T) {
	h := &hopper{answer: "200 OK\n"}
	p := newPeer()
	u, err := lttng.ParseURL("tcp://hop1:99,tcp6://[::1]:98,net4://relay/sub")
	if err != nil {
		t.Fatal(err)
	}
	s, err := Dial(t.Context(), u, lttng.URL{}, Options{Session: "s", Hostname: "h", Dial: h.dial(p)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Abort()
	if got, want := strings.Join(h.dialed, ","), "tcp4 hop1:99,tcp4 hop1:99"; got != want {
		t.Errorf("dialed %s, want %s", got, want)
	}
	want := "WEIR-HOP/1 tcp6://[::1]:98,tcp4://relay:5342\nWEIR-HOP/1 tcp6://[::1]:98,tcp4://relay:5343\n"
	if got := strings.Join(h.lines, ""); got != want {
		t.Errorf("asked %q, want %q", got, want)
	}
	if err := record(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	if got := p.asked(); !slices.Contains(got, "CREATE_SESSION s h sub 0 <nil>") {
		t.Errorf("%q, want the base path of the URL", got)
	}
}

// What a hop says instead of passing on is told.
func TestHopRefuses(t *testing.T) {
	tests := []struct {
		answer, want string
		code         int
	}{
		{"403 denied\n", "answered 403 denied", 403},
		{"502 connection refused\n", "answered 502 connection refused", 502},
		{"504 timeout\n", "answered 504 timeout", 504},
		{"508 loop\n", "answered 508 loop", 508},
		{"", `answer after "": EOF`, 0},
		{"200", `answer after "200": EOF`, 0},
		{"HTTP/1.1 400\n", `answer: got "HTTP/1.1 400", want three digits first`, 0},
		{"\n", `answer: got "", want three digits first`, 0},
		{strings.Repeat("2", 4096), "answer: got more than 512 bytes in a line", 0},
	}
	u, err := lttng.ParseURL("tcp://hop:99,net://relay")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range tests {
		h := &hopper{answer: tt.answer}
		_, err := Dial(t.Context(), u, lttng.URL{}, Options{Session: "s", Hostname: "h", Dial: h.dial(newPeer())})
		if want := "relay: control relay:5342: connect: hop hop:99: " + tt.want; err == nil || err.Error() != want {
			t.Errorf("answer %q: got %v, want %s", tt.answer, err, want)
		}
		if e, ok := errors.AsType[*HopError](err); ok != (tt.code != 0) || ok && int(e.Code) != tt.code {
			t.Errorf("answer %q: got %v, want a HopError of %d", tt.answer, err, tt.code)
		}
	}
}

// A hop that says nothing is not waited for beyond the budget.
func TestHopSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u, err := lttng.ParseURL("tcp://hop:99,net://relay")
		if err != nil {
			t.Fatal(err)
		}
		client, server := net.Pipe()
		defer server.Close()
		go func() { _, _ = io.Copy(io.Discard, server) }() // ends with the client's end
		_, err = Dial(t.Context(), u, lttng.URL{}, Options{
			Session: "s", Hostname: "h",
			Dial: func(context.Context, string, string) (net.Conn, error) { return client, nil },
		})
		if e, ok := errors.AsType[*DialError](err); !ok || e.Step != StepConnect || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want %v at the step %q", err, context.DeadlineExceeded, StepConnect)
		}
		synctest.Wait()
	})
}

// A chain that does not fit into a line is refused here.
func TestLongChain(t *testing.T) {
	u, err := lttng.ParseURL("tcp://hop:99,net://relay")
	if err != nil {
		t.Fatal(err)
	}
	for range 17 {
		u.Hops = append(u.Hops, lttng.Hop{Scheme: lttng.SchemeTCP, Host: strings.Repeat("h", 250), Port: 1})
	}
	_, err = Dial(t.Context(), u, lttng.URL{}, Options{Session: "s", Hostname: "h", Dial: (&hopper{}).dial(newPeer())})
	if err == nil || !strings.Contains(err.Error(), "want at most 4096") {
		t.Errorf("got %v, want the limit", err)
	}
}
