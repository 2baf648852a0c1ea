// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package statsource

import (
	"bytes"
	"math"
	"math/big"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/weir-io/weir/xmlsysd"
)

func TestParse(t *testing.T) {
	for _, tt := range []struct {
		kind xmlsysd.Kind
		text string
		want any // nil: refused
	}{
		{xmlsysd.Count, "0", uint64(0)},
		{xmlsysd.Count, "18446744073709551615", uint64(math.MaxUint64)},
		{xmlsysd.Count, "18446744073709551616", nil},
		{xmlsysd.Count, "99999999999999999999", nil},
		{xmlsysd.Count, "000000000000000000001", nil},
		{xmlsysd.Count, "-1", nil},
		{xmlsysd.Count, "", nil},
		{xmlsysd.Count, "1.0", nil},
		{xmlsysd.Count, " 1", nil},
		{xmlsysd.Count, "max", nil},
		{xmlsysd.Integer, "-1", int64(-1)},
		{xmlsysd.Integer, "9223372036854775807", int64(math.MaxInt64)},
		{xmlsysd.Integer, "9223372036854775808", nil},
		{xmlsysd.Integer, "-9223372036854775808", int64(math.MinInt64)},
		{xmlsysd.Integer, "-9223372036854775809", nil},
		{xmlsysd.Integer, "-", nil},
		{xmlsysd.Integer, "--1", nil},
		{xmlsysd.Decimal, "0.05", 0.05},
		{xmlsysd.Decimal, "-12", -12.0},
		{xmlsysd.Decimal, "37035.68", 37035.68},
		{xmlsysd.Decimal, ".5", nil},
		{xmlsysd.Decimal, "5.", nil},
		{xmlsysd.Decimal, "1e3", nil},
		{xmlsysd.Decimal, "inf", nil},
		{xmlsysd.Decimal, "0x1p4", nil},
		{xmlsysd.Decimal, "1_000", nil},
		{xmlsysd.Decimal, strings.Repeat("9", maxDigits+1), nil},
		{xmlsysd.Text, "", uint64(0)},
	} {
		bits, ok := parse(tt.kind, []byte(tt.text))
		var got any = bits
		switch {
		case !ok:
			got = nil
		case tt.kind == xmlsysd.Integer:
			got = int64(bits)
		case tt.kind == xmlsysd.Decimal:
			got = math.Float64frombits(bits)
		}
		if got != tt.want {
			t.Errorf("kind %d: parse(%q) = %v, want %v", tt.kind, tt.text, got, tt.want)
		}
	}
}

// FuzzParse compares with numbers of any size.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"0", "-9223372036854775808", "18446744073709551615", "12.50", "x", "-0.1"} {
		f.Add(s)
	}
	integers, decimals := regexp.MustCompile(`^-?[0-9]+$`), regexp.MustCompile(`^-?[0-9]+(\.[0-9]+)?$`)
	f.Fuzz(func(t *testing.T, s string) {
		n, isInt := new(big.Int).SetString(s, 10)
		isInt = isInt && integers.MatchString(s) && len(strings.TrimPrefix(s, "-")) <= 20
		if bits, ok := parse(xmlsysd.Count, []byte(s)); ok != (isInt && s[0] != '-' && n.IsUint64()) || ok && bits != n.Uint64() {
			t.Errorf("count %q: %d, %v", s, bits, ok)
		}
		if bits, ok := parse(xmlsysd.Integer, []byte(s)); ok != (isInt && n.IsInt64()) || ok && int64(bits) != n.Int64() {
			t.Errorf("integer %q: %d, %v", s, int64(bits), ok)
		}
		if bits, ok := parse(xmlsysd.Decimal, []byte(s)); ok {
			v, _, err := big.ParseFloat(s, 10, 53, big.ToNearestEven)
			if want, _ := v.Float64(); err != nil || !decimals.MatchString(s) || math.Float64frombits(bits) != want {
				t.Errorf("decimal %q: %v, want %v", s, math.Float64frombits(bits), want)
			}
		}
	})
}

func FuzzClean(f *testing.F) {
	for _, s := range []string{"", "eth0", "a\x00b", "\xff<]]>", "\xed\xa0\x80", "�"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, s []byte) {
		room := []byte("before")
		got, room := clean(s, room)
		want := bytes.ToValidUTF8(s, nil)
		if !utf8.Valid(got) || bytes.IndexByte(got, 0) >= 0 || !bytes.HasPrefix(room, []byte("before")) {
			t.Errorf("clean(%q) = %q", s, got)
		}
		if bytes.Equal(want, s) && bytes.IndexByte(s, 0) < 0 && !bytes.Equal(got, s) {
			t.Errorf("clean(%q) = %q, which was clean", s, got)
		}
	})
}
