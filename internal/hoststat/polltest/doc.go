// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package polltest plays hosts that are watched: machines whose counters grow at
// known rates, and daemons that answer with them, or late, or with what is no
// message. It is for tests, and knows nothing of weir's own protocol package, so
// that a mistake there is not made twice.
package polltest
