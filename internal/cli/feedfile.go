// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/weir-io/weir/changelog"
	"github.com/weir-io/weir/client/feed"
)

// newFeedPrintCommand returns "weir feed print".
func newFeedPrintCommand() *cobra.Command {
	var format string
	var from, to uint64
	var asJSON bool
	c := &cobra.Command{
		Use:   "print [FILE]...",
		Short: "Print records that were written to files",
		Long: `Print records from files, or from standard input, as "weir feed export" writes them, or
"weir feed read", "tail" and pipes, in native form, Lustre's or JSON (in texts a name may
look like the next record). No agent is asked. With --format it translates one form to
another; the native one and JSON have all that is known. The first record that cannot be
read is an error that names its place.`,
		Example: `  weir feed print audit.wfr
  weir feed print --format json audit.wfr | jq 'select(.type == "UNLNK") | .path'
  weir feed print --format native --from 4711 audit.wfr | my-consumer`,
		Args: cobra.ArbitraryArgs,
	}
	f := c.Flags()
	f.StringVar(&format, "format", "text", "print records as `FORMAT`: text, json, lustre or native")
	f.Uint64Var(&from, "from", 0, "begin with the record of `INDEX`")
	f.Uint64Var(&to, "to", 0, "end with the record of `INDEX`; 0: the last that there is")
	f.BoolVar(&asJSON, "json", false, "print JSON")
	c.RunE = func(c *cobra.Command, paths []string) error {
		form, err := feed.ParseFormat(format)
		switch {
		case err != nil:
			return usageErrorf("--format: %w", err)
		case to > 0 && from > to:
			return usageErrorf("--from %d is behind --to %d", from, to)
		case asJSON:
			form = feed.FormatJSON
		}
		if len(paths) == 0 {
			paths = []string{"-"}
		}
		out := bufio.NewWriterSize(c.OutOrStdout(), 64<<10)
		var line []byte
		show := func(r *changelog.Record) error {
			if r.Index < from || to > 0 && r.Index > to {
				return nil
			}
			r.Has &^= changelog.HasReint // the native form is given it anew
			line = appendRecord(line[:0], form, r)
			_, err := out.Write(line)
			return err
		}
		for _, path := range paths {
			if err := readStored(c.InOrStdin(), path, show); err != nil {
				return errors.Join(err, out.Flush())
			}
		}
		return out.Flush()
	}
	return c
}

// readStored hands out the records of a file, or with "-" those of stdin.
func readStored(stdin io.Reader, path string, show func(*changelog.Record) error) error {
	in := stdin
	if path == "-" {
		path = "standard input"
	} else {
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		in = f
	}
	s := &storedRecords{in: bufio.NewReaderSize(in, 1<<20)}
	for {
		r, err := s.next()
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return fmt.Errorf("%s: record %d, offset %d: %w", path, s.count+1, s.offset, err)
		}
		if err := show(r); err != nil {
			return err
		}
		s.forward()
	}
}

// storedRecords reads records that stand back to back.
type storedRecords struct {
	in     *bufio.Reader
	count  int   // records before the current one
	offset int64 // of the current one
	size   int   // of the current one
	record changelog.Record
}

// forward goes behind the current record.
func (s *storedRecords) forward() {
	_, _ = s.in.Discard(s.size) // which is in the buffer
	s.count++
	s.offset += int64(s.size)
}

// next reads the record at the current place, good until forward. The form shows in its
// first bytes.
func (s *storedRecords) next() (*changelog.Record, error) {
	head, err := s.in.Peek(4)
	switch {
	case len(head) == 0:
		return nil, err
	case err == io.EOF:
		return nil, fmt.Errorf("got %d bytes, want a record", len(head))
	case err != nil:
		return nil, err
	case head[3] == 0: // the upper byte of a length; a Lustre record has flags there
		return s.native(int(binary.LittleEndian.Uint32(head)))
	case head[1] < ' ': // the upper byte of the length of names
		return s.lustre()
	case head[0] == '{':
		return s.line()
	}
	return nil, fmt.Errorf("got %q, want a record in native form, Lustre's or JSON: in texts names may forge records", head)
}

func (s *storedRecords) native(size int) (*changelog.Record, error) {
	if size > changelog.RecordMax {
		return nil, fmt.Errorf("got a length of %d, want at most %d", size, changelog.RecordMax)
	}
	b, err := s.in.Peek(4 + size)
	if err != nil {
		return nil, cutShort(err, len(b)-4, size)
	}
	s.size = len(b)
	return &s.record, changelog.DecodeNative(b[4:], &s.record)
}

func (s *storedRecords) lustre() (*changelog.Record, error) {
	b, err := s.in.Peek(changelog.RecordMax)
	if err != nil && err != io.EOF {
		return nil, err
	}
	if s.size, err = changelog.LustreLen(b); err != nil {
		return nil, err
	}
	return &s.record, changelog.DecodeLustre(b[:s.size], &s.record)
}

// line reads a record in JSON.
func (s *storedRecords) line() (*changelog.Record, error) {
	for want := 4 << 10; ; want *= 2 { // by Peek, which has the buffer grow no further
		b, err := s.in.Peek(min(want, s.in.Size()))
		end := bytes.IndexByte(b, '\n')
		switch {
		case end >= 0:
			s.size = end + 1
			return &s.record, changelog.DecodeJSON(b[:end], &s.record)
		case err == io.EOF:
			return nil, fmt.Errorf("line of %d bytes has no end", len(b))
		case err != nil:
			return nil, err
		case want >= s.in.Size():
			return nil, fmt.Errorf("line is longer than %d bytes", len(b))
		}
	}
}

// cutShort tells of a record that is not there to its end.
func cutShort(err error, got, want int) error {
	if err == io.EOF {
		return fmt.Errorf("the file ends amid it: got %d bytes, want %d", got, want)
	}
	return err
}
