// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weir-io/weir/lttng"
)

func TestVersionError(t *testing.T) {
	p := newPeer()
	p.version = lttng.Version{Major: 2, Minor: 14}
	_, err := p.try(t, func(o *Options) { o.CTF2 = true })
	got, ok := errors.AsType[*VersionError](err)
	if want := (lttng.Version{Major: 2, Minor: 15}); !ok || got.Got != p.version || got.Want != want {
		t.Errorf("got %v, want a relay of %v where %v is needed", err, p.version, want)
	}
}

// All or nothing: each end that refuses is named, and the other one closed.
func TestDialRefused(t *testing.T) {
	for end, want := range map[End]string{
		Control: "relay: control relay:5342: connect: connection refused",
		Data:    "relay: control connected, data relay:5343: connect: connection refused",
	} {
		p := newPeer()
		p.refuse = end
		_, err := p.try(t, nil)
		if e, ok := errors.AsType[*DialError](err); !ok || e.End != end || e.Step != StepConnect || !errors.Is(err, errRefused) || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestResolve(t *testing.T) {
	u, err := lttng.ParseURL("net://no-such-host.invalid")
	if err != nil {
		t.Fatal(err)
	}
	_, err = Dial(t.Context(), u, lttng.URL{}, Options{
		Session: "s", Hostname: "h",
		Dial: func(_ context.Context, network, address string) (net.Conn, error) {
			return nil, &net.OpError{Op: "dial", Net: network, Err: &net.DNSError{Err: "no such host", Name: "no-such-host.invalid", IsNotFound: true}}
		},
	})
	if e, ok := errors.AsType[*DialError](err); !ok || e.Step != StepResolve || e.End != Control {
		t.Errorf("got %v, want the step %q", err, StepResolve)
	}
}

// Schemes decide the address family; plain ones prefer IPv4.
func TestNetworks(t *testing.T) {
	tests := []struct {
		control, data string
		want          []string
		err           error
	}{
		{"net://host", "", []string{"tcp4 host:5342", "tcp6 host:5342"}, nil},
		{"net4://host", "", []string{"tcp4 host:5342"}, nil},
		{"net6://host:1:2", "", []string{"tcp6 host:1"}, nil},
		{"net://1.2.3.4", "", []string{"tcp 1.2.3.4:5342"}, nil},
		{"net://[::1]", "", []string{"tcp [::1]:5342"}, nil},
		{"tcp6://host:9", "tcp4://other:8", []string{"tcp6 host:9"}, nil},
		{"net://host", "net://host", []string{"tcp4 host:5342", "tcp6 host:5342"}, nil},
		{"net://host", "tcp://host", nil, lttng.ErrURLFormat},
		{"tcp://host", "net://host", nil, lttng.ErrURLProtocol},
		{"tcp://host", "udp://host", []string{"tcp4 host:5342", "tcp6 host:5342"}, nil},
		{"tcp://h:1,tcp://host", "udp://host", nil, lttng.ErrURLHop},
		{"tcp://host", "", nil, errNoData},
		{"udp://host", "", nil, lttng.ErrURLProtocol},
		{"/tmp", "", nil, lttng.ErrURLProtocol},
	}
	for _, tt := range tests {
		var got []string
		o := Options{Session: "s", Hostname: "h", Dial: func(_ context.Context, network, address string) (net.Conn, error) {
			got = append(got, network+" "+address)
			return nil, &net.DNSError{Err: "none", IsNotFound: true}
		}}
		control, err := lttng.ParseURL(tt.control)
		if err != nil {
			t.Fatal(err)
		}
		var data lttng.URL
		if tt.data != "" {
			if data, err = lttng.ParseURL(tt.data); err != nil {
				t.Fatal(err)
			}
		}
		_, err = Dial(t.Context(), control, data, o)
		if !slices.Equal(got, tt.want) || tt.err != nil && !errors.Is(err, tt.err) || err == nil {
			t.Errorf("Dial(%s, %s) = %v, dialed %q, want %q and error %v", tt.control, tt.data, err, got, tt.want, tt.err)
		}
	}
}

// What counts of a name's addresses is the family that it has.
func TestFamilyFallback(t *testing.T) {
	none := &net.AddrError{Err: "no suitable address found", Addr: "relay"}
	for want, errs := range map[Step]map[string]error{
		StepResolve: {"tcp4": none, "tcp6": &net.DNSError{Err: "no such host", IsNotFound: true}},
		StepConnect: {"tcp4": none, "tcp6": errRefused},
	} {
		_, err := newPeer().try(t, func(o *Options) {
			o.Dial = func(_ context.Context, network, _ string) (net.Conn, error) { return nil, errs[network] }
		})
		if e, ok := errors.AsType[*DialError](err); !ok || e.Step != want {
			t.Errorf("got %v, want the step %q", err, want)
		}
	}
	p := newPeer()
	p.open(t, func(o *Options) {
		o.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			if network == "tcp4" {
				return nil, none
			}
			return p.dial(ctx, network, address)
		}
	})
}

// A check of the caller's decides whether both ends are one relay.
func TestSameRelay(t *testing.T) {
	p := newPeer()
	_, err := p.try(t, func(o *Options) {
		o.SameRelay = func(_ context.Context, control, data net.Conn) error { return ErrSplit }
	})
	if e, ok := errors.AsType[*DialError](err); !ok || e.Step != StepSameRelay || !errors.Is(err, ErrSplit) {
		t.Errorf("got %v, want %v", err, ErrSplit)
	}
}

// A connection that does not come about is tried again beside the first try, so that
// a way that was closed is found soon after it is open; the first to succeed is used,
// and the others are ended.
func TestDialAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPeer()
		begin := time.Now()
		open := begin.Add(3500 * time.Millisecond)
		var waiting, tries atomic.Int32
		s := p.open(t, func(o *Options) {
			o.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
				if tries.Add(1); time.Now().Before(open) {
					waiting.Add(1)
					defer waiting.Add(-1)
					<-ctx.Done()
					return nil, ctx.Err()
				}
				return p.dial(ctx, network, address)
			}
		})
		if took := time.Since(begin); took != 4*time.Second || waiting.Load() != 0 || tries.Load() != 6 {
			t.Errorf("connected after %v by %d tries, %d of them wait; want %v, 6 with that of the data, none", took, tries.Load(), waiting.Load(), 4*time.Second)
		}
		s.Abort()
		synctest.Wait()
	})
}

// Without its answers a relay is not waited for beyond the budget.
func TestDialBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPeer()
		p.raw[lttng.CmdCreateSession] = []byte{}
		begin := time.Now()
		_, err := p.try(t, nil)
		if took := time.Since(begin); took != defaultTimeout || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v after %v, want %v after %v", err, took, context.DeadlineExceeded, defaultTimeout)
		}
		if e, ok := errors.AsType[*DialError](err); !ok || e.Step != StepSession {
			t.Errorf("got %v, want the step %q", err, StepSession)
		}
		synctest.Wait()
	})
}
