// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ftrace

import (
	"strconv"
	"strings"
)

// FieldKind says where the value of a field is.
type FieldKind uint8

// Kinds of fields.
const (
	Plain   FieldKind = iota // at its offset, of its size
	Array                    // there, Len elements
	DataLoc                  // the field says where: u16 offset in the record, u16 length
	RelLoc                   // the same; the offset counts from the field's end
	Open                     // from its offset up to the record's end
)

// Field is a field of an event.
type Field struct {
	Type   string // of an element: "unsigned long", "const char *"
	Name   string
	Offset int // bytes from the record's begin
	Size   int // bytes of the whole field; 4 for DataLoc and RelLoc, 0 for Open
	Signed bool
	Len    int // elements of an Array; else 0
	Kind   FieldKind
}

// End is the offset behind the field.
func (f *Field) End() int { return f.Offset + f.Size }

// IsPointer reports whether the value is, or its elements are, addresses.
func (f *Field) IsPointer() bool { return strings.ContainsRune(f.Type, '*') }

// IsText reports whether the elements are characters.
func (f *Field) IsText() bool {
	return f.Kind != Plain && (f.Type == "char" || f.Type == "const char")
}

// ElementSize is the size of an element in bytes; that of the whole of a Plain
// field. Long is the size of the kernel's long. An unknown type has 1.
func (f *Field) ElementSize(long int) int {
	switch f.Kind {
	case Plain:
		return f.Size
	case Array:
		return f.Size / f.Len
	default:
		return sizeOf(f.Type, long)
	}
}

// parseDeclaration reads "[__data_loc |__rel_loc ]TYPE NAME".
func parseDeclaration(decl string) (f Field, ok bool) {
	if rest, is := strings.CutPrefix(decl, "__data_loc "); is {
		f.Kind, decl = DataLoc, rest
	} else if rest, is := strings.CutPrefix(decl, "__rel_loc "); is {
		f.Kind, decl = RelLoc, rest
	}
	i := strings.LastIndexByte(decl, ' ')
	if i <= 0 {
		return f, false
	}
	f.Type, f.Name = strings.TrimSpace(decl[:i]), decl[i+1:]
	for strings.HasPrefix(f.Name, "*") {
		f.Type, f.Name = f.Type+" *", f.Name[1:]
	}
	f.Type = strings.TrimSuffix(f.Type, "[]")
	if name, length, is := strings.Cut(f.Name, "["); is {
		f.Name = name
		length, is = strings.CutSuffix(length, "]")
		if !is {
			return f, false
		}
		if f.Kind == Plain {
			f.Kind = Open
			if length != "" {
				f.Kind = Array
				// A length that is no number, such as a constant's name, is 0
				// here and becomes bytes in settle.
				f.Len, _ = strconv.Atoi(length)
			}
		}
	}
	return f, f.Type != "" && f.Name != ""
}

// settle makes the kind fit the size: what is no number of equal elements of a
// known size is bytes.
func (f *Field) settle() {
	switch {
	case f.Kind == DataLoc || f.Kind == RelLoc:
		if f.Size != 4 {
			f.bytes()
		}
	case f.Kind == Open:
		if f.Size != 0 {
			f.bytes()
		}
	case f.Kind == Array:
		if f.Len <= 0 || f.Size%f.Len != 0 || !isWord(f.Size/f.Len) {
			f.bytes()
		}
	case !isWord(f.Size):
		f.bytes()
	}
}

func (f *Field) bytes() {
	f.Kind, f.Len, f.Signed = Array, f.Size, false
	if !f.IsText() {
		f.Type = "u8"
	}
	if f.Size == 0 {
		f.Kind = Open
	}
}

func isWord(size int) bool { return size == 1 || size == 2 || size == 4 || size == 8 }

// sizeOf is the size of a C type as far as elements of dynamic arrays need it.
func sizeOf(typ string, long int) int {
	if strings.ContainsRune(typ, '*') {
		return long
	}
	switch strings.TrimPrefix(typ, "const ") {
	case "u16", "s16", "__u16", "__s16", "__le16", "__be16", "uint16_t", "int16_t", "short", "unsigned short":
		return 2
	case "u32", "s32", "__u32", "__s32", "__le32", "__be32", "uint32_t", "int32_t", "int", "unsigned int", "unsigned",
		"pid_t", "uid_t", "gid_t", "dev_t", "gfp_t":
		return 4
	case "u64", "s64", "__u64", "__s64", "__le64", "__be64", "uint64_t", "int64_t", "long long", "unsigned long long",
		"loff_t", "sector_t", "ktime_t", "dma_addr_t", "phys_addr_t":
		return 8
	case "long", "unsigned long", "size_t", "ssize_t", "uintptr_t", "cpumask_t":
		return long
	default:
		return 1
	}
}
