// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package identity is who the parts of weir are for each other: certificates of one
// authority, which is a hub's own, each with one role and one name.
//
//	weir://hub/NAME      the hub, which polls hosts and passes feeds on
//	weir://host/NAME     the agent of a host
//	weir://monitor/NAME  who watches hosts
//
// A [Member] is a process with such a certificate: it makes the configurations of TLS
// for what it serves and whom it calls, with the certificate that it has at the time of
// each handshake. A [Kept] is what it keeps of that over restarts, and a [Token] what
// it gets its first certificate by.
//
// # What is checked
//
// That the other one's certificate is signed by the authority, holds now, and says the
// role, and where it is known the name, that is expected. Names of the name service are
// not compared: the authority signs for nobody but the parts of one hub, and they move
// from address to address. TLS is of version 1.3, without tickets, so that no session
// outlives what was checked when it began.
package identity
