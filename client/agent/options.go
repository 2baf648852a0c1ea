// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"fmt"
	"maps"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Keys of a URI's options. Values are kept in one form: sizes and numbers in
// decimal digits, durations as time.Duration prints them, booleans as 0 and 1.
const (
	OptionRate     = "rate"     // UDP: bytes per second
	OptionTimeout  = "timeout"  // of connecting
	OptionCompress = "compress" // zstd; not supported yet
	OptionMTU      = "mtu"      // UDP: payload of a datagram, bytes
	OptionWindow   = "window"   // UDP: bytes that may be unconfirmed
	OptionReliable = "reliable" // UDP: lost datagrams are sent again
)

// Bounds of a datagram's payload: what UDP can carry less weir's header of 56
// bytes, and what is left of the smallest that is worth sending.
const (
	minMTU = 128
	maxMTU = 65507 - 56
)

// option reads the value of one key.
type option struct {
	udp  bool // for datagrams only
	read func(string) (string, error)
}

// options are all that a URI can have.
var options = map[string]option{
	OptionRate:     {udp: true, read: readSize},
	OptionTimeout:  {read: readTimeout},
	OptionCompress: {read: readCompress},
	OptionMTU:      {udp: true, read: readMTU},
	OptionWindow:   {udp: true, read: readSize},
	OptionReliable: {udp: true, read: readSwitch},
}

// parseOptions reads "key=value&…" of a URI.
func parseOptions(uri, query string) (map[string]string, error) {
	if query == "" {
		return nil, nil
	}
	read := make(map[string]string)
	for pair := range strings.SplitSeq(query, "&") {
		key, value, _ := strings.Cut(pair, "=")
		o, known := options[key]
		if !known {
			return nil, refuse(uri, fmt.Sprintf("unknown option %q", key))
		}
		if _, twice := read[key]; twice {
			return nil, refuse(uri, fmt.Sprintf("option %q is given twice", key))
		}
		value, err := url.QueryUnescape(value)
		if err == nil {
			value, err = o.read(value)
		}
		if err != nil {
			return nil, refuse(uri, fmt.Sprintf("option %q: %v", key, err))
		}
		read[key] = value
	}
	return read, nil
}

// checkOptions refuses options of datagrams where there are none, and those that
// nobody honours yet.
func (t target) checkOptions(udp bool) error {
	for _, key := range slices.Sorted(maps.Keys(t.options)) {
		switch {
		case key == OptionCompress:
			return refuseAs(CodeNotSupported, t.text, fmt.Sprintf("option %q: packets are not compressed yet", key))
		case key == OptionRate && !udp:
			return refuseAs(CodeNotSupported, t.text, fmt.Sprintf("option %q is for UDP: TCP is not limited yet", key))
		case options[key].udp && !udp:
			return refuse(t.text, fmt.Sprintf("option %q is for UDP", key))
		}
	}
	return nil
}

// ParseSize reads a size as LTTng's commands take it: a number, which may be
// hexadecimal or octal as in C, with k, M or G for powers of 1024.
func ParseSize(s string) (uint64, error) {
	digits, unit := s, uint64(1)
	if s != "" {
		switch s[len(s)-1] {
		case 'k', 'K':
			unit = 1 << 10
		case 'm', 'M':
			unit = 1 << 20
		case 'g', 'G':
			unit = 1 << 30
		}
	}
	if unit > 1 {
		digits = s[:len(s)-1]
	}
	n, err := strconv.ParseUint(digits, 0, 64)
	if err != nil || strings.Contains(digits, "_") {
		return 0, fmt.Errorf("want a size such as 4096, 256k, 1M or 2G, got %q", s)
	}
	if n > math.MaxInt64/unit {
		return 0, fmt.Errorf("size %q is too large", s)
	}
	return n * unit, nil
}

func readSize(s string) (string, error) {
	n, err := ParseSize(s)
	if err == nil && n == 0 {
		err = fmt.Errorf("want a size above 0, got %q", s)
	}
	return strconv.FormatUint(n, 10), err
}

func readTimeout(s string) (string, error) {
	const longest = 24 * time.Hour
	d, err := time.ParseDuration(s)
	if n, numErr := strconv.ParseUint(s, 10, 32); numErr == nil {
		d, err = time.Duration(n)*time.Second, nil
	}
	if err != nil || d <= 0 || d > longest {
		return "", fmt.Errorf("want seconds, or a time such as 500ms, got %q", s)
	}
	return d.String(), nil
}

func readCompress(s string) (string, error) {
	if s != "zstd" {
		return "", fmt.Errorf("want zstd, got %q", s)
	}
	return s, nil
}

func readMTU(s string) (string, error) {
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil || n < minMTU || n > maxMTU {
		return "", fmt.Errorf("want %d to %d bytes, got %q", minMTU, maxMTU, s)
	}
	return strconv.FormatUint(n, 10), nil
}

func readSwitch(s string) (string, error) {
	on, err := strconv.ParseBool(s)
	if err != nil {
		return "", fmt.Errorf("want 0 or 1, got %q", s)
	}
	if on {
		return "1", nil
	}
	return "0", nil
}
