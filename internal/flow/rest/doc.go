// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package rest is the REST interface of virtual networks and their flow traces, below
// /midonet-api. What it serves is in docs/protocol/flow-rest.md.
//
// A request passes five gates, in this order: the token (401), the path and method
// (404, 405), the media types (406, 415), the role (403), and, once the object is
// known, its owner (403). Handlers see requests that are through the first four; they
// ask for the owner themselves, since it is that of the object.
//
// # Concurrency
//
// A Server is safe for concurrent use, and keeps nothing of a request.
package rest
