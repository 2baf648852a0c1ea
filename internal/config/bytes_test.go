// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"testing"
)

func TestParseBytes(t *testing.T) {
	tests := []struct {
		text string
		want Bytes
		ok   bool
	}{
		{"0", 0, true},
		{"4096", 4096, true},
		{"4096B", 4096, true},
		{"64MiB", 64 << 20, true},
		{" 64 MiB ", 64 << 20, true},
		{"1GB", 1e9, true},
		{"500kB", 500000, true},
		{"8388607TiB", 8388607 << 40, true},
		{"8388608TiB", 0, false},
		{"9223372036854775808", 0, false},
		{"-1", 0, false},
		{"1.5GiB", 0, false},
		{"64mib", 0, false},
		{"MiB", 0, false},
		{"", 0, false},
	}
	for _, tt := range tests {
		got, err := ParseBytes(tt.text)
		if got != tt.want || (err == nil) != tt.ok {
			t.Errorf("ParseBytes(%q) = %d, %v, want %d, ok %v", tt.text, int64(got), err, int64(tt.want), tt.ok)
		}
	}
}

func TestBytesText(t *testing.T) {
	tests := map[Bytes]string{0: "0", 1: "1", 1000: "1000", 1024: "1KiB", 1536: "1536", 3 << 20: "3MiB", 1 << 40: "1TiB", 1 << 50: "1024TiB"}
	for b, want := range tests {
		text, err := b.MarshalText()
		if err != nil || string(text) != want {
			t.Errorf("MarshalText(%d) = %q, %v, want %q", int64(b), text, err, want)
		}
		var back Bytes
		if err := back.UnmarshalText(text); err != nil || back != b {
			t.Errorf("UnmarshalText(%q) = %d, %v, want %d", text, int64(back), err, int64(b))
		}
	}
	got := Bytes(7)
	if err := got.UnmarshalText([]byte("x")); err == nil || got != 7 {
		t.Errorf("UnmarshalText(x) = %v and left %d, want an error and 7", err, int64(got))
	}
}

func FuzzParseBytes(f *testing.F) {
	for _, seed := range []string{"64MiB", "1GB", "0", "-1", "9223372036854775807", "1 kB"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		b, err := ParseBytes(text)
		if err != nil {
			return
		}
		if b < 0 {
			t.Fatalf("ParseBytes(%q) = %d, below 0", text, int64(b))
		}
		if back, err := ParseBytes(b.String()); err != nil || back != b {
			t.Fatalf("ParseBytes(%q) = %d, whose text %q reads as %d, %v", text, int64(b), b, int64(back), err)
		}
	})
}
