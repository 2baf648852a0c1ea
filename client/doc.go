// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package client is a Go client of weir's HTTP interface: the stored and open
// trace sessions of a hub, their streams and chunks, and the hosts that it knows.
//
// The types of this package are what the hub itself answers with, so that
// server and client cannot differ; the document that describes them for other
// languages is at /openapi.json of each hub.
//
// # Errors
//
// A refusal is a *[Problem] (RFC 9457): its Code is stable, one of the table
// in docs/errors.md. Everything else is an error of the transport.
//
// # Concurrency
//
// A Client may be used by any number of goroutines.
package client
