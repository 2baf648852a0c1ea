// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package selfsource is weir itself as a source of trace sessions: what its
// sessions go through, and what goes wrong with them, are events of the domain
// "weir".
//
// Everybody has the events of sessions of their own, root those of all. It needs no
// privilege, and shows what a source is that makes packets itself:
// each channel encodes its events with package ctf and hands finished packets
// over.
package selfsource
