// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package tsdl reads and writes metadata of the Common Trace Format 1.8.
package tsdl
