// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package ship brings records of traced packets to log services: Elasticsearch, by its
// bulk interface, and Splunk, by its HTTP event collector.
//
// A Shipper takes records without ever holding up who brings them. They wait in
// a bounded queue; when it is full the oldest goes and is counted. They leave in
// batches, in their order. A service that does not answer, or answers that it is busy,
// gets a batch again, at growing intervals; records that it refuses are counted.
package ship
