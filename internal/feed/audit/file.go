// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Names of files.
const (
	filePrefix = "audit-"
	fileSuffix = ".jsonl"
)

func fileName(number uint64) string { return fmt.Sprintf("%s%010d%s", filePrefix, number, fileSuffix) }

// numberOf is the number in the name of a file.
func numberOf(name string) (uint64, bool) {
	digits, ok := strings.CutPrefix(name, filePrefix)
	if !ok {
		return 0, false
	}
	if digits, ok = strings.CutSuffix(digits, fileSuffix); !ok {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, 10, 64)
	return n, err == nil && n > 0 && fileName(n) == name
}

// fileNumbers are the numbers of the files in a directory, in order.
func fileNumbers(dir string) ([]uint64, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var numbers []uint64
	for _, e := range entries {
		if n, ok := numberOf(e.Name()); ok {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	return numbers, nil
}

// chain is where a chain of lines is.
type chain struct {
	hash    Hash
	through uint64
	header  header // of the last file
	begun   bool   // a line was seen; before, hash is not known
}

// Fault is the first line that does not fit.
type Fault struct {
	File      string // path
	Line      int    // from 1
	Offset    int64  // of the line in the file
	Got, Want string
}

func (f *Fault) Error() string {
	return fmt.Sprintf("%s: line %d (offset %d): got %s, want %s", f.File, f.Line, f.Offset, f.Got, f.Want)
}

// maxLine bounds a line: the JSON form of the largest record is well below.
const maxLine = 1 << 20

// read follows the lines of a file. It returns the size of the whole lines; what is
// behind, a line that has no end, is torn. each may be nil.
func (c *chain) read(path string, number uint64, each func(*line)) (whole int64, torn int, err error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, 0, err
	}
	defer f.Close()
	r := bufio.NewReaderSize(f, maxLine)
	for n := 1; ; n++ {
		b, err := r.ReadSlice('\n')
		switch {
		case errors.Is(err, io.EOF):
			return whole, len(b), nil
		case errors.Is(err, bufio.ErrBufferFull):
			return whole, 0, &Fault{path, n, whole, fmt.Sprintf("more than %d bytes", maxLine), "a shorter line"}
		case err != nil:
			return whole, 0, fmt.Errorf("%s: offset %d: %w", path, whole, err)
		}
		l, err := c.next(bytes.TrimSuffix(b, []byte{'\n'}), number, n == 1)
		if err != nil {
			fault := &Fault{File: path, Line: n, Offset: whole, Got: err.Error(), Want: "a line"}
			if e := (*lineError)(nil); errors.As(err, &e) {
				fault.Got, fault.Want = e.got, e.want
			}
			return whole, 0, fault
		}
		if each != nil {
			each(l)
		}
		whole += int64(len(b))
	}
}

// next checks that a line fits behind those before it.
func (c *chain) next(b []byte, number uint64, first bool) (*line, error) {
	l, err := parseLine(b)
	if err != nil {
		return nil, err
	}
	switch {
	case first && l.header == nil:
		return nil, &lineError{shown(l.body), "the header of a file"}
	case !first && l.header != nil:
		return nil, &lineError{"a header", "a record"}
	case l.header != nil:
		if err := c.begin(l.header, number); err != nil {
			return nil, err
		}
	}
	if want := c.hash.follows(l.body); want != l.hash {
		return nil, &lineError{"chain " + l.hash.String(), want.String()}
	}
	if l.index > 0 && l.index <= c.through {
		return nil, &lineError{fmt.Sprintf("record %d", l.index), fmt.Sprintf("one behind %d", c.through)}
	}
	c.hash, c.through = l.hash, l.through(c.through)
	return &l, nil
}

// begin checks that a header fits behind the file before.
func (c *chain) begin(h *header, number uint64) error {
	after, err := ParseHash(h.After)
	if err != nil {
		return &lineError{"after " + strconv.Quote(h.After), "a hash"}
	}
	switch {
	case h.File != number:
		return &lineError{fmt.Sprintf("file %d", h.File), fmt.Sprintf("file %d", number)}
	case number == 1 && after != Hash{}:
		return &lineError{"after " + h.After, "zeros: nothing comes before the first file"}
	case !c.begun:
		c.hash, c.through, c.begun = after, h.Through, true // what was before was removed
	case after != c.hash:
		return &lineError{"after " + h.After, c.hash.String()}
	case h.Through != c.through:
		return &lineError{fmt.Sprintf("through %d", h.Through), strconv.FormatUint(c.through, 10)}
	}
	c.header = *h
	return nil
}

// syncDir makes names in a directory durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func pathOf(dir string, number uint64) string { return filepath.Join(dir, fileName(number)) }
