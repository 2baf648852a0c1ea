// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Bytes is a size in bytes. Its text is a whole number and a unit: "64MiB",
// "1GiB", "500kB"; a bare number counts bytes.
type Bytes int64

// Units of Bytes.
const (
	KiB Bytes = 1 << 10
	MiB Bytes = 1 << 20
	GiB Bytes = 1 << 30
	TiB Bytes = 1 << 40
)

// unit is one suffix of a size.
type unit struct {
	suffix string
	size   Bytes
}

// binaryUnits lists the units that String chooses from, largest first.
func binaryUnits() []unit {
	return []unit{{"TiB", TiB}, {"GiB", GiB}, {"MiB", MiB}, {"KiB", KiB}}
}

// decimalUnits lists the units that are understood beside the binary ones.
func decimalUnits() []unit {
	return []unit{{"TB", 1e12}, {"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3}, {"B", 1}}
}

// ParseBytes reads a size as Bytes describes it.
func ParseBytes(text string) (Bytes, error) {
	number, size := strings.TrimSpace(text), Bytes(1)
	for _, u := range append(binaryUnits(), decimalUnits()...) {
		if before, ok := strings.CutSuffix(number, u.suffix); ok {
			number, size = strings.TrimSpace(before), u.size
			break
		}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("want a size such as 64MiB, 500kB or 4096, got %q", text)
	}
	if n > math.MaxInt64/int64(size) {
		return 0, fmt.Errorf("size %q is above %d bytes", text, int64(math.MaxInt64))
	}
	return Bytes(n) * size, nil
}

// String returns the size with the largest binary unit that divides it.
func (b Bytes) String() string {
	for _, u := range binaryUnits() {
		if b != 0 && b%u.size == 0 {
			return strconv.FormatInt(int64(b/u.size), 10) + u.suffix
		}
	}
	return strconv.FormatInt(int64(b), 10)
}

// MarshalText implements encoding.TextMarshaler.
func (b Bytes) MarshalText() ([]byte, error) { return []byte(b.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (b *Bytes) UnmarshalText(text []byte) error {
	v, err := ParseBytes(string(text))
	if err != nil {
		return err
	}
	*b = v
	return nil
}
