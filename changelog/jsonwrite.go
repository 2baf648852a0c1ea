// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package changelog

import (
	"encoding/base64"
	"strconv"
	"time"
	"unicode/utf8"
)

const hexDigits = "0123456789abcdef"

// appendString appends a JSON string. The text must be UTF-8.
func appendString[T string | []byte](dst []byte, text T) []byte {
	dst = append(dst, '"')
	begin := 0
	for i := range len(text) {
		c := text[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		dst = append(dst, text[begin:i]...)
		begin = i + 1
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, `\n`...)
		case '\t':
			dst = append(dst, `\t`...)
		case '\r':
			dst = append(dst, `\r`...)
		default:
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
	}
	return append(append(dst, text[begin:]...), '"')
}

// appendBytes appends a member with a text: under its key, or, if it is not UTF-8,
// in base64 under the key with _b64 behind it.
func appendBytes(dst []byte, key string, text []byte) []byte {
	dst = append(append(dst, `,"`...), key...)
	if utf8.Valid(text) {
		return appendString(append(dst, `":`...), text)
	}
	dst = base64.StdEncoding.AppendEncode(append(dst, `_b64":"`...), text)
	return append(dst, '"')
}

// appendUint appends a member with a number unless it is zero and need not be there.
func appendUint(dst []byte, key string, v uint64, always bool) []byte {
	if v == 0 && !always {
		return dst
	}
	return strconv.AppendUint(append(dst, key...), v, 10)
}

// appendUintText is appendUint for integers of 64 bits, which are strings because
// many readers of JSON round numbers above 2^53.
func appendUintText(dst []byte, key string, v uint64, always bool) []byte {
	if v == 0 && !always {
		return dst
	}
	return append(strconv.AppendUint(append(append(dst, key...), '"'), v, 10), '"')
}

func appendFID(dst []byte, key string, f FID) []byte {
	return append(f.AppendText(append(append(dst, key...), '"')), '"')
}

// appendTime appends a JSON string with a time in UTC to the nanosecond.
func appendTime(dst []byte, ns int64) []byte {
	dst = appendDate(append(dst, '"'), ns, '-')
	return append(appendClock(append(dst, 'T'), ns), 'Z', '"')
}

// appendDate appends year, month and day.
func appendDate(dst []byte, ns int64, between byte) []byte {
	year, month, day := unixTime(ns).Date()
	dst = appendDigits(dst, year, 4)
	dst = appendDigits(append(dst, between), int(month), 2)
	return appendDigits(append(dst, between), day, 2)
}

// appendClock appends HH:MM:SS.nnnnnnnnn.
func appendClock(dst []byte, ns int64) []byte {
	t := unixTime(ns)
	hour, minute, second := t.Clock()
	dst = appendDigits(dst, hour, 2)
	dst = appendDigits(append(dst, ':'), minute, 2)
	dst = appendDigits(append(dst, ':'), second, 2)
	return appendDigits(append(dst, '.'), t.Nanosecond(), 9)
}

func unixTime(ns int64) time.Time { return time.Unix(0, ns).UTC() }

// appendDigits appends a number with zeros in front.
func appendDigits(dst []byte, v, digits int) []byte {
	for range digits {
		dst = append(dst, '0')
	}
	for i := len(dst) - 1; v > 0; i-- {
		dst[i] += byte(v % 10)
		v /= 10
	}
	return dst
}
