// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package holder keeps the descriptors of file systems that are watched while the
// process that reads them is killed and started again. The kernel goes on queueing
// events for a group of notices as long as somebody has it open; the holder does
// almost nothing, so that there is little in it that can fail.
//
//	Holder   the process: descriptors by key, for whoever asks on its socket
//	Client   the agent's end: it takes, holds and drops
//
// The holder ends when nothing is held, or when no agent has been connected for a
// while: an agent that never returns must not have the kernel's queues grow for ever.
package holder
