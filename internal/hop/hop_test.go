// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package hop

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/weir-io/weir/internal/wait"
	"github.com/weir-io/weir/lttng"
)

// No connection may outlive Serve.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds every wait: a test that needs it has failed.
const patience = 10 * time.Second

// running is a hop under test.
type running struct {
	*Server
	at  string // HOST:PORT
	end func()
}

// start runs a hop until the test ends.
func start(t *testing.T, change func(*Options)) *running {
	t.Helper()
	allow, err := ParseRules([]string{"127.0.0.0/8:*"})
	if err != nil {
		t.Fatal(err)
	}
	o := Options{Allow: allow, Log: slog.New(slog.NewTextHandler(t.Output(), nil))}
	if change != nil {
		change(&o)
	}
	l := listen(t)
	r := &running{Server: New(o), at: l.Addr().String()}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Serve(ctx, []net.Listener{l}) }() // waited for by end
	r.end = func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("Serve: %v", err)
			}
			done <- nil // ended twice
		case <-time.After(patience):
			t.Error("the hop does not stop")
		}
	}
	t.Cleanup(r.end)
	return r
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func dial(t *testing.T, at string) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return c.(*net.TCPConn)
}

// ask writes a line and reads the answer.
func ask(t *testing.T, c net.Conn, line string) string {
	t.Helper()
	if _, err := io.WriteString(c, line); err != nil {
		t.Fatal(err)
	}
	return answer(t, c)
}

func answer(t *testing.T, c net.Conn) string {
	t.Helper()
	line, err := readLine(t.Context(), c, lttng.MaxHopReply)
	if err != nil {
		t.Fatalf("answer: %v", err)
	}
	return string(line)
}

// chain is the line for places HOST:PORT.
func chain(places ...string) string {
	return "WEIR-HOP/1 tcp://" + strings.Join(places, ",tcp://") + "\n"
}

// destination takes one connection and hands it over.
func destination(t *testing.T) (at string, accepted <-chan *net.TCPConn) {
	t.Helper()
	l := listen(t)
	found := make(chan *net.TCPConn, 1)
	go func() { // ends with the listener, or its first connection
		c, err := l.Accept()
		if err == nil {
			_ = c.SetDeadline(time.Now().Add(patience))
			found <- c.(*net.TCPConn)
		}
	}()
	return l.Addr().String(), found
}

// Three hops are one pipe: bytes pass as they are, and each direction ends by
// itself.
func TestThreeHops(t *testing.T) {
	a, b, c := start(t, nil), start(t, nil), start(t, nil)
	to, accepted := destination(t)
	near := dial(t, a.at)
	if got := ask(t, near, chain(b.at, c.at, to)); got != "200 OK\n" {
		t.Fatalf("answer %q", got)
	}
	far := <-accepted
	defer far.Close()
	sent := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	go func() { // ends when the hops have taken it; the pipe's end waits for it
		_, _ = near.Write(sent)
		_ = near.CloseWrite()
	}()
	got, err := io.ReadAll(far)
	if err != nil || !bytes.Equal(got, sent) {
		t.Errorf("%d bytes have arrived (%v), want the %d sent", len(got), err, len(sent))
	}
	// The other direction is open still.
	if _, err := far.Write([]byte("answer")); err != nil {
		t.Fatal(err)
	}
	far.Close()
	if got, err := io.ReadAll(near); err != nil || string(got) != "answer" {
		t.Errorf("answer %q, %v", got, err)
	}
	for _, h := range []*running{a, b, c} {
		h.end()
		n := h.Counters()
		if n.Open.Load() != 0 || n.Passed.Load() != 1 || n.Bytes.Load() != uint64(len(sent)+len("answer")) {
			t.Errorf("%d open, %d passed, %d bytes", n.Open.Load(), n.Passed.Load(), n.Bytes.Load())
		}
	}
}

func TestAnswers(t *testing.T) {
	closed := listen(t)
	nobody := closed.Addr().String()
	closed.Close()
	silent := listen(t) // accepts, in the kernel, and says nothing
	web := listen(t)
	go func() { // ends with the listener, or its first connection
		if c, err := web.Accept(); err == nil {
			_, _ = io.WriteString(c, "HTTP/1.1 400 Bad Request\r\n")
			c.Close()
		}
	}()
	strict := start(t, func(o *Options) { o.Allow = Rules{} })
	for _, tt := range []struct {
		name, line, want string
		change           func(*Options)
	}{
		{"denied", chain(nobody), "403 denied\n", func(o *Options) { o.Allow = Rules{} }},
		{"denied name", chain("nowhere.invalid:1"), "403 denied\n", func(o *Options) { o.Allow = Rules{} }},
		{"denied behind", chain(strict.at, nobody), "403 denied\n", nil},
		{"refused", chain(nobody), "502 tcp://" + nobody + ": connection refused\n", nil},
		{"no request", "GET / HTTP/1.1\n", "502 not a request: ", nil},
		{"no line", strings.Repeat("x", lttng.MaxHopRequest), "502 line of more than 4096 bytes\n", nil},
		{"no hop", chain(web.Addr().String(), nobody), "502 tcp://" + web.Addr().String() + ": no answer of a hop\n", nil},
		{"late line", "WEIR-HOP/1 ", "504 no whole line within 30ms\n", func(o *Options) { o.ChainTimeout = 30 * time.Millisecond }},
		{"late hop", chain(silent.Addr().String(), nobody), "504 timeout at tcp://" + silent.Addr().String() + "\n", func(o *Options) { o.ChainTimeout = 30 * time.Millisecond }},
		{"late connection", chain(nobody), "504 timeout at tcp://" + nobody + "\n", func(o *Options) {
			o.ChainTimeout = 30 * time.Millisecond
			o.Dial = func(ctx context.Context, _, _ string) (net.Conn, error) { <-ctx.Done(); return nil, ctx.Err() }
		}},
		{"late name", chain("slow.example:1"), "504 timeout at tcp://slow.example:1\n", func(o *Options) {
			o.ChainTimeout = 30 * time.Millisecond
			o.Resolve = func(ctx context.Context, _, _ string) ([]netip.Addr, error) { <-ctx.Done(); return nil, ctx.Err() }
		}},
		{"unknown name", chain("none.example:1"), "502 tcp://none.example:1: no such host\n", func(o *Options) {
			o.Resolve = func(context.Context, string, string) ([]netip.Addr, error) {
				return nil, &net.DNSError{Err: "no such host", IsNotFound: true}
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := start(t, tt.change)
			c := dial(t, h.at)
			if got := ask(t, c, tt.line); got != tt.want && (strings.HasSuffix(tt.want, "\n") || !strings.HasPrefix(got, tt.want)) {
				t.Errorf("answer %q, want %q", got, tt.want)
			}
			if rest, err := io.ReadAll(c); err != nil && !errors.Is(err, net.ErrClosed) && len(rest) > 0 {
				t.Errorf("after the answer: %q, %v", rest, err)
			}
			h.end()
			n := h.Counters()
			if sum := n.Denied.Load() + n.Failed.Load() + n.TimedOut.Load(); sum != 1 || n.Open.Load() != 0 {
				t.Errorf("%d refusals counted, %d open, want 1 and none", sum, n.Open.Load())
			}
		})
	}
}

// A chain that comes back to a hop is refused before anything is connected.
func TestLoop(t *testing.T) {
	a, b := start(t, nil), start(t, func(o *Options) {
		o.Names = []string{"Me"}
		o.Resolve = func(context.Context, string, string) ([]netip.Addr, error) {
			return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
		}
	})
	_, port, _ := net.SplitHostPort(b.at)
	for name, line := range map[string]string{
		"itself":        chain(a.at),
		"later":         chain(b.at, a.at, "127.0.0.1:1"),
		"back":          chain(b.at, "127.0.0.1:1", b.at),
		"by name":       chain(b.at, "127.0.0.1:1", "me:"+port),
		"by other name": chain(b.at, "alias.example:"+port),
	} {
		if got := ask(t, dial(t, a.at), line); got != "508 loop\n" {
			t.Errorf("%s: answer %q, want 508", name, got)
		}
	}
	a.end()
	if got := a.Counters().Loops.Load(); got != 5 {
		t.Errorf("%d loops counted, want 5", got)
	}
}

// A name is resolved once: what was checked is what is connected to.
func TestNamesAreChecked(t *testing.T) {
	to, accepted := destination(t)
	_, port, _ := net.SplitHostPort(to)
	n, _ := strconv.ParseUint(port, 10, 16)
	for _, tt := range []struct {
		name  string
		allow []string
		addrs []string
		dials []string
		want  string
	}{
		{"by range", []string{"127.0.0.0/8:" + port}, []string{"10.0.0.1", "127.0.0.1"}, []string{"127.0.0.1:" + port}, "200 OK\n"},
		{"by name", []string{"TO.example:*"}, []string{"127.0.0.1"}, []string{"127.0.0.1:" + port}, "200 OK\n"},
		{"other port", []string{"127.0.0.0/8:1"}, []string{"127.0.0.1"}, nil, "403 denied\n"},
		{"mapped", []string{"10.0.0.0/8:*"}, []string{"::ffff:127.0.0.1"}, nil, "403 denied\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var dials []string
			h := start(t, func(o *Options) {
				var err error
				if o.Allow, err = ParseRules(tt.allow); err != nil {
					t.Fatal(err)
				}
				o.Resolve = func(context.Context, string, string) (found []netip.Addr, err error) {
					for _, a := range tt.addrs {
						found = append(found, netip.MustParseAddr(a))
					}
					return found, nil
				}
				o.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
					dials = append(dials, address)
					return new(net.Dialer).DialContext(ctx, network, address)
				}
			})
			if got := ask(t, dial(t, h.at), chain("to.Example:"+strconv.FormatUint(n, 10))); got != tt.want {
				t.Errorf("answer %q, want %q", got, tt.want)
			}
			h.end()
			if strings.Join(dials, " ") != strings.Join(tt.dials, " ") {
				t.Errorf("dialed %q, want %q", dials, tt.dials)
			}
		})
	}
	select {
	case c := <-accepted:
		c.Close()
	default:
	}
}

func TestRules(t *testing.T) {
	r, err := ParseRules([]string{"relay.example:5342", "10.0.0.0/8:*", "192.168.1.7:5343", "[fd00::/8]:5342", "[::1]:1"})
	if err != nil {
		t.Fatal(err)
	}
	for place, want := range map[string]bool{
		"10.1.2.3:9": true, "11.1.2.3:9": false, "192.168.1.7:5343": true, "192.168.1.7:5342": false,
		"[fd12::1]:5342": true, "[fe80::1]:5342": false, "[::1]:1": true, "[::ffff:10.0.0.1]:1": true,
	} {
		at := netip.MustParseAddrPort(place)
		if got := r.allowAddr(at.Addr(), at.Port()); got != want {
			t.Errorf("%s allowed: %v, want %v", place, got, want)
		}
	}
	if !r.allowName("RELAY.example.", 5342) || r.allowName("relay.example", 1) || r.allowName("10.0.0.1", 1) {
		t.Error("names are not compared as names")
	}
	if (Rules{}).allowAddr(netip.MustParseAddr("127.0.0.1"), 1) {
		t.Error("no rules allow something")
	}
	for _, bad := range []string{"", "a", ":1", "a:", "a:0", "a:65536", "a:b", "fd00::/8:1", "[fd00::/8:1", "[10.0.0.1]:1", "[a]:1", "a b:1", "10.0.0.0/33:1", "*:1"} {
		if _, err := ParseRules([]string{bad}); err == nil {
			t.Errorf("rule %q is accepted", bad)
		}
	}
}

// At the limit a connection that is not through makes room; one that is stays.
func TestLimit(t *testing.T) {
	h := start(t, func(o *Options) { o.MaxConnections = 2 })
	to, accepted := destination(t)
	through := dial(t, h.at)
	if got := ask(t, through, chain(to)); got != "200 OK\n" {
		t.Fatalf("answer %q", got)
	}
	far := <-accepted
	defer far.Close()
	silent := dial(t, h.at)
	wait.Until(t, "the hop has both", func() bool { return h.Counters().Total.Load() == 2 })
	next := dial(t, h.at)
	if got := ask(t, next, chain(h.at)); got != "508 loop\n" {
		t.Errorf("a new connection at the limit is answered %q", got)
	}
	if _, err := io.ReadAll(silent); err != nil && errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the silent connection: %v, want its end", err)
	}
	if _, err := far.Write([]byte("x")); err != nil {
		t.Error(err)
	}
	if _, err := io.ReadFull(through, make([]byte, 1)); err != nil {
		t.Errorf("the connection that was through: %v", err)
	}
	if got := h.Counters().Displaced.Load(); got != 1 {
		t.Errorf("%d displaced, want 1", got)
	}
}

// Silence ends a connection only if both directions are silent, and sooner once
// one has ended.
func TestIdle(t *testing.T) {
	const limit = 80 * time.Millisecond
	pair := func(t *testing.T, change func(*Options)) (h *running, near, far *net.TCPConn) {
		h = start(t, change)
		to, accepted := destination(t)
		near = dial(t, h.at)
		if got := ask(t, near, chain(to)); got != "200 OK\n" {
			t.Fatalf("answer %q", got)
		}
		far = <-accepted
		t.Cleanup(func() { far.Close() })
		return h, near, far
	}
	t.Run("one direction", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			srv := New(Options{IdleTimeout: time.Minute})
			near, outer := net.Pipe()
			far, inner := net.Pipe()
			c := &conn{server: srv, near: outer}
			done := make(chan struct{})
			go func() { defer close(done); c.pipe(t.Context(), inner) }()
			b := make([]byte, 1)
			for range 5 {
				<-time.After(50 * time.Second) // of the bubble's clock
				if _, err := near.Write(b); err != nil {
					t.Fatal(err)
				}
				if _, err := io.ReadFull(far, b); err != nil {
					t.Fatal(err)
				}
			}
			begin := time.Now()
			if _, err := io.ReadAll(near); err != nil {
				t.Error(err)
			}
			<-done
			if took := time.Since(begin); took < time.Minute || took > 2*time.Minute {
				t.Errorf("ended after %v of silence, want one minute or little more", took)
			}
			if got := srv.Counters().IdleClosed.Load(); got == 0 {
				t.Error("the end is not counted")
			}
		})
	})
	t.Run("half-closed", func(t *testing.T) {
		h, near, far := pair(t, func(o *Options) { o.HalfClosedTimeout = limit })
		if err := near.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadAll(far); err != nil {
			t.Error(err)
		}
		if _, err := io.ReadAll(near); err != nil {
			t.Error(err)
		}
		if got := h.Counters().IdleClosed.Load(); got != 1 {
			t.Errorf("%d ends counted, want 1", got)
		}
	})
}

// A stop ends all connections, whatever they are doing.
func TestStop(t *testing.T) {
	h := start(t, nil)
	to, accepted := destination(t)
	through, silent := dial(t, h.at), dial(t, h.at)
	if got := ask(t, through, chain(to)); got != "200 OK\n" {
		t.Fatalf("answer %q", got)
	}
	far := <-accepted
	defer far.Close()
	wait.Until(t, "the hop has both", func() bool { return h.Counters().Total.Load() == 2 })
	h.end()
	for _, c := range []*net.TCPConn{through, silent, far} {
		if _, err := io.ReadAll(c); errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("open after the stop: %v", err)
		}
	}
}
