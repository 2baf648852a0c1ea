// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"errors"
	"fmt"
	"os"
)

// Report is what a verification has seen.
type Report struct {
	Files    int    `json:"files"`
	First    uint64 `json:"first_file"` // number of the first file: those before were removed
	Records  uint64 `json:"records"`
	Notes    uint64 `json:"notes"`
	Through  uint64 `json:"through"` // last index
	Hash     string `json:"hash"`    // of the last line: whoever keeps it elsewhere can tell a shortened log
	Anchored bool   `json:"anchored"`
	Torn     int    `json:"torn"` // bytes of a line that has no end, at the end of the last file
}

// Verify checks all files of a directory. The error is a *Fault where a line does not
// fit. With an anchor, a hash that was noted before, a line must have it.
func Verify(dir, anchor string) (Report, error) {
	var r Report
	var want Hash
	if anchor != "" {
		var err error
		if want, err = ParseHash(anchor); err != nil {
			return r, fmt.Errorf("anchor %q: %w", anchor, err)
		}
	}
	numbers, err := fileNumbers(dir)
	if err != nil {
		return r, err
	}
	if len(numbers) == 0 {
		return r, &os.PathError{Op: "verify", Path: dir, Err: errors.New("no files of an audit log")}
	}
	var c chain
	for i, n := range numbers {
		path := pathOf(dir, n)
		if i > 0 && n != numbers[i-1]+1 {
			return r, &Fault{path, 1, 0, fmt.Sprintf("file %d", n), fmt.Sprintf("file %d, which is missing", numbers[i-1]+1)}
		}
		whole, torn, err := c.read(path, n, func(l *line) {
			switch {
			case l.index > 0:
				r.Records++
			case l.note != nil:
				r.Notes++
			}
			r.Anchored = r.Anchored || anchor != "" && l.hash == want
		})
		if err != nil {
			return r, err
		}
		if whole == 0 && i < len(numbers)-1 { // only the last one may have been begun and not written
			return r, &Fault{path, 1, 0, "no line", "the header of a file"}
		}
		if torn > 0 && i < len(numbers)-1 {
			return r, &Fault{path, 0, whole, fmt.Sprintf("%d bytes without the end of a line", torn), "the end of the file"}
		}
		r.Files, r.Torn = r.Files+1, torn
	}
	r.First, r.Through, r.Hash = numbers[0], c.through, c.hash.String()
	if anchor != "" && !r.Anchored {
		return r, &Fault{dir, 0, 0, "no line with the hash " + anchor, "one: lines were cut off or written anew"}
	}
	return r, nil
}
