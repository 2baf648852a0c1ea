// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package record

import (
	"encoding/json"
	"log/slog"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/weir-io/weir/internal/flow/packet"
	"github.com/weir-io/weir/internal/flow/topology"
)

func TestParse(t *testing.T) {
	proto, port := uint8(17), uint16(53)
	want := Record{
		Scope: &Scope{
			Cookie: 7, Flow: topology.ID{1}, Host: topology.ID{2}, Requests: []topology.ID{{3}, {4}},
			Header: Header{
				EthSrc: packet.MAC{2, 1}, EthDst: packet.MAC{2, 2}, EtherType: 0x800,
				Src: netip.MustParseAddr("10.0.0.1"), Dst: netip.MustParseAddr("10.0.0.2"), Proto: &proto, SrcPort: &port, DstPort: &port,
			},
		},
		Time: time.Date(2026, 11, 29, 5, 6, 7, 8, time.UTC), Level: slog.LevelDebug, Seq: 5, Kind: "rule",
		Event: json.RawMessage(`{"role":"ingress","chain":"c","a":[1,{"b":2}]}`),
	}
	text, err := want.AppendJSON(nil)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Parse(text)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("Parse(%s) = %+v, %v, want %+v", text, got, err, want)
	}
	for n := range len(text) {
		if r, err := Parse(text[:n]); err == nil {
			t.Errorf("%d bytes of it: %+v, want an error", n, r)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	const (
		id   = "01000000-0000-0000-0000-000000000000"
		head = `"time":"2026-11-29T05:06:07Z","kind":"rule","seq":0`
		ids  = `"flowTraceId":"` + id + `","host":"` + id + `"`
	)
	if _, err := Parse([]byte("{" + head + "," + ids + "}")); err != nil {
		t.Errorf("the least that a record has: %v", err)
	}
	if r, err := Parse([]byte("{" + head + "," + ids + `,"networkSrc":null,"srcPort":null}`)); err != nil || r.Scope.Header.Src.IsValid() {
		t.Errorf("with members that are null: %+v, %v, want them absent", r, err)
	}
	for text, want := range map[string]string{
		``:                              "want an object",
		`[]`:                            "want an object",
		`{` + head + `}`:                "flowTraceId: got none",
		`{` + ids + `}`:                 "time: got none",
		`{` + head + `,` + ids + `} {}`: "after it",
		`{"seq":-1}`:                    "seq: ",
		`{"seq":1,"seq":2}`:             "seq: is there twice",
		`{"kind":""}`:                   "kind: got an empty text",
		`{"time":5}`:                    "time: ",
		`{"time":"2026-11-29T05:06:07Z","kind":"rule","seq":null,` + ids + `}`: "seq: got none",
		`{"time":"2026-11-29T05:06:07Z","kind":null,"seq":0,` + ids + `}`:      "kind: got none",
		`{"cookie":"7"}`:                            "cookie: got",
		`{"networkProto":256}`:                      "networkProto: ",
		`{"ethSrc":"x"}`:                            "ethSrc: ",
		`{"traceRequestId":"` + id + `,"}`:          "traceRequestId: ",
		`{"traceRequestId":"` + manyIDs(101) + `"}`: "more than 100",
	} {
		if r, err := Parse([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Parse(%.60s) = %+v, %v, want an error with %q", text, r, err, want)
		}
	}
}

// manyIDs is a list of as many requests.
func manyIDs(n int) string {
	ids := make([]topology.ID, n)
	for i := range ids {
		ids[i] = topology.ID{byte(i), 1}
	}
	return joinIDs(ids)
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"time":"2026-11-29T05:06:07Z","kind":"rule","seq":0,"flowTraceId":"01000000-0000-0000-0000-000000000000","host":"01000000-0000-0000-0000-000000000000","x":{}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := Parse(b)
		if err != nil {
			return
		}
		event, err := r.AppendEvent(nil)
		if err != nil || !json.Valid(event) {
			t.Errorf("event of %q: %q, %v", b, event, err)
		}
	})
}
