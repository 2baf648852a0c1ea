// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package flow is a Go client of the interface of virtual networks and their flow
// traces: trace requests, what they have traced, dry runs, whole topologies, and the
// objects of networks. What each resource has is in docs/protocol/flow-rest.md.
//
// # Errors
//
// A refusal is an *[Error] with the status of the answer, and what is wrong with which
// property. Everything else is an error of the transport.
//
// # Concurrency
//
// A Client may be used by any number of goroutines.
package flow
