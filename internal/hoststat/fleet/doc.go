// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package fleet asks the hosts that a hub knows for their statistics, for the hub's
// REST interface and its metrics.
//
//	f, err := fleet.New(fleet.Options{Hosts: registry.List, …})
//	go f.Run(ctx)
//	f.Update()             // when hosts have come or gone
//	f.Statistics("node01") // for the interface
//	f.Messages(yield)      // for the metrics
//
// It is package poll without history, which keeps the last message of each host
// where metrics are wanted: some 20 to 40 KB a host.
//
// # Lock order
//
// Fleet.mu and the cluster's lock are never held together.
package fleet
