// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package hosts is how a hub knows which hosts there are: agents register with it,
// and monitors find them there.
//
//	agent                              hub
//	Announcer ── PUT hosts/NAME ─────▶ Registry ──▶ who polls, who shows
//	          ◀── renew within 30 s ──
//
// A host is known by its name. Its agent says where the host answers monitors, and
// renews that; an agent that ends in order takes it back. One that has not renewed
// in time is lost, and its host is forgotten some time later. The registry is in
// memory only: after a restart of the hub all agents are back within the time of a
// renewal.
//
// # Whom the hub believes
//
// Only peers of the networks that are allowed may register; those of loopback
// always may, and so may those that have shown a certificate of the name. An address that a peer gives must be its own, or in these networks,
// so that nobody can make the hub connect to a host that has nothing to do with
// it; a peer of loopback, which may be a proxy that knows whom it lets in, is
// believed. A name that a living agent holds is not given to one of another
// address, and one that was registered by a certificate to nobody without.
//
// # Limits
//
// The number of hosts is bounded; a further one is refused and counted.
package hosts
