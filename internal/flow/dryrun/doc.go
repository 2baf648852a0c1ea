// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package dryrun simulates packets without a network: on the topology of a document,
// with the workloads that it names, or on that of a hub, whose state it does not touch.
//
// A Lab plays frames one after the other; what devices learn from one they know with
// the next. Workloads answer ARP requests for their addresses, so that a packet whose
// next hop is not known yet goes on as it would in time. On top of that are questions
// about a whole topology: who reaches whom (Reach), and what a change changes (Diff).
package dryrun
