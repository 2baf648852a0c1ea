// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relaytest_test

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/weir-io/weir/internal/relaytest"
	"github.com/weir-io/weir/lttng"
)

// captures are the recorded conversations of stock producers with a stock
// relay; 11 was made by hand for protocol 2.15.
var captures = []string{
	"01_streaming", "02_live", "03_rotate_clear", "04_snapshot", "05_regenerate", "06_pid_tracefiles",
	"07_minor4", "08_minor10_live", "09_minor11_rotate", "10_clear_first", "11_minor15_handmade",
}

// capture is a recorded conversation.
type capture struct {
	name     string
	sent     map[string][]byte // connection → all that the producer sent
	answered map[string][]byte // control connection → all that the relay sent
	timeline []event
	tree     map[string]relaytest.File
	requests map[string][]request // control connection → its requests
}

// event is something seen on a connection: open, c2s, s2c or fin-c2s.
type event struct {
	conn, kind  string
	offset, len int
}

// request is a control request with its reply's place in the answers.
type request struct {
	conn             string
	offset, len      int
	cmd              lttng.Command
	replyAt, replied int
}

func (c *capture) payload(r request) []byte {
	return c.sent[r.conn][r.offset+lttng.ControlHeaderLen : r.offset+r.len]
}

func loadCapture(t testing.TB, name string) *capture {
	t.Helper()
	c := &capture{
		name: name, sent: make(map[string][]byte), answered: make(map[string][]byte),
		tree: make(map[string]relaytest.File), requests: make(map[string][]request),
	}
	for _, f := range table(t, name+".timeline.tsv") {
		_, conn, _ := strings.Cut(f[1], ".")
		if strings.HasPrefix(conn, "viewer") {
			continue
		}
		c.timeline = append(c.timeline, event{conn, f[2], number(t, f[3]), number(t, f[4])})
		if f[2] != "open" {
			continue
		}
		c.sent[conn] = readTestdata(t, name+"."+conn+".c2s.bin")
		if isControl(conn) {
			c.answered[conn] = readTestdata(t, name+"."+conn+".s2c.bin")
		}
	}
	for _, f := range table(t, name+".tree.tsv") {
		c.tree[f[0]] = relaytest.File{Size: int64(number(t, f[1])), SHA256: f[2]}
	}
	c.parse(t)
	if len(c.requests) == 0 || len(c.tree) == 0 {
		t.Fatalf("%s: %d control connections, %d files, want some", name, len(c.requests), len(c.tree))
	}
	return c
}

// parse finds the requests; the decoded table says where their replies lie.
func (c *capture) parse(t testing.TB) {
	t.Helper()
	conn := ""
	for line := range strings.Lines(string(readTestdata(t, c.name+".decoded.tsv"))) {
		line = strings.TrimSuffix(line, "\n")
		if name, ok := strings.CutPrefix(line, "# "+c.name+"."); ok {
			conn, _, _ = strings.Cut(name, ":")
			continue
		}
		if !isControl(conn) || line == "" {
			continue
		}
		f := strings.Split(line, "\t")
		at, size := span(t, f[0])
		i := slices.IndexFunc(f, func(s string) bool { return strings.HasPrefix(s, "<- ") })
		if i < 0 {
			t.Fatalf("%s: no reply in %q", c.name, line)
		}
		replyAt, replied := span(t, strings.TrimPrefix(f[i], "<- "))
		h, err := lttng.ParseControlHeader(c.sent[conn][at:])
		if err != nil {
			t.Fatal(err)
		}
		c.requests[conn] = append(c.requests[conn], request{conn, at, size, h.Cmd, replyAt, replied})
	}
	for conn, all := range c.requests {
		last := all[len(all)-1]
		if last.offset+last.len != len(c.sent[conn]) || last.replyAt+last.replied != len(c.answered[conn]) {
			t.Fatalf("%s.%s: decoded %d of %d and %d of %d bytes", c.name, conn,
				last.offset+last.len, len(c.sent[conn]), last.replyAt+last.replied, len(c.answered[conn]))
		}
	}
}

// span reads OFFSET+LENGTH.
func span(t testing.TB, s string) (at, size int) {
	t.Helper()
	a, b, _ := strings.Cut(s, "+")
	return number(t, a), number(t, b)
}

// expected returns what a relay of this version must answer: the captured
// bytes with its own minor in the VERSION replies.
func (c *capture) expected(conn string) []byte {
	want := slices.Clone(c.answered[conn])
	for _, r := range c.requests[conn] {
		if r.cmd == lttng.CmdVersion {
			copy(want[r.replyAt:], lttng.Version{Major: lttng.MajorVersion, Minor: lttng.MinorVersion}.Append(nil))
		}
	}
	return want
}

func isControl(conn string) bool { return strings.HasPrefix(conn, "control") }

// table returns the fields of a table's lines, without its head.
func table(t testing.TB, name string) [][]string {
	t.Helper()
	var rows [][]string
	for line := range strings.Lines(string(readTestdata(t, name))) {
		rows = append(rows, strings.Split(strings.TrimSuffix(line, "\n"), "\t"))
	}
	if len(rows) < 2 {
		t.Fatalf("%s: %d lines", name, len(rows))
	}
	return rows[1:]
}

func readTestdata(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func number(t testing.TB, s string) int {
	t.Helper()
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
