// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package collect reads what node_exporter's default collectors show of a host and no
// section of the engine has: devices, file systems and services that some hosts have
// and most have not. Names, labels and values are those of Debian's node_exporter 1.5.
//
//	r := collect.New(collect.Options{Proc: "/proc", Sys: "/sys"})
//	for _, c := range r.Read() { … c.Name, c.OK, c.Families … }
//
// Files of devices may wait for their hardware, and there are some of each CPU and each
// sensor: a [Reader] is for a goroutine that nobody waits for.
//
// # What a collector is
//
// A function that fills a page with samples. One that fails keeps what it has found
// until then, as node_exporter's do; a host that has no such thing is a failure, too
// ([errAbsent]), but where node_exporter says that all is well and shows nothing.
//
// # Concurrency
//
// A Reader has one user at a time. What Read returns is not changed by later calls.
package collect
