// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package record

import (
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"
)

func TestAppendText(t *testing.T) {
	const ids = " flow_id=01000000-0000-0000-0000-000000000000 host_id=04000000-0000-0000-0000-000000000000\n"
	for _, c := range []struct{ name, kind, event, want string }{
		{"members in their order", "rule", `{"position":3,"result":"drop","matched":true,"none":null}`, "rule position=3 result=drop matched=true none=null"},
		{"no event", "start", ``, "start"},
		{"what the record has", "rule", `{"seq":4,"kind":"rule","host":"h","time":1,"a":"b"}`, "rule a=b"},
		{"objects", "start", `{"match":{"ethSrc":"02:00:00:00:00:01","in":{"x":1}},"empty":{},"outputs":[{"port":1}]}`, `start match.ethSrc=02:00:00:00:00:01 match.in.x=1 outputs="[{\"port\":1}]"`},
		{"too deep", "x", `{"a":{"b":{"c":{"d":{"e":1}}}}}`, `x a.b.c.d="{\"e\":1}"`},
		{"forged", "rule\n2026 x", `{"a\nb c=d":"e\n2026.11.29 f","g":"h i","":1}`, `rule 2026 x a_b_c_d="e\n2026.11.29 f" g="h i" =1`},
	} {
		r := Record{Scope: sample(), Time: time.Date(2026, 11, 29, 5, 6, 7, 89_000_000, time.UTC), Level: slog.LevelDebug, Seq: 9, Kind: c.kind, Event: json.RawMessage(c.event)}
		got, err := r.AppendText([]byte("before\n"))
		if want := "before\n2026.11.29 05:06:07.089 DEBUG [cookie:7] " + c.want + ids; err != nil || string(got) != want {
			t.Errorf("%s: got\n%s%v, want\n%s", c.name, got, err, want)
		}
		if strings.Count(string(got), "\n") != 2 {
			t.Errorf("%s: more than a line:\n%s", c.name, got)
		}
	}
	r := Record{Scope: sample(), Event: json.RawMessage("[]")}
	if got, err := r.AppendText([]byte("before")); err == nil || string(got) != "before" {
		t.Errorf("an event that is no object: got %q, %v", got, err)
	}
}
