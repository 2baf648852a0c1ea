// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relaytest_test

import (
	"context"
	"errors"
	"net"
	"testing"

	client "github.com/weir-io/weir/client/relay"
	"github.com/weir-io/weir/internal/relay"
	"github.com/weir-io/weir/internal/relaytest"
	"github.com/weir-io/weir/internal/tracestore"
	"github.com/weir-io/weir/lttng"
)

// Two relays stand behind the addresses of control and data: that shows at
// once, and nothing of the attempt is left.
func TestTwoRelays(t *testing.T) {
	r, other := relaytest.Start(t), relaytest.Start(t)
	p := newReturning(t, 1)
	_, err := client.Dial(t.Context(), mustURL(t, "tcp4://"+r.Control), mustURL(t, "tcp4://"+other.Data), p.options)
	dial, ok := errors.AsType[*client.DialError](err)
	if !ok || !errors.Is(err, client.ErrSplit) || dial.Step != client.StepSameRelay || dial.End != client.Data {
		t.Errorf("Dial: %v, want %v", err, client.ErrSplit)
	}
	r.WaitSettled()
	other.WaitSettled()
	// Something that takes the data connection and says nothing is no relay of
	// the session either.
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	p.options.Timeout = relaytest.Brief
	_, err = client.Dial(t.Context(), mustURL(t, "tcp4://"+r.Control), mustURL(t, "tcp4://"+silent.Addr().String()), p.options)
	if dial, ok := errors.AsType[*client.DialError](err); !ok || !errors.Is(err, context.DeadlineExceeded) || dial.Step != client.StepSameRelay {
		t.Errorf("Dial with a silent data end: %v, want %v at the step %q", err, context.DeadlineExceeded, client.StepSameRelay)
	}
	r.WaitSettled()
}

// A session that asked for a token takes a data connection with it, once, and
// none without, whichever worker it comes to.
func TestToken(t *testing.T) {
	r := relaytest.Start(t, func(o *relay.Options, _ *tracestore.Options) { o.Workers = 3 })
	raw := r.Dial(t)
	raw.Version(lttng.Version{Major: 2, Minor: 15})
	if c := raw.Configuration(lttng.ExtensionQuery(lttng.ExtToken | 1<<30)); c.Extensions() != lttng.ExtToken {
		t.Fatalf("granted %v, want %v", c.Extensions(), lttng.ExtToken)
	}
	m := lttng.CreateSession{Name: "s", Hostname: "h", SessiondUUID: [16]byte{1}, CreationTime: relaytest.Created}
	relaytest.MustOK(t, "CREATE_SESSION", raw.CreateSession(m).Code)
	first, second := raw.Token(), raw.Token()
	relaytest.MustOK(t, "TOKEN", second.Code)
	relaytest.MustOK(t, "CREATE_TRACE_CHUNK", raw.CreateChunk(lttng.CreateTraceChunk{}))
	st := raw.AddStream(lttng.AddStream{Channel: "ch_0", Path: "kernel"})
	relaytest.MustOK(t, "ADD_STREAM", st.Code)
	packet := append(lttng.DataHeader{Stream: st.Stream, DataSize: 200}.Append(nil), relaytest.Packet(0, 0, 200)...)

	closed := func(what string, b []byte) {
		t.Helper()
		c := relaytest.Connect(t, r.Data)
		defer c.Close()
		if _, err := c.Write(b); err != nil {
			t.Fatal(err)
		}
		if got := relaytest.WaitClosed(t, c); len(got) > 0 {
			t.Errorf("%s: answered %x, want the end", what, got)
		}
	}
	closed("a packet without a token", packet)
	closed("a token that was replaced", lttng.TokenFrame{Token: first.Token}.Append(nil))
	closed("a token of nobody", lttng.TokenFrame{}.Append(nil))

	raw.SendData(lttng.TokenFrame{Token: second.Token}.Append(nil)[:40]) // in two parts
	_, data := raw.Connections()
	raw.SendData(append(lttng.TokenFrame{Token: second.Token}.Append(nil)[40:], packet...))
	code := make([]byte, 4)
	if _, err := data.Read(code); err != nil {
		t.Fatal(err)
	}
	if got, _, _ := lttng.ParseCode(code); got != lttng.ReplyOK {
		t.Errorf("token answered with %v", got)
	}
	r.WaitPackets(1)
	closed("the token again", lttng.TokenFrame{Token: second.Token}.Append(nil))
	if third := raw.Token(); third.Code != lttng.ReplyUnknown || third.Token != (lttng.Token{}) {
		t.Errorf("TOKEN beside a data connection: %+v", third)
	}
}
