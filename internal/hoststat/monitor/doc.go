// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package monitor puts the watching of hosts together for the commands: it finds
// out which hosts, polls them, reads the file anew when it has changed, runs the
// command of alarms, and writes pages.
//
//	m, err := monitor.Open(monitor.Options{File: "wulfhosts"})
//	go m.Run(ctx)
//	err = m.Log(ctx, monitor.LogOptions{View: view, Out: os.Stdout})
package monitor
