// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package selfmap gives back the pages of the program's own executable that it has
// touched: those of its start, above all, which a daemon never needs again.
//
// A page of an executable is a view of the file in the kernel's cache. The kernel
// counts it as resident from the first touch on, and with each touched page fifteen
// around it. Given back it costs nothing; touched again it is mapped again, without
// reading the file.
//
// # What is given back
//
// Pages of the segments that the program cannot write: code, constants, tables.
// Which segments these are is said by the program headers of the executable, not by
// the permissions of the mappings: a dynamic linker writes to pages that it makes
// read-only afterwards, and what it wrote would be lost. Pages that were written all
// the same have become the process's own and stay: a debugger or a probe of the
// kernel has put a breakpoint there.
//
// # Concurrency
//
// An [Image] has one user at a time. Other goroutines may run: who touches a page
// that is being given back gets it again.
package selfmap
