// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package roster knows which hosts to watch: it reads wulfhosts files and lists
// of hosts as people type them.
//
//	file, err := roster.Load("/etc/wulfhosts", roster.Values{})
//	hosts, err := roster.ParseList("node[01-16,20],gpu1:7888")
//
// # Format
//
// A wulfhosts file is XML with any root: docs/format/wulfhosts.md. Errors name the
// file and the line. What is not known is a warning, so that files of the original
// monitor and of later ones are read.
//
// # Limits
//
// Files have at most 4 MiB, a range or list at most 65536 hosts, all together
// 131072, includes are 4 deep.
package roster
