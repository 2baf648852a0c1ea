// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/weir-io/weir/changelog"
	"github.com/weir-io/weir/client/feed"
	"github.com/weir-io/weir/internal/progress"
)

// feedExport is one run of "weir feed export".
type feedExport struct {
	feedPrinter

	from, to   uint64
	output     string // "-": standard output
	noProgress bool

	done  progress.Counter
	info  feed.Info
	total exported
}

// exported is what was exported, as --json has it.
type exported struct {
	Feed    string `json:"feed"`
	File    string `json:"file"`
	Format  string `json:"format"`
	Records int    `json:"records"`
	First   uint64 `json:"first,omitempty"` // index
	Last    uint64 `json:"last,omitempty"`
	Missing uint64 `json:"missing"` // that were deleted before they were read
	Aborted bool   `json:"aborted"` // the feed was given up
}

// newFeedExportCommand returns "weir feed export".
func newFeedExportCommand() *cobra.Command {
	var e feedExport
	var format string
	c := &cobra.Command{
		Use:   "export FEED",
		Short: "Write the records that are kept for a feed to a file",
		Long: `Write the records that the journal holds for a feed now: to keep them before the feed
is reset or destroyed, as evidence, or as what a consumer is tested with. It ends with
the last one that was there when it began. Nothing is cancelled, and whoever reads the
feed is not disturbed; what he cancels meanwhile may be deleted before it is written: a
record MARK gap stands in its place, and the command says so. Of a feed that was given
up it writes what is still there.

The file, which must not exist, has its name once it is complete and on the disk; others
than its owner may not read it. "weir feed print" reads it. In the native form, which has
all that is known, each record has its length before it, in four bytes, little-endian.

Where --socket is an address of HTTP, the command takes the feed as its consumer does,
and fails while there is one.`,
		Example: `  weir feed export audit --output audit.wfr
  weir feed export audit --from 4711 --to 4800 --format json | jq .path
  weir feed print audit.wfr`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeFeeds,
	}
	f := c.Flags()
	f.StringVar(&format, "format", "native", "write records as `FORMAT`: native, lustre, json or text")
	f.Uint64Var(&e.from, "from", 0, "begin with the record of `INDEX`")
	f.Uint64Var(&e.to, "to", 0, "end with the record of `INDEX`; 0: the last that there is")
	f.StringVarP(&e.output, "output", "o", "-", "write `FILE`; -: standard output")
	f.BoolVar(&e.noProgress, "no-progress", false, "show no progress on a terminal")
	return feedCommand(c, func(call *feedCall) error {
		e.call = call
		var err error
		if e.format, err = e.parse(format); err != nil {
			return err
		}
		return e.run()
	})
}

// parse checks the flags and returns the form of records.
func (e *feedExport) parse(text string) (feed.Format, error) {
	stdout, form := e.output == "-", e.call.cmd.Flags().Changed("format")
	if e.to == 0 {
		e.to = 1<<64 - 1
	}
	f, err := feed.ParseFormat(text)
	switch {
	case err != nil:
		return 0, usageErrorf("--format: %w", err)
	case e.from > e.to:
		return 0, usageErrorf("--from %d is behind --to %d", e.from, e.to)
	case stdout && e.call.json && !form:
		f = feed.FormatJSON
	case stdout && e.call.json && f != feed.FormatJSON:
		return 0, usageErrorf("--json with --format %s: want --output FILE, too: records go to standard output", f)
	}
	if stdout && (f == feed.FormatNative || f == feed.FormatLustre) && isTerminal(e.call.cmd.OutOrStdout()) {
		return 0, usageErrorf("--format %s is nothing for a terminal: want --output FILE, or --format text", f)
	}
	return f, nil
}

// run writes the records, and says what it has written.
func (e *feedExport) run() error {
	if err := e.open(); err != nil {
		return err
	}
	defer e.consumer.Close()
	e.total = exported{Feed: feedLabel(&e.info), File: e.output, Format: e.format.String(), Aborted: e.info.Aborted != nil}
	var err error
	if e.output == "-" {
		err = e.write(e.call.cmd.OutOrStdout())
	} else {
		err = writeNewFile(e.output, e.write)
	}
	switch {
	case err != nil && e.call.ctx.Err() != nil && e.output != "-":
		return fmt.Errorf("interrupted: %s was not written", e.output)
	case err != nil:
		return err
	}
	e.warn(e.call.cmd.ErrOrStderr())
	switch {
	case e.output == "-":
		return nil
	case e.call.json:
		return e.call.print(&e.total)
	}
	_, err = fmt.Fprintf(e.call.cmd.OutOrStdout(), "%s: %s of %s%s\n", e.output, plural(int64(e.total.Records), "record"), e.total.Feed, e.total.span())
	return err
}

// span tells the indexes.
func (t *exported) span() string {
	if t.Records == 0 {
		return ""
	}
	return fmt.Sprintf(", %d to %d", t.First, t.Last)
}

// open opens the feed beside its consumer, where the agent can do that, and learns where to
// end.
func (e *feedExport) open() (err error) {
	o := feed.OpenOptions{Look: !e.call.api.Remote(), From: e.from}
	if e.consumer, err = e.call.api.Open(e.call.ctx, e.call.args[0], o); err != nil {
		return err
	}
	e.info = e.consumer.Info()
	e.to = min(e.to, e.info.Last)
	if a := e.info.Aborted; a != nil {
		e.to = min(e.to, a.Last)
	}
	return nil
}

// warn says what is not in the file though it belongs to the feed.
func (e *feedExport) warn(w io.Writer) {
	if a := e.info.Aborted; a != nil {
		fmt.Fprintf(w, "weir: feed %s was given up (%s): what the journal still holds for it is exported\n", e.total.Feed, a.Reason)
	}
	if e.total.Missing > 0 {
		fmt.Fprintf(w, "weir: %s deleted before: a gap stands in their place\n", wasOrWere(e.total.Missing))
	}
}

func wasOrWere(records uint64) string {
	if records == 1 {
		return "1 record was"
	}
	return fmt.Sprintf("%d records were", records)
}

// write writes the records.
func (e *feedExport) write(w io.Writer) error {
	e.out = bufio.NewWriterSize(w, 256<<10)
	if !e.noProgress && isTerminal(e.call.cmd.ErrOrStderr()) && !(e.output == "-" && isTerminal(w)) {
		defer e.done.Tell(newProgress(e.call.cmd.ErrOrStderr()), e.info.Bytes)()
	}
	begin := max(e.from, e.info.Cancelled+1)
	o := feed.ReadOptions{Keep: true, MaxRecords: 10_000}
	for more := begin <= e.to; more; {
		b, err := e.consumer.Raw(e.call.ctx, o, e.record)
		switch {
		case e.failed != nil:
			return e.failed
		case err != nil:
			return err
		}
		e.advance(begin, b.Through)
		more = b.More && !b.Aborted && b.Through < e.to
	}
	return e.out.Flush()
}

// advance has progress know how much of the bytes, of which only the sum is known, is done.
func (e *feedExport) advance(begin, through uint64) {
	part := float64(min(max(through+1, begin), e.to+1)-begin) / float64(e.to+1-begin)
	e.done.Done.Store(int64(part * float64(e.info.Bytes)))
	e.done.Events.Store(int64(e.printed))
}

// record writes one record, if it is one of those that are wanted.
func (e *feedExport) record(raw []byte) error {
	h, ok := changelog.Peek(raw)
	if ok && (h.Index < e.from || h.Index > e.to) {
		return nil
	}
	if err := e.print(raw); err != nil {
		return err
	}
	if e.total.Records++; e.total.Records == 1 {
		e.total.First = h.Index
	}
	e.total.Last = max(e.total.Last, h.Index)
	if m := e.feedPrinter.record.Mark; m != nil && m.Kind == changelog.MarkGap && m.Reason == changelog.GapPurged && m.To >= m.From {
		e.total.Missing += m.To - m.From + 1
	}
	return nil
}

// writeNewFile has write make a file that did not exist. It has its name once it is
// complete and on the disk.
func writeNewFile(path string, write func(io.Writer) error) error {
	if _, err := os.Lstat(path); err == nil {
		return fmt.Errorf("%s: %w", path, fs.ErrExist)
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	err = write(f)
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return syncDirectory(filepath.Dir(path))
}

// syncDirectory has names of a directory be on the disk.
func syncDirectory(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
