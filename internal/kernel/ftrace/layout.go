// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ftrace

import (
	"strconv"
	"strings"
)

// Layout says where the parts of a page are. The zero value is of no use; see
// [Layout64] and [ParseHeaderPage].
type Layout struct {
	Long      int  // bytes of the kernel's long: of the length, of pointers
	Commit    int  // offset of the length
	Data      int  // offset of the first record
	Size      int  // bytes of a page; 0: not known
	BigEndian bool // the kernel's byte order, which no file tells
}

// Layout64 is the layout of all 64-bit little-endian kernels, with pages of
// any size.
func Layout64() Layout { return Layout{Long: 8, Commit: 8, Data: 16} }

// Sub-buffers of a ring have at least minPage and at most maxPage bytes: kernels
// with larger pages than 4 KiB have larger ones than 512 KiB.
const (
	minPage = 64
	maxPage = 64 << 20
)

// ParseHeaderPage reads the text of events/header_page, of an instance for its
// size of pages. The byte order is set to little-endian.
func ParseHeaderPage(text []byte) (Layout, error) {
	l := Layout{}
	fail := func(line int, want, got string) (Layout, error) {
		return Layout{}, &FormatError{Text: "header_page", Line: line, Want: want, Got: got}
	}
	n, stamp, data := 0, false, 0
	for line := range strings.Lines(string(text)) {
		n++
		line = strings.TrimRight(line, "\n")
		var p formatParser
		if !strings.HasPrefix(line, "\tfield: ") {
			return fail(n, "a field", line)
		}
		f, err := p.field("\tfield:" + line[len("\tfield: "):])
		if err != nil {
			return fail(n, "a field", line)
		}
		switch f.Name {
		case "timestamp":
			if f.Offset != 0 || f.Size != 8 {
				return fail(n, "8 bytes at offset 0", line)
			}
			stamp = true
		case "commit":
			l.Commit, l.Long = f.Offset, f.Size
		case "data":
			l.Data, data = f.Offset, f.Size
		}
	}
	l.Size = l.Data + data
	switch {
	case !stamp || l.Long != 4 && l.Long != 8:
		return fail(0, "a time stamp and a commit of 4 or 8 bytes", strconv.Itoa(l.Long))
	case l.Commit < 8 || l.Data < l.Commit+l.Long || l.Data > minPage:
		return fail(0, "data behind commit behind time stamp", strconv.Itoa(l.Data))
	case l.Size < minPage || l.Size > maxPage:
		return fail(0, "a page of 64 bytes to 64 MiB", strconv.Itoa(l.Size))
	}
	return l, nil
}
