// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package tracepoint is tracing for Go programs, without cgo, by the protocol of
// LTTng-UST.
package tracepoint
