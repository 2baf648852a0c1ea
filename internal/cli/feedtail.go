// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/weir-io/weir/changelog"
	"github.com/weir-io/weir/client/feed"
	"github.com/weir-io/weir/internal/feed/match"
	"github.com/weir-io/weir/internal/feed/tree"
)

// feedTail are the flags of "weir feed tail".
type feedTail struct {
	feedReader

	o      feed.CreateOptions
	filter []string
	tree   bool
}

// newFeedTailCommand returns "weir feed tail".
func newFeedTailCommand() *cobra.Command {
	r := feedTail{}
	call := &feedCall{}
	c := &cobra.Command{
		Use:   "tail [DIR]",
		Short: "Print changes as they happen, without a feed of one's own",
		Long: `Print what changes in a file system, or below a directory, from now on until the
command is interrupted. Nothing is kept. Any user may do it, and is shown what he could
see by himself.

Where no agent runs, or the file system cannot be watched by one (overlay, NFS, FUSE),
the directory tree is followed by inotify instead, with --tree always. That has limits:
every directory takes a watch (fs.inotify.max_user_watches); directories that you may
not list, and other mounts, are not followed; records have no FIDs and do not say who
did it; any change of attributes is SATTR; TRUNC is told as MTIME; XATTR and CTIME are
not told; what is made in a directory before it is watched is found by listing it,
and told with the flag SYNTH; when the kernel loses notices, a MARK gap says so and
the tree is compared with what was known. Paths are from DIR then.`,
		Example: `  weir feed tail
  weir feed tail /srv --filter types=CREAT,UNLNK
  weir feed tail --tree --format json . | jq .path`,
		Args: cobra.MaximumNArgs(1),
	}
	f := c.Flags()
	f.StringVar(&r.o.Source, "source", ".", "watch the file system of this `DIR`")
	f.StringVarP(&r.o.Mask, "mask", "m", "", "print records of these `TYPES`")
	f.StringArrayVarP(&r.filter, "filter", "f", nil, "print only what has `FIELD=LIST`; may be repeated")
	f.IntVar(&r.max, "max", 0, "end after `N` records; 0: none")
	f.StringVar(&r.format, "format", "text", "print records as `FORMAT`: text, json, lustre or native")
	f.BoolVar(&r.tree, "tree", false, "follow the directory tree by inotify, without an agent")
	feedCommand(c, nil)
	c.RunE = func(c *cobra.Command, args []string) error {
		ctx, stop := untilSignal(c)
		defer stop()
		call.ctx, call.cmd, call.args = ctx, c, args
		call.json, _ = f.GetBool("json")
		call.socket, _ = f.GetString("socket")
		return feedError(r.run(call))
	}
	return c
}

// run asks the agent, and follows the tree where there is none, or it cannot.
func (r *feedTail) run(call *feedCall) error {
	format, err := r.parse(call)
	if err != nil {
		return err
	}
	if len(call.args) > 0 {
		r.o.Source = call.args[0]
	}
	if r.o.Source, err = absolute(r.o.Source); err != nil {
		return err
	}
	if r.o.Filter, err = feedFilter(r.filter); err != nil {
		return err
	}
	if r.tree {
		return r.followTree(call, format)
	}
	n, err := r.open(call)
	if err != nil {
		if reason, ok := treeInstead(err); ok && !isUUID(r.o.Source) {
			fmt.Fprintf(call.cmd.ErrOrStderr(), "weir: %s: following the directory tree by inotify, see \"weir feed tail --help\"\n", reason)
			return r.followTree(call, format)
		}
		return err
	}
	defer n.Close()
	r.feedReader.follow = true
	p := &feedPrinter{call: call, consumer: n, format: format}
	return p.readAll(&r.feedReader, false, false)
}

// open opens a transient feed of the agent's.
func (r *feedTail) open(call *feedCall) (*feed.Consumer, error) {
	api, err := feed.Dial(call.ctx, call.socket)
	if err != nil {
		return nil, err
	}
	defer api.Close()
	return api.Tail(call.ctx, r.o, feed.FormatNative)
}

// treeInstead reports whether following the tree does instead of an agent, and why.
func treeInstead(err error) (reason string, ok bool) {
	switch {
	case errors.Is(err, os.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return "no agent of feeds runs", true
	case errors.Is(err, &feed.Error{Code: feed.CodeUnsupported}):
		return err.Error(), true
	}
	return "", false
}

// followTree follows the directory tree and prints records until the command is interrupted
// or has printed enough.
func (r *feedTail) followTree(call *feedCall, format feed.Format) error {
	mask, filter, err := r.selection()
	if err != nil {
		return err
	}
	log, err := newLogger(call.cmd.ErrOrStderr(), "warn", "text")
	if err != nil {
		return err
	}
	dir, err := filepath.EvalSymlinks(r.o.Source)
	if err != nil {
		return err
	}
	w, err := tree.Open(tree.Options{Dir: dir, Mask: mask, Log: log})
	if err != nil {
		return err
	}
	defer w.Close()
	if n := w.Skipped(); n > 0 {
		fmt.Fprintf(call.cmd.ErrOrStderr(), "weir: %d directories may not be listed and are not followed\n", n)
	}
	out := bufio.NewWriter(call.cmd.OutOrStdout())
	printed := 0
	var b []byte
	err = w.Run(call.ctx, func(rec *changelog.Record) error {
		if !mask.Has(rec.Type) || filter != nil && filter.Match(rec) == match.None {
			return nil
		}
		if filter != nil && rec.Edge == changelog.EdgeNone {
			rec.CutEdge(filter.Match(rec).Edge())
		}
		b = appendRecord(b[:0], format, rec)
		if _, err := out.Write(b); err != nil {
			return err
		}
		if printed++; r.max > 0 && printed >= r.max {
			return errPrinted
		}
		return out.Flush()
	})
	if errors.Is(err, errPrinted) {
		err = nil
	}
	return errors.Join(err, out.Flush())
}

// errPrinted says that as many records as were wanted are printed.
var errPrinted = errors.New("all is printed")

// selection is what of the tree's records is printed.
func (r *feedTail) selection() (changelog.Mask, *match.Matcher, error) {
	mask := changelog.DefaultMask
	if r.o.Mask != "" {
		var err error
		if mask, err = changelog.ParseMask(r.o.Mask); err != nil {
			return 0, nil, usageErrorf("--mask: %w", err)
		}
	}
	if len(r.o.Filter) == 0 {
		return mask, nil, nil
	}
	var f match.Filter
	if err := json.Unmarshal(r.o.Filter, &f); err != nil {
		return 0, nil, usageErrorf("--filter: %w", err)
	}
	m, err := f.Compile(match.HostNames())
	if err != nil {
		return 0, nil, usageErrorf("--filter: %w", err)
	}
	return mask, m, nil
}

// appendRecord appends a record in a form, as the agent writes them to pipes: a native one
// behind its length.
func appendRecord(dst []byte, f feed.Format, r *changelog.Record) []byte {
	switch f {
	case feed.FormatLustre:
		return changelog.AppendLustre(dst, r)
	case feed.FormatJSON:
		return append(changelog.AppendJSON(dst, r), '\n')
	case feed.FormatText:
		return append(changelog.AppendText(dst, r), '\n')
	}
	r.MakeReint()
	at := len(dst)
	dst = changelog.AppendNative(append(dst, 0, 0, 0, 0), r)
	binary.LittleEndian.PutUint32(dst[at:], uint32(len(dst)-at-4))
	return dst
}
