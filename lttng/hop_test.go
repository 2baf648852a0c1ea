// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package lttng

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestHopRequest(t *testing.T) {
	line := "WEIR-HOP/1 tcp://gate:5350,tcp6://[fe80::1%eth0]:9,tcp4://10.0.0.1:5342\n"
	want := HopRequest{[]Hop{{"tcp", "gate", 5350}, {"tcp6", "fe80::1%eth0", 9}, {"tcp4", "10.0.0.1", 5342}}}
	got, err := ParseHopRequest([]byte(line))
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("ParseHopRequest(%q): %v\n%s", line, err, diff)
	}
	if again := string(want.Append(nil)); again != line {
		t.Errorf("written as %q, want %q", again, line)
	}
	for name, bad := range map[string]string{
		"nothing":      "",
		"other":        "GET / HTTP/1.1\n",
		"version":      "WEIR-HOP/2 tcp://a:1\n",
		"no chain":     "WEIR-HOP/1 \n",
		"no port":      "WEIR-HOP/1 tcp://a\n",
		"port 0":       "WEIR-HOP/1 tcp://a:0\n",
		"udp":          "WEIR-HOP/1 udp://a:1\n",
		"file":         "WEIR-HOP/1 /etc/passwd\n",
		"directory":    "WEIR-HOP/1 tcp://a:1/x\n",
		"empty place":  "WEIR-HOP/1 tcp://a:1,,tcp://b:2\n",
		"two lines":    "WEIR-HOP/1 tcp://a:1\ntcp://b:2\n",
		"space":        "WEIR-HOP/1 tcp://a:1, tcp://b:2\n",
		"nine places":  "WEIR-HOP/1 " + strings.Repeat("tcp://a:1,", 8) + "tcp://a:1\n",
		"long":         "WEIR-HOP/1 tcp://" + strings.Repeat("a", MaxHopRequest) + ":1\n",
		"wrong family": "WEIR-HOP/1 tcp6://10.0.0.1:1\n",
	} {
		if got, err := ParseHopRequest([]byte(bad)); err == nil {
			t.Errorf("%s: %q is read as %v", name, bad, got)
		}
	}
}

func TestHopReply(t *testing.T) {
	for line, want := range map[string]HopReply{
		"200 OK\n":                    {HopOK, "OK"},
		"403 denied":                  {HopDenied, "denied"},
		"502 no route to host (next)": {HopFailed, "no route to host (next)"},
		"504\n":                       {HopTimeout, ""},
	} {
		if got, err := ParseHopReply([]byte(line)); err != nil || got != want {
			t.Errorf("ParseHopReply(%q) = %v, %v, want %v", line, got, err, want)
		}
	}
	for _, bad := range []string{"", "OK", "20 x", "2000 x", "-20 x", "2O0 OK", " 200 OK"} {
		if got, err := ParseHopReply([]byte(bad)); err == nil {
			t.Errorf("ParseHopReply(%q) = %v", bad, got)
		}
	}
	b := HopReply{HopFailed, strings.Repeat("x", 1000) + "\n"}.Append(nil)
	if len(b) != MaxHopReply || b[len(b)-1] != '\n' {
		t.Errorf("a long reason makes a line of %d bytes, want %d", len(b), MaxHopReply)
	}
	if got := string(HopReply{HopFailed, "a\nb\x00"}.Append(nil)); got != "502 a?b?\n" {
		t.Errorf("written as %q", got)
	}
}

// What is read is written as it came.
func FuzzHopRequest(f *testing.F) {
	f.Add([]byte("WEIR-HOP/1 tcp://a:1,tcp4://10.0.0.1:2\n"))
	f.Add([]byte("WEIR-HOP/1 TCP6://[::1]:1"))
	f.Fuzz(func(t *testing.T, line []byte) {
		m, err := ParseHopRequest(line)
		if err != nil {
			return
		}
		again, err := ParseHopRequest(m.Append(nil))
		if diff := cmp.Diff(m, again); err != nil || diff != "" {
			t.Errorf("%q read again: %v\n%s", m.Append(nil), err, diff)
		}
	})
}

// The document's conversation is what the codec reads and writes.
func TestHopDocument(t *testing.T) {
	b, err := os.ReadFile("../docs/protocol/weir-extensions.md")
	if err != nil {
		t.Fatal(err)
	}
	_, block, found := strings.Cut(string(b), "\n```hop\n")
	block, _, _ = strings.Cut(block, "```")
	if !found {
		t.Fatal("the document has no conversation with a hop")
	}
	for line := range strings.Lines(block) {
		_, line, _ := strings.Cut(line, ": ")
		var again []byte
		if m, err := ParseHopRequest([]byte(line)); err == nil {
			again = m.Append(nil)
		} else if r, err := ParseHopReply([]byte(line)); err == nil {
			again = r.Append(nil)
		}
		if string(again) != line {
			t.Errorf("%q is written as %q", line, again)
		}
	}
}
