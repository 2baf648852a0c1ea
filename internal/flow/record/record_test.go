// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package record

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"testing/slogtest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weir-io/weir/internal/flow/packet"
	"github.com/weir-io/weir/internal/flow/topology"
)

func ptr[T any](v T) *T { return &v }

// sample is a traced packet with all fields.
func sample() *Scope {
	return &Scope{
		Cookie: 7, Flow: topology.ID{1}, Requests: []topology.ID{{2}, {3}}, Host: topology.ID{4},
		Header: Header{
			EthSrc: packet.MAC{2, 0, 0, 0, 0, 1}, EthDst: packet.MAC{2, 0, 0, 0, 0, 2}, EtherType: 0x800,
			Src: netip.MustParseAddr("10.0.0.1"), Dst: netip.MustParseAddr("10.0.0.2"), Proto: ptr(uint8(6)), SrcPort: ptr(uint16(4000)), DstPort: ptr(uint16(80)),
		},
	}
}

// keys are those of the sample in a line, and their values.
var keys = map[string]any{
	"cookie": "[cookie:7]", "flowTraceId": "01000000-0000-0000-0000-000000000000",
	"traceRequestId": "02000000-0000-0000-0000-000000000000,03000000-0000-0000-0000-000000000000",
	"host":           "04000000-0000-0000-0000-000000000000", "ethSrc": "02:00:00:00:00:01", "ethDst": "02:00:00:00:00:02", "etherType": 2048.0,
	"networkSrc": "10.0.0.1", "networkDst": "10.0.0.2", "networkProto": 6.0, "srcPort": 4000.0, "dstPort": 80.0,
}

// with returns keys with more.
func with(more map[string]any) map[string]any {
	all := make(map[string]any)
	for _, m := range []map[string]any{keys, more} {
		for k, v := range m {
			all[k] = v
		}
	}
	return all
}

func parse(t *testing.T, line []byte) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal(line, &m); err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	return m
}

// A line that is logged with the context of a packet has its keys, outside of groups;
// another one has none of them, also after a panic.
func TestHandler(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(NewHandler(slog.NewJSONHandler(&out, nil)))
	ctx := Enter(t.Context(), sample())
	line := func() map[string]any {
		t.Helper()
		m := parse(t, out.Bytes())
		out.Reset()
		delete(m, "time")
		return m
	}
	log.InfoContext(ctx, "m", "a", 1)
	if diff := cmp.Diff(with(map[string]any{"level": "INFO", "msg": "m", "a": 1.0}), line()); diff != "" {
		t.Errorf("a line of a packet (- wanted):\n%s", diff)
	}
	log.With("b", 2).WithGroup("g").WithGroup("").With().InfoContext(ctx, "m", "a", 1)
	want := with(map[string]any{"level": "INFO", "msg": "m", "b": 2.0, "g": map[string]any{"a": 1.0}})
	if diff := cmp.Diff(want, line()); diff != "" {
		t.Errorf("a line with a group (- wanted):\n%s", diff)
	}
	func() {
		defer func() { recover() }()
		ctx := Enter(t.Context(), sample())
		log.InfoContext(ctx, "before")
		out.Reset()
		panic("simulation")
	}()
	log.InfoContext(t.Context(), "m", "a", 1)
	if diff := cmp.Diff(map[string]any{"level": "INFO", "msg": "m", "a": 1.0}, line()); diff != "" {
		t.Errorf("a line of no packet (- wanted):\n%s", diff)
	}
	log.InfoContext(Enter(t.Context(), &Scope{Cookie: 9, Header: Header{EtherType: 0x806}}), "m")
	if diff := cmp.Diff(map[string]any{
		"level": "INFO", "msg": "m", "cookie": "[cookie:9]", "etherType": 2054.0, "ethSrc": "00:00:00:00:00:00", "ethDst": "00:00:00:00:00:00",
	}, line()); diff != "" {
		t.Errorf("a packet of little (- wanted):\n%s", diff)
	}
	if log.Enabled(ctx, slog.LevelDebug) {
		t.Error("a level that the next handler does not want is enabled")
	}
}

// Handlers keep the rules of slog.
func TestHandlerRules(t *testing.T) {
	var out bytes.Buffer
	err := slogtest.TestHandler(NewHandler(slog.NewJSONHandler(&out, nil)), func() []map[string]any {
		var lines []map[string]any
		for line := range bytes.Lines(out.Bytes()) {
			lines = append(lines, parse(t, line))
		}
		return lines
	})
	if err != nil {
		t.Error(err)
	}
}

func TestTextHandler(t *testing.T) {
	var out bytes.Buffer
	h := NewTextHandler(&out, slog.LevelDebug)
	at := time.Date(2026, 11, 29, 5, 6, 7, 89_000_000, time.UTC)
	for _, c := range []struct {
		name  string
		ctx   context.Context
		with  func(slog.Handler) slog.Handler
		attrs []slog.Attr
		msg   string
		want  string
	}{
		{"of a packet", Enter(t.Context(), sample()), nil, nil, "dropped by rule 3", "[cookie:7] dropped by rule 3"},
		{"of none", t.Context(), nil, nil, "started", "started"},
		{"attributes", Enter(t.Context(), sample()), nil, []slog.Attr{slog.Int("n", 3), slog.String("s", `a "b"`), slog.String("e", "")}, "m", `[cookie:7] m n=3 s="a \"b\"" e=""`},
		{"groups", t.Context(), func(h slog.Handler) slog.Handler {
			return h.WithAttrs([]slog.Attr{slog.Int("a", 1)}).WithGroup("g").WithAttrs([]slog.Attr{slog.String("host", "h")})
		}, []slog.Attr{slog.Group("k", slog.Int("b", 2))}, "m", "m a=1 g.host=h g.k.b=2"},
		{"no second line", t.Context(), nil, []slog.Attr{slog.String("s", "x\n2026.01.01 y")}, "a\nb", `a b s="x\n2026.01.01 y"`},
	} {
		var handler slog.Handler = NewHandler(h)
		if c.with != nil {
			handler = c.with(handler)
		}
		r := slog.NewRecord(at, slog.LevelDebug, c.msg, 0)
		r.AddAttrs(c.attrs...)
		if err := handler.Handle(c.ctx, r); err != nil {
			t.Fatal(err)
		}
		if got, want := out.String(), "2026.11.29 05:06:07.089 DEBUG "+c.want+"\n"; got != want {
			t.Errorf("%s: got %q, want %q", c.name, got, want)
		}
		out.Reset()
	}
	if NewTextHandler(&out, slog.LevelInfo).Enabled(t.Context(), slog.LevelDebug) {
		t.Error("a level below that of the handler is enabled")
	}
}

func TestRecord(t *testing.T) {
	r := Record{
		Scope: sample(), Time: time.Date(2026, 11, 29, 5, 6, 7, 8, time.UTC), Level: slog.LevelDebug, Seq: 3, Kind: "rule",
		Event: json.RawMessage(`{"seq":3,"time":1,"host":"x","role":"ingress","run":2,"kind":"rule","position":4,"change":{"to":"ä"},"a\u0001b":1}`),
	}
	line, err := r.AppendJSON(nil)
	if err != nil {
		t.Fatal(err)
	}
	want := with(map[string]any{
		"time": "2026-11-29T05:06:07.000000008Z", "level": "DEBUG", "msg": "rule", "seq": 3.0, "kind": "rule", "role": "ingress", "run": 2.0, "position": 4.0,
		"change": map[string]any{"to": "ä"}, "a\x01b": 1.0,
	})
	if diff := cmp.Diff(want, parse(t, line)); diff != "" {
		t.Errorf("a record (- wanted):\n%s", diff)
	}
	event, err := r.AppendEvent(nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]any{
		"seq": 3.0, "time": float64(r.Time.UnixNano()), "host": keys["host"], "kind": "rule", "role": "ingress", "run": 2.0, "position": 4.0,
		"change": map[string]any{"to": "ä"}, "a\x01b": 1.0,
	}, parse(t, event)); diff != "" {
		t.Errorf("an event (- wanted):\n%s", diff)
	}
	if n := strings.Count(string(line), `"seq"`); n != 1 {
		t.Errorf("%d members seq in %s", n, line)
	}
	if got, want := r.Key(), "01000000-0000-0000-0000-000000000000-04000000-0000-0000-0000-000000000000-3"; got != want {
		t.Errorf("key %s, want %s", got, want)
	}
	for _, event := range []string{"[]", "1", "{", `{"a":}`, `{"a":1`, "x", `{"a":1} x`, `{"a":1}{}`} {
		r.Event = json.RawMessage(event)
		if line, err := r.AppendJSON(nil); err == nil {
			t.Errorf("event %s: got %s, want an error", event, line)
		}
	}
}

// Whatever an event is, a record is a JSON object on one line, or an error.
func FuzzRecord(f *testing.F) {
	f.Add([]byte(`{"a":{"b":[1,null]},"seq":3,"\u0000":"\u2028"}`), "rule")
	f.Add([]byte("{\"a\":\n 1}"), "a\nb")
	f.Fuzz(func(t *testing.T, event []byte, kind string) {
		r := Record{Scope: sample(), Event: event, Kind: kind}
		for _, form := range []func([]byte) ([]byte, error){r.AppendJSON, r.AppendEvent} {
			line, err := form(nil)
			if err == nil && (!json.Valid(line) || line[0] != '{' || bytes.ContainsAny(line, "\n\r")) {
				t.Errorf("event %q of kind %q: got %q", event, kind, line)
			}
		}
	})
}
