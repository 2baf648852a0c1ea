// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package page writes tables of hosts to a stream, page by page: the output of the
// logger.
//
//	w, err := page.New(os.Stdout, page.CSV)
//	err = w.Write(&table)
//
// Each page is one write, so that it is in the output as a whole or not at all.
package page
