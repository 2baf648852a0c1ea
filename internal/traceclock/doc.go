// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package traceclock declares the clock that the domains of a session share, so
// that their events stand on one time line: the host's monotonic clock, with how
// far the clock of the day is ahead of it.
package traceclock
