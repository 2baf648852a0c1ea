// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package storetest holds what every store promises: a suite that runs on each of
// them, and ZooKeeper servers for it. It is for tests only.
package storetest
