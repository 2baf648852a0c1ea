// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package changelog

// Reasons of gaps, in marks of kind MarkGap.
const (
	GapAgentDown   = "agent_down"   // nobody watched
	GapUncleanBoot = "unclean_boot" // the same, and the host was booted meanwhile
	GapOverflow    = "overflow"     // the kernel threw events away
	GapUnmounted   = "unmounted"
	GapStalled     = "stalled"    // the journal could not be written for too long
	GapReadError   = "read_error" // events could not be read or understood
	GapFIDUnknown  = "fid_unknown"
	GapReset       = "reset"   // the feed was reset
	GapSkipped     = "skipped" // a transient feed was read too slowly
	GapPurged      = "purged"  // records were deleted that the feed had not cancelled
)
