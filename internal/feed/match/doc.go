// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package match decides which records a feed delivers. A filter is read from JSON or
// from the command line, compiled once, and then asked for every record; asking
// allocates nothing and takes time linear in the record's paths.
//
// All fields of a filter must agree with a record; within a field any item of its
// list will do. Marks pass every filter.
//
// It must not know where records come from or who reads them.
package match
