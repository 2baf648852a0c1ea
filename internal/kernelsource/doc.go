// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package kernelsource is the kernel as a source of trace sessions: each channel
// is a tracing instance of its own, whose rings a consumer process reads.
//
// Nothing outside these instances is changed. Each is named
// weir.SESSION.CHANNEL.RANDOM and written down, with its owner, in a directory of
// runtime files before it is made, so that Sweep finds what a killed daemon has
// left behind, and nothing else.
package kernelsource
