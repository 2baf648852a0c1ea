// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ftrace

import "fmt"

// FormatError says what is wrong with a text of the kernel.
type FormatError struct {
	Text string // which: "format of sched:sched_switch", "header_page", "stats"
	Line int    // from 1; 0: the text as a whole
	Want string
	Got  string
}

// Error implements the error interface.
func (e *FormatError) Error() string {
	at := ""
	if e.Line > 0 {
		at = fmt.Sprintf(" line %d", e.Line)
	}
	return fmt.Sprintf("%s:%s got %.80q, want %s", e.Text, at, e.Got, e.Want)
}

// PageError says what is wrong with a page of a ring.
type PageError struct {
	Offset int    // in the page
	What   string // "commit", "record"
	Got    int    // bytes that are claimed
	Want   int    // bytes that there are at most
}

// Error implements the error interface.
func (e *PageError) Error() string {
	return fmt.Sprintf("ring page: %s at offset %d takes %d bytes, there are %d", e.What, e.Offset, e.Got, e.Want)
}
