// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/weir-io/weir/changelog"
	client "github.com/weir-io/weir/client/feed"
	"github.com/weir-io/weir/internal/feed/fstest"
	"github.com/weir-io/weir/internal/feed/journal"
)

// readPayload is that of READ.
func readPayload(records, bytes, wait, linger uint32) string {
	var b []byte
	for _, n := range []uint32{records, bytes, wait, linger} {
		b = binary.LittleEndian.AppendUint32(b, n)
	}
	return string(b)
}

func TestFramesThatEndTheConnection(t *testing.T) {
	a := start(t)
	_, err := a.dial().Create(t.Context(), client.CreateOptions{Name: "f", Source: a.fs.Dir})
	must(t, err)
	length := func(n uint32) []byte { return append(binary.LittleEndian.AppendUint32(nil, n), 1, 0, 0, 0) }
	greet, open := hello(client.FormatNative), frame(client.OpOpen, `{"feed":"f"}`)
	forever := frame(client.OpRead, readPayload(1, 4096, client.Forever, 0))
	for _, c := range []struct {
		name  string
		bytes []byte
	}{
		{"length 0", length(0)},
		{"length 3", length(3)},
		{"length over the limit", length(client.MaxRequest + 5)},
		{"length 0xFFFFFFFF", length(0xFFFFFFFF)},
		{"length 0 after HELLO", slices.Concat(greet, length(0))},
		{"length 0xFFFFFFFF after HELLO", slices.Concat(greet, length(0xFFFFFFFF))},
		{"magic", frame(client.OpHello, "WFD2\x01\x00\x00")},
		{"version", frame(client.OpHello, "WFD1\x02\x00\x00")},
		{"format", frame(client.OpHello, "WFD1\x01\x00\x04")},
		{"HELLO cut", frame(client.OpHello, "WFD1\x01\x00")},
		{"HELLO too long", frame(client.OpHello, "WFD1\x01\x00\x00\x00")},
		{"HELLO empty", frame(client.OpHello, "")},
		{"HELLO missing", open},
		{"HELLO twice", slices.Concat(greet, greet)},
		{"op 0", slices.Concat(greet, frame(0, ""))},
		{"unknown op", slices.Concat(greet, frame(99, "{}"))},
		{"an answer", slices.Concat(greet, frame(client.OpList|client.OpAnswer, ""))},
		{"an error", slices.Concat(greet, frame(client.OpError, "{}"))},
		{"READ cut", slices.Concat(greet, open, frame(client.OpRead, readPayload(1, 4096, 0, 0)[:15]))},
		{"READ too long", slices.Concat(greet, open, frame(client.OpRead, readPayload(1, 4096, 0, 0)+"x"))},
		{"CANCEL cut", slices.Concat(greet, open, frame(client.OpCancel, "1234567"))},
		{"CLOSE too long", slices.Concat(greet, open, frame(client.OpClose, "12"))},
		{"second READ", slices.Concat(greet, open, forever, forever)},
		{"CANCEL while a READ waits", slices.Concat(greet, open, forever, frame(client.OpCancel, "12345678"))},
		{"OPEN while a READ waits", slices.Concat(greet, open, forever, open)},
		{"LIST while a READ waits", slices.Concat(greet, open, forever, frame(client.OpList, ""))},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := a.raw()
			r.t = t
			r.say(c.bytes)
			if got := r.wantClosed(); got != client.CodeProtocol {
				t.Errorf("got error %q before the end, want %q", got, client.CodeProtocol)
			}
		})
	}
	i, err := a.dial().Info(t.Context(), "f")
	must(t, err)
	if i.Consumer != nil {
		t.Errorf("after all: the feed is still held: %+v", i.Consumer)
	}
}

// TestCutAnywhere has a client die at every byte of what it says.
func TestCutAnywhere(t *testing.T) {
	a := start(t)
	_, err := a.dial().Create(t.Context(), client.CreateOptions{Name: "f", Source: a.fs.Dir})
	must(t, err)
	open := frame(client.OpOpen, `{"feed":"f","steal":true}`)
	for _, frames := range [][][]byte{
		{
			hello(client.FormatJSON), frame(client.OpList, ""), open,
			frame(client.OpCancel, "\x00\x00\x00\x00\x00\x00\x00\x00"), frame(client.OpClose, "\x01"),
		},
		{hello(client.FormatText), open, frame(client.OpRead, readPayload(10, 4096, client.Forever, 0)), frame(client.OpClose, "\x00")},
	} {
		all := slices.Concat(frames...)
		for n := range len(all) + 1 {
			r := a.raw()
			r.say(all[:n])
			must(t, r.CloseWrite())
			if got := r.wantClosed(); got != "" && got != client.CodeBusy {
				t.Errorf("cut at %d of %q: got error %q, want none, or that another one has the feed", n, all, got)
			}
		}
	}
	a.idleBut(1)
}

// idleBut waits until the server has no more than n connections.
func (a *agent) idleBut(n int) {
	a.t.Helper()
	a.until("connections are closed", func() bool {
		a.server.mu.Lock()
		defer a.server.mu.Unlock()
		return len(a.server.conns) <= n
	})
}

func TestRandomBytes(t *testing.T) {
	a := start(t)
	r := rand.New(rand.NewPCG(3, 4))
	for i := range 300 {
		b := make([]byte, r.IntN(200))
		for j := range b {
			b[j] = byte(r.Uint32())
		}
		if i%2 == 0 { // a frame that could be one
			f := client.Frame{Op: client.Op(r.IntN(20)), Flags: byte(r.Uint32()), Payload: b}
			b = append(hello(client.Format(r.IntN(4))), f.Append(nil)...)
		}
		c := a.raw()
		c.say(b)
		must(t, c.CloseWrite())
		c.wantClosed()
	}
	a.idle()
}

// helloPatience is how long tests give clients to say something. A client that does gets by
// with that also where the machine is busy.
const helloPatience = 3 * time.Second

func TestClientsThatSayNothing(t *testing.T) {
	store, err := journal.OpenMemory()
	must(t, err)
	t.Cleanup(func() { store.Close() })
	a := startWith(t, fstest.New(t, "tmpfs"), store, Options{MaxConns: 50, HelloTimeout: helloPatience})
	var silent []*raw
	a.until("all are admitted", func() bool { // those above the limit are refused
		silent = append(silent, a.raw())
		return a.open() == 50
	})
	refused := 0
	for range 200 {
		r := a.raw()
		_ = r.CloseWrite() // lest it is waited for when the first are gone; it may be closed
		switch got := r.wantClosed(); got {
		case client.CodeLimit:
			refused++
		case "":
		default:
			t.Fatalf("over the limit: got %q, want %q", got, client.CodeLimit)
		}
		if n := a.open(); n > 50 {
			t.Fatalf("over the limit: got %d connections at once, want 50", n)
		}
	}
	if refused == 0 {
		t.Error("over the limit: nobody is refused")
	}
	for _, r := range silent {
		r.wantClosed()
	}
	a.idle()
	if _, err := a.dial().List(t.Context()); err != nil {
		t.Errorf("after them: %v", err)
	}
}

func TestClientsThatStopAmidAFrame(t *testing.T) {
	store, err := journal.OpenMemory()
	must(t, err)
	t.Cleanup(func() { store.Close() })
	a := startWith(t, fstest.New(t, "tmpfs"), store, Options{HelloTimeout: helloPatience})
	stopped := map[string]*raw{}
	for name, b := range map[string][]byte{
		"no length":  {0, 0},
		"length 0":   {0, 0, 0, 0},
		"length max": {0xFF, 0xFF, 0xFF, 0xFF},
		"no payload": {100, 0, 0, 0, byte(client.OpCreate), 0, 0, 0, '{'},
	} {
		r := a.greeted(client.FormatJSON)
		r.say(b)
		stopped[name] = r
	}
	for name, r := range stopped {
		if got := r.wantClosed(); got != client.CodeProtocol {
			t.Errorf("%s: got %q, want %q", name, got, client.CodeProtocol)
		}
	}
	waiting := a.greeted(client.FormatJSON) // between frames there is time
	waiting.say(frame(client.OpList, ""))
	if got := waiting.hear(); got.Op != client.OpList|client.OpAnswer {
		t.Errorf("LIST after the others: got %+v", got)
	}
	must(t, waiting.Close())
	a.idle()
}

// TestSilentConsumer has one that asked for records and does not read them given up,
// and nobody else.
func TestSilentConsumer(t *testing.T) {
	a := start(t)
	api := a.dial()
	few := uint64(300)
	_, err := api.Create(t.Context(), client.CreateOptions{Name: "stopped", Source: a.fs.Dir, AbortSize: &few})
	must(t, err)
	_, err = api.Create(t.Context(), client.CreateOptions{Name: "other", Source: a.fs.Dir})
	must(t, err)
	stopped := a.stoppedReader("stopped")
	a.sh("for i in $(seq 500); do mkdir x; rmdir x; done")
	n := a.reopened("other", client.FormatNative)
	if got := len(take(t, n, 1000, client.ReadOptions{})); got != 1000 {
		t.Errorf("the other: got %d records, want 1000", got)
	}
	a.until("the stopped one is given up", func() bool {
		i, err := api.Info(t.Context(), "stopped")
		return err == nil && i.Aborted != nil
	})
	i, err := api.Info(t.Context(), "stopped")
	must(t, err)
	if i.Aborted.Reason != "size" || i.Consumer != nil {
		t.Errorf("given up: got %+v, consumer %+v, want for its size, and no consumer", i.Aborted, i.Consumer)
	}
	stopped()
	last := a.reopened("stopped", client.FormatNative)
	defer last.Close()
	b, err := last.Read(t.Context(), client.ReadOptions{})
	must(t, err)
	if len(b.Records) != 1 || b.Records[0].Mark == nil || b.Records[0].Mark.Kind != changelog.MarkAbort || !b.Aborted {
		t.Errorf("next reader: got %+v, want MARK abort", b)
	}
	var refused *client.Error
	if _, err := last.Read(t.Context(), client.ReadOptions{}); !errors.As(err, &refused) || refused.Code != client.CodeAborted || refused.Aborted == nil {
		t.Errorf("after MARK abort: got %v, want %s with what was lost", err, client.CodeAborted)
	}
	purge := a.findMark(n, changelog.MarkPurge)
	if purge.Feed != "cl1-stopped" || purge.From != i.Aborted.First || purge.To != i.Aborted.Last {
		t.Errorf("MARK purge: got %+v, want that of cl1-stopped, %d to %d", purge, i.Aborted.First, i.Aborted.Last)
	}
}

// findMark reads a feed up to a mark; each read cancels, so that the journal is trimmed.
func (a *agent) findMark(n *client.Consumer, kind changelog.MarkKind) changelog.Marker {
	a.t.Helper()
	ctx, cancel := context.WithTimeout(a.t.Context(), time.Minute)
	defer cancel()
	for {
		b, err := n.Read(ctx, client.ReadOptions{Wait: -1})
		must(a.t, err)
		for i := range b.Records {
			if m := b.Records[i].Mark; m != nil && m.Kind == kind {
				return *m
			}
		}
	}
}
