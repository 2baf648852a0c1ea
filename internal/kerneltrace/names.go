// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package kerneltrace

import (
	"strings"

	"github.com/weir-io/weir/internal/kernel/ftrace"
)

// FieldName is the name in the trace of a field of a kernel's event, and what is
// added to its value there.
func (n Naming) FieldName(system, event, field string) (name string, add int32) {
	return n.fieldName(system, event, field)
}

// IsSyscall reports whether an event is the begin of a system call, whose
// arguments are in slots of 8 bytes each.
func IsSyscall(f *ftrace.Format) bool {
	return f.System == "syscalls" && strings.HasPrefix(f.Name, "sys_enter_")
}

// IsRequest reports whether an event is about a request of a block device, to
// which LTTng's naming adds fields.
func IsRequest(f *ftrace.Format) bool {
	return f.System == "block" && (strings.HasPrefix(f.Name, "block_rq_") || strings.HasPrefix(f.Name, "block_bio_"))
}

// Argument is the size of a system call's argument of a declared type, which is
// in the low bytes of its slot.
func Argument(typ string) (size int, signed bool) { return argument(typ) }

// RequestFlags is what LTTng makes of the kernel's text for a request of a block
// device.
func RequestFlags(text []byte) uint32 { return rwbs(text) }
