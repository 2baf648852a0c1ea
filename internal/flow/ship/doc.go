// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package ship brings records of traced packets to log services: Elasticsearch, by its
// bulk interface, Splunk, by its HTTP event collector, and a local file.
//
// A Shipper takes records without ever holding up who brings them. They wait in
// a bounded queue; when it is full the oldest goes and is counted. They leave in
// batches, in their order. A service that does not answer, or answers that it is busy,
// gets a batch again, at growing intervals; records that it refuses are counted. At the
// end what waits is brought for a bounded time.
package ship
