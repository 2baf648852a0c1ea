// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package repo holds the tests of the repository as a whole: which package may
// import which, what every file carries, that generated documents are fresh
// and that the documents name what exists. It has no code of its own.
package repo
