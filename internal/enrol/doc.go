// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package enrol is how hosts and monitors become parts of a hub's cluster: the hub's
// authority, which signs their certificates, and their side, which asks for one.
//
//	hub                                        host
//	Authority.Invite ── token, by a person ──▶ Join
//	Authority.Enrol  ◀── secret, request ───── pins the authority, makes a key
//	                 ── certificate ─────────▶ keeps it
//	Authority.Renew  ◀── request, mTLS ─────── Keeper, after two thirds of its life
//	Authority.Expel
//
// # Whom the hub believes
//
// An [Authority] has a ledger of who is enrolled: a name, a role, and the hash of a key.
// A certificate counts as long as the ledger has its key for its name and role, whoever
// has signed it and however long it lasts: to expel somebody is one change of the ledger,
// and a ledger that is lost, or of yesterday, lets nobody in whom it does not know.
//
// # Kills
//
// Each change is on the disk, whole, before it is answered. Who joins has its key on the
// disk before it asks: if the answer is lost, the same invitation answers the same key
// again, and no other one, until it ends.
//
// docs/protocol/enrolment.md has the wire, docs/design/0010-enrolment-by-a-pinned-authority.md
// the threats that were thought of.
package enrol
