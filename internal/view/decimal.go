// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package view

import (
	"encoding/binary"
	"math/bits"
	"strconv"
)

// pairs holds the two digits of the numbers from 0 to 99.
const pairs = "" +
	"00010203040506070809" + "10111213141516171819" + "20212223242526272829" + "30313233343536373839" +
	"40414243444546474849" + "50515253545556575859" + "60616263646566676869" + "70717273747576777879" +
	"80818283848586878889" + "90919293949596979899"

// Of eight digits at a time.
const (
	eight      = 100_000_000 // numbers below have eight digits at most
	zeroDigits = 0x3030303030303030
)

// eightDigits returns the digits of a number below 10^8, each in a byte, the
// first one in the lowest: halves, quarters and digits are parted in all of
// their places at once.
func eightDigits(v uint64) uint64 {
	const (
		byHundred, hundredShift = 10486, 20 // v / 100 below 10^4
		byTen, tenShift         = 103, 10   // v / 10 below 100
	)
	halves := v / 10_000
	halves |= (v - 10_000*halves) << 32
	top := halves * byHundred >> hundredShift & 0x0000007f_0000007f
	pairs := top | (halves-100*top)<<16
	tens := pairs * byTen >> tenShift & 0x000f_000f_000f_000f
	return tens | (pairs-10*tens)<<8
}

// appendUint appends a number in decimal digits.
func appendUint(dst []byte, v uint64) []byte {
	if v < 10 {
		return append(dst, byte('0'+v))
	}
	if n := len(dst); v < eight && cap(dst)-n >= 8 {
		d := eightDigits(v)
		zeros := bits.TrailingZeros64(d) >> 3
		binary.LittleEndian.PutUint64(dst[n:n+8], (d|zeroDigits)>>(8*zeros&63))
		return dst[:n+8-zeros]
	}
	var b [20]byte
	i := len(b)
	for ; v >= 100; i -= 2 {
		q := v / 100
		p := (v - q*100) * 2
		b[i-1], b[i-2] = pairs[p+1], pairs[p]
		v = q
	}
	if v >= 10 {
		b[i-1], b[i-2] = pairs[2*v+1], pairs[2*v]
		i -= 2
	} else {
		i--
		b[i] = byte('0' + v)
	}
	return append(dst, b[i:]...)
}

// appendInt appends a signed number in decimal digits.
func appendInt(dst []byte, v int64) []byte {
	if v >= 0 {
		return appendUint(dst, uint64(v))
	}
	return appendUint(append(dst, '-'), -uint64(v))
}

// nanoDigits is the number of digits of nanoseconds in a second.
const nanoDigits = 9

// appendNanos appends the nine digits of a number of nanoseconds below 10^9.
func appendNanos(dst []byte, ns uint32) []byte {
	var b [nanoDigits]byte
	putNanos(&b, ns)
	return append(dst, b[:]...)
}

// putNanos writes the nine digits of a number of nanoseconds below 10^9.
func putNanos(b *[nanoDigits]byte, ns uint32) {
	top := ns / eight
	b[0] = byte('0' + top)
	binary.LittleEndian.PutUint64(b[1:], eightDigits(uint64(ns-eight*top))|zeroDigits)
}

// appendPadded appends a number in at least width decimal digits, up to 20.
func appendPadded(dst []byte, v uint64, width int) []byte {
	var b [20]byte
	for i := len(b) - 1; i >= 0; i-- {
		b[i] = byte('0' + v%10)
		if v /= 10; v == 0 && i <= len(b)-width {
			return append(dst, b[i:]...)
		}
	}
	return append(dst, b[:]...)
}

// appendHex appends 0x and a number in upper-case hexadecimal digits.
func appendHex(dst []byte, v uint64) []byte {
	const hex = "0123456789ABCDEF"
	n := (bits.Len64(v|1) + 3) / 4
	dst = append(dst, "0x"...)
	for i := n - 1; i >= 0; i-- {
		dst = append(dst, hex[v>>(4*i)&15])
	}
	return dst
}

// appendOctal appends 0 and a number in octal digits.
func appendOctal(dst []byte, v uint64) []byte {
	return strconv.AppendUint(append(dst, '0'), v, 8)
}

// appendBinary appends 0b and the lowest size bits of a number.
func appendBinary(dst []byte, v uint64, size int) []byte {
	dst = append(dst, "0b"...)
	for i := size - 1; i >= 0; i-- {
		dst = append(dst, byte('0'+v>>i&1))
	}
	return dst
}
