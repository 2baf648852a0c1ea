// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package feed is a client of weir's feeds: durable, numbered records of what changes
// in a file system.
//
//	Client    a connection to an agent, by its Unix socket or a hub's address
//	Consumer  the one reader of a feed, for as long as it is open
//	Batch     records that were read together and are cancelled together
//
// A record stays with the agent until it is cancelled. With Read, asking for the next
// batch cancels the one before; who stores Batch.Through together with the effect of
// the batch, in one transaction, has each record exactly once.
package feed
