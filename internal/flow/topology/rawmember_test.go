// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package topology

import (
	"bytes"
	"encoding/json"
	"testing"
)

// FuzzSplitObject compares the members with those that encoding/json finds.
func FuzzSplitObject(f *testing.F) {
	for _, seed := range []string{
		`{}`, ` { } `, `{"a":1}`, `{"a" : [1,{"b":"]}"}] , "b":{"c":"\\\""},"c":-1.5e3}`, "{\n\t\"\\u0061\": null ,\"a\":true}", `{"":""}`, `{"a":"x","a":"y"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		data = bytes.TrimSpace(data)
		if !json.Valid(data) || data[0] != '{' {
			return
		}
		var want map[string]json.RawMessage
		if err := json.Unmarshal(data, &want); err != nil {
			t.Fatal(err)
		}
		got := make(map[string]json.RawMessage)
		for _, m := range splitObject(data) {
			name := string(m.name)
			if !bytes.ContainsRune(m.name, '\\') {
				quoted, _ := unquote(append(append([]byte{'"'}, m.name...), '"'))
				name = quoted // what is no UTF-8 is replaced
			}
			got[name] = m.value
		}
		if len(got) > len(want) {
			t.Fatalf("%s: members %q, want %q", data, got, want)
		}
		for name, value := range want {
			if other, ok := got[name]; ok && !bytes.Equal(other, value) {
				t.Fatalf("%s: member %q is %s, want %s", data, name, other, value)
			}
		}
	})
}

func TestSplitObject(t *testing.T) {
	got := splitObject([]byte("{ \"a\" : [1, {\"b\": \"]}\\\"\"}] ,\n\"\\u0062\":{},\"c\":-1.5e3 , \"d\":\"\\\\\"}"))
	want := []rawMember{
		{[]byte("a"), json.RawMessage(`[1, {"b": "]}\""}]`)},
		{[]byte("b"), json.RawMessage(`{}`)},
		{[]byte("c"), json.RawMessage(`-1.5e3`)},
		{[]byte("d"), json.RawMessage(`"\\"`)},
	}
	if len(got) != len(want) {
		t.Fatalf("%d members, want %d: %q", len(got), len(want), got)
	}
	for i := range want {
		if !bytes.Equal(got[i].name, want[i].name) || !bytes.Equal(got[i].value, want[i].value) {
			t.Errorf("member %d is %q: %q, want %q: %q", i, got[i].name, got[i].value, want[i].name, want[i].value)
		}
	}
}
