// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"testing"

	"github.com/BurntSushi/toml"
)

const linesText = `# comment = 1
top = 1
[relay] # x
workers = 2

control_url = [ # [ {
  "tcp://a:1", # fake = 3
  "]fake2 = 4",
]
"quoted key" = 'its'
note = """
fake3 = 5
[fake4]
\"""
"""
after = 6
[ "live" . sub ]
deep = 7
[http]
inline = { listen = "x", more = [ 1,
  2 ] }
a.b.c = 8
[[list]]
item = 9
`

func TestKeyLines(t *testing.T) {
	var tables map[string]any
	if _, err := toml.Decode(linesText, &tables); err != nil {
		t.Fatalf("the text must be valid: %v", err)
	}
	lines := keyLines(linesText)
	tests := map[string]int{
		"top": 2, "relay": 3, "relay.workers": 4, "relay.control_url": 6, "relay.quoted key": 10,
		"relay.note": 11, "relay.after": 16, "live.sub": 17, "live.sub.deep": 18,
		"live": 17, "live.sub.other": 17,
		"http": 19, "http.inline": 20, "http.inline.listen": 20, "http.a.b.c": 22, "http.a": 22,
		"list": 23, "list.item": 24, "nowhere": 1,
	}
	for key, want := range tests {
		if got := lines.of(key); got != want {
			t.Errorf("of(%q) = %d, want %d", key, got, want)
		}
	}
	for key := range lines {
		for _, fake := range []string{"relay.fake", "relay.fake2", "relay.fake3", "fake4"} {
			if key == fake {
				t.Errorf("the scanner took %q for a key", key)
			}
		}
	}
}

func FuzzKeyLines(f *testing.F) {
	f.Add("[relay]\nworkers = 2\n")
	f.Add(linesText)
	f.Add("a = '''\n'''\n[x]\ny = [\n'''\n''']\nz=1")
	f.Add("\"a.b\" = 1\n'c' . d = { e = 1 }")
	f.Fuzz(func(t *testing.T, text string) {
		lines := keyLines(text) // must not panic on any text
		var tables map[string]any
		if len(text) > 4096 {
			return
		}
		if _, err := toml.Decode(text, &tables); err != nil {
			return
		}
		for key := range tables {
			if n := lines.of(key); n < 1 || n > len(text)+1 {
				t.Fatalf("of(%q) = %d in %q", key, n, text)
			}
		}
	})
}
