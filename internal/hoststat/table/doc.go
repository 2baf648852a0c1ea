// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package table makes tables of what hosts tell: the views that the monitor and
// the logger have in common.
//
//	view, _ := table.ViewByName("load")
//	var t table.Table
//	t.Fill(cluster, view, &table.Options{Sort: "load1"})
//	for i := range t.Rows { … view.Columns[c].Format(t.Rows[i].Cells[c]) … }
//
// A row is a host, a part of one (a disk, a process), an alarm, or the heading of
// a group. A host that is not up has a row without cells, with its state and the
// reason.
//
// Texts of hosts are cleaned: no control character, and nothing that changes the
// direction of writing, leaves this package.
package table
