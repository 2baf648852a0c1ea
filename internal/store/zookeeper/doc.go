// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package zookeeper is the store that several hubs share: a ZooKeeper ensemble. Each
// session is a connection of its own.
//
// While no server answers, calls fail with store.ErrUnavailable after at most the
// request time-out, and the session goes on if a server answers before it has ended.
// That it has ended is known only when a server says so.
package zookeeper
