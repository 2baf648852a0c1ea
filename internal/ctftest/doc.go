// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package ctftest makes traces from a text in which a person writes them. It is
// for tests only. The text is described in ctf/testdata/trace/README.md.
package ctftest
