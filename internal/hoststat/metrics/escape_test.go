// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// FuzzLabel demands that Prometheus reads the value of a label as it was, but for
// what no exposition can hold.
func FuzzLabel(f *testing.F) {
	for _, s := range []string{"", "sda", `a"b`, `\`, `\\n`, "a\nb", "\xff<\x01>", "\x00", "é\xc3", "\u2028", "{}=, ", "\r\n", "\ufffd", strings.Repeat(`"`, 300)} {
		f.Add([]byte(s))
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	f.Fuzz(func(t *testing.T, value []byte) {
		b := []byte("m{")
		b = append(appendLabel(append(b, `a="1"`...), labelName("l"), value), "} 1\n"...)
		families, err := parser.TextToMetricFamilies(strings.NewReader(string(b)))
		if err != nil {
			t.Fatalf("%q: %v", b, err)
		}
		var got string
		for _, l := range families["m"].GetMetric()[0].GetLabel() {
			if l.GetName() == "l" {
				got = l.GetValue()
			}
		}
		if want := readable(value); got != want {
			t.Errorf("label of %q is read as %q, want %q", value, got, want)
		}
	})
}

// readable replaces what is no UTF-8, byte by byte, and zeroes.
func readable(value []byte) string {
	var b strings.Builder
	for len(value) > 0 {
		r, size := utf8.DecodeRune(value)
		if r == 0 {
			r = utf8.RuneError
		}
		b.WriteRune(r)
		value = value[size:]
	}
	return b.String()
}
