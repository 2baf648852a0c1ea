// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package kernelfilter applies LTTng's filter expressions to events of the
// kernel: as filters of the kernel's own, where these can say it, and as
// functions of the bytes that the kernel recorded.
//
// An expression names fields and values as the trace has them, see
// [kerneltrace.Naming]: prev_tid and a priority from 0 for LTTng's names. The
// rules are those of [filter.LTTng]: a bare name is a field of the event, all
// integers are signed, and an event that lacks a field is not recorded, which is
// a [FieldError] here so that the user can be told.
//
// # Two places
//
// The kernel's filter costs no room in the ring, and nobody reads what it drops;
// the function can do all of the language. [Source.Split] makes the most of both:
// of conditions that are joined by && each goes to the kernel if that is able to
// decide it, and else to the function, perhaps with a weaker one in the kernel.
//
//	prev_tid == 7 && prev_comm == "a*" && (prev_state ^ 1) > 3
//	kernel:   prev_pid == 7 && prev_comm ~ "a*"
//	function: (prev_state ^ 1) > 3
//
// A filter of the kernel's never drops an event that the expression keeps.
//
// # What only one of them knows
//
// The kernel knows the CPU and the name of the thread, and can read the string
// that an argument of a system call points to: filename == "/etc/*". The function
// knows what a [Source] tells it: the CPU whose ring it reads, the table of tasks
// and the host's name. A condition that needs what nobody knows is a
// [ValueError].
//
// # The kernel's language
//
// Its fields are compared with numbers of the field's own type, which it cuts to
// the field's size; there is & for "any of these bits", == and != for texts and
// ~ for patterns. It has traps, which the translation goes around:
//
//   - Arguments of system calls are in slots of 8 bytes, of which only as many
//     count as the declared type has. What is in the others depends on the
//     program: -100 is 0xffffff9c from C and 0xffffffffffffff9c from Go. So these
//     are compared bit by bit, with &.
//   - A pattern that begins with * is compared with the end of the field's room,
//     not of the text; two stars make it look at the text. One that begins with
//     a digit or ! means something else.
//   - Bytes after the zero are compared as well by "*text*"; a text that fills
//     its room, or an empty one without a zero, is read beyond its end.
//
// Kernels before 4.17 lack what is used here, and refuse the filter: the caller
// then has the function alone, by [Source.Compile].
package kernelfilter
