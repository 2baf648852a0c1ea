// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package changelog

import (
	"fmt"
	"strconv"
	"strings"
)

// FID names an object of a file system for as long as it exists, and no other
// object after it. The zero FID is unknown. It is 16 bytes in every binary format:
// Seq, OID, Ver, little-endian.
type FID struct {
	Seq uint64
	OID uint32
	Ver uint32
}

// IsZero reports whether the object is unknown.
func (f FID) IsZero() bool { return f == FID{} }

// AppendBinary appends the 16 bytes of the binary formats.
func (f FID) AppendBinary(dst []byte) []byte {
	dst = le.AppendUint64(dst, f.Seq)
	dst = le.AppendUint32(dst, f.OID)
	return le.AppendUint32(dst, f.Ver)
}

// DecodeFID reads the 16 bytes of the binary formats.
func DecodeFID(b []byte) (FID, error) {
	if len(b) != fidLen {
		return FID{}, &Error{Form: "FID", Got: strconv.Itoa(len(b)) + " bytes", Want: strconv.Itoa(fidLen)}
	}
	return fidAt(b), nil
}

// fidAt reads the FID at the front of b, which must have its 16 bytes.
func fidAt(b []byte) FID {
	_ = b[fidLen-1]
	return FID{Seq: le.Uint64(b), OID: le.Uint32(b[8:]), Ver: le.Uint32(b[12:])}
}

// String returns the text form, [0xSEQ:0xOID:0xVER].
func (f FID) String() string { return string(f.AppendText(nil)) }

// AppendText appends the text form.
func (f FID) AppendText(dst []byte) []byte {
	dst = strconv.AppendUint(append(dst, "[0x"...), f.Seq, 16)
	dst = strconv.AppendUint(append(dst, ":0x"...), uint64(f.OID), 16)
	dst = strconv.AppendUint(append(dst, ":0x"...), uint64(f.Ver), 16)
	return append(dst, ']')
}

// ParseFID reads the text form. The brackets may be missing, the letters may be
// capital, and a zero may be without 0x, as Lustre writes that of the first number.
// Errors are of type *Error.
func ParseFID(text string) (FID, error) {
	fail := func(field string, offset int, got, want string) (FID, error) {
		return FID{}, &Error{Form: "FID", Field: field, Offset: offset, Got: got, Want: want}
	}
	inner, offset := text, 0
	if strings.HasPrefix(text, "[") {
		if !strings.HasSuffix(text, "]") {
			return fail("", 0, quoted(text), "a ] at the end")
		}
		inner, offset = text[1:len(text)-1], 1
	}
	parts := strings.Split(inner, ":")
	if len(parts) != 3 {
		return fail("", 0, quoted(text), "[0xSEQ:0xOID:0xVER]")
	}
	var n [3]uint64
	for i, part := range parts {
		bits := [...]int{64, 32, 32}[i]
		v, ok := parseHex(part, bits)
		if !ok {
			return fail([...]string{"seq", "oid", "ver"}[i], offset, quoted(part), fmt.Sprintf("0x and a number of %d bits", bits))
		}
		n[i], offset = v, offset+len(part)+1
	}
	return FID{Seq: n[0], OID: uint32(n[1]), Ver: uint32(n[2])}, nil
}

// parseHex reads 0x and a number, or 0.
func parseHex(text string, bits int) (uint64, bool) {
	if text == "0" {
		return 0, true
	}
	digits, ok := strings.CutPrefix(text, "0x")
	if !ok || digits == "" || len(digits) > bits/4 || digits[0] == '+' || digits[0] == '-' || strings.Contains(digits, "_") {
		return 0, false
	}
	v, err := strconv.ParseUint(digits, 16, bits)
	return v, err == nil
}
