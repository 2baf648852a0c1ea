// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/weir-io/weir/changelog"
	"github.com/weir-io/weir/client/feed"
)

// fakeAgent serves one feed of records 1 to last and dies after every few answers, like
// one that is killed and started again. Nothing is cancelled but by READ.
type fakeAgent struct {
	t     *testing.T
	last  uint64
	lives int // how often it dies
	// info is what OPEN answers; empty: little.
	info string

	mu        sync.Mutex
	cancelled uint64 // guarded by mu
	deaths    int    // guarded by mu
}

// start listens until the end of the test.
func (a *fakeAgent) start() (socket string) {
	a.t.Helper()
	socket = filepath.Join(a.t.TempDir(), "feed.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		a.t.Fatal(err)
	}
	var served sync.WaitGroup
	served.Go(func() {
		for {
			n, err := l.Accept()
			if err != nil {
				return
			}
			served.Go(func() {
				defer n.Close()
				a.serve(n)
			})
		}
	})
	a.t.Cleanup(func() {
		l.Close()
		served.Wait()
	})
	return socket
}

// serve answers until the client is gone or the agent dies.
func (a *fakeAgent) serve(n net.Conn) {
	r := bufio.NewReader(n)
	var buf []byte
	held, reads := uint64(0), 0
	for {
		f, err := feed.ReadFrame(r, &buf, feed.MaxRequest)
		if err != nil {
			return
		}
		answer := feed.Frame{Op: f.Op | feed.OpAnswer, Tag: f.Tag}
		switch f.Op {
		case feed.OpHello:
			answer.Payload = append([]byte{1, 0}, "{}"...)
		case feed.OpOpen:
			answer.Payload = []byte(cmp.Or(a.info, `{"id":"cl1"}`))
		case feed.OpRead:
			reads++
			if answer.Payload = a.answer(&held, reads); answer.Payload == nil {
				return
			}
		}
		if _, err := n.Write(answer.Append(nil)); err != nil {
			return
		}
	}
}

// answer is what a READ gives which cancels what is held; nil where the agent dies.
func (a *fakeAgent) answer(held *uint64, reads int) []byte {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.deaths < a.lives && reads > 2 {
		a.deaths++
		return nil
	}
	a.cancelled = max(a.cancelled, *held)
	*held = min(a.cancelled+3, a.last)
	return a.batch(*held)
}

// batch is an answer with the records through an index, and after the last one the end of
// the feed.
func (a *fakeAgent) batch(through uint64) []byte {
	b := feed.AppendBatchHead(nil, through, uint32(through-a.cancelled), 0)
	if through < a.last {
		b = feed.AppendBatchHead(nil, through, uint32(through-a.cancelled), feed.BatchMore)
	}
	for i := a.cancelled + 1; i <= through; i++ {
		r := changelog.Record{Index: i, Time: 1, Type: changelog.Create, Name: fmt.Appendf(nil, "f%d", i)}
		r.MakeReint()
		raw := changelog.AppendNative(nil, &r)
		b = append(binary.LittleEndian.AppendUint32(b, uint32(len(raw))), raw...)
	}
	return b
}

// read runs "weir feed read" on the agent.
func (a *fakeAgent) read(args ...string) (stdout []byte, stderr string) {
	a.t.Helper()
	var out, errs bytes.Buffer
	c := newFeedReadCommand()
	c.SetArgs(append(args, "cl1", "--socket", a.start()))
	c.SetOut(&out)
	c.SetErr(&errs)
	if err := c.ExecuteContext(a.t.Context()); err != nil {
		a.t.Fatal(err)
	}
	return out.Bytes(), errs.String()
}

func TestFollowingOutlivesTheAgent(t *testing.T) {
	a := &fakeAgent{t: t, last: 20, lives: 4}
	out, told := a.read("--follow", "--max", "20")
	var want strings.Builder
	for i := 1; i <= 20; i++ {
		fmt.Fprintf(&want, "%d f%d\n", i, i)
	}
	var got strings.Builder
	for l := range strings.Lines(string(out)) {
		fields := strings.Fields(l)
		fmt.Fprintf(&got, "%s %s\n", fields[0], fields[len(fields)-1])
	}
	if got.String() != want.String() {
		t.Errorf("got %q, want each record once: %q", got.String(), want.String())
	}
	if n := strings.Count(told, "waiting for the agent"); n != 4 {
		t.Errorf("told %d times of an agent that is gone, want 4: %s", n, told)
	}
}

func TestReadNativeHasLengths(t *testing.T) {
	a := &fakeAgent{t: t, last: 5}
	out, _ := a.read("--format", "native")
	var indexes []uint64
	for len(out) > 0 {
		n := int(binary.LittleEndian.Uint32(out))
		var r changelog.Record
		if err := changelog.DecodeNative(out[4:4+n], &r); err != nil {
			t.Fatal(err)
		}
		if r.Has&changelog.HasReint == 0 {
			t.Errorf("record %d has no REINT block", r.Index)
		}
		indexes, out = append(indexes, r.Index), out[4+n:]
	}
	if fmt.Sprint(indexes) != "[1 2 3 4 5]" {
		t.Errorf("got records %v", indexes)
	}
}

func TestReadReint(t *testing.T) {
	for _, c := range []struct {
		args []string
		want int
	}{
		{[]string{"--json"}, 0},
		{[]string{"--format", "json", "--reint"}, 5},
	} {
		a := &fakeAgent{t: t, last: 5}
		out, _ := a.read(c.args...)
		if got := bytes.Count(out, []byte(`"reint":"`)); got != c.want || bytes.Count(out, []byte("\n")) != 5 {
			t.Errorf("%q: got %d blocks, want %d: %s", c.args, got, c.want, out)
		}
	}
	c := newFeedReadCommand()
	c.SetArgs([]string{"cl1", "--reint", "--socket", (&fakeAgent{t: t}).start()})
	if err := c.ExecuteContext(t.Context()); err == nil || !strings.Contains(err.Error(), "--reint is for JSON") {
		t.Errorf("--reint with text: got %v", err)
	}
}
