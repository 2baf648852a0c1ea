// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/changelog"
	client "github.com/weir-io/weir/client/feed"
)

// foresight is an origin that is told what it will be asked, since each question goes a
// long way.
type foresight interface {
	// expectNames says which names will be looked up, in this order.
	expectNames(names []name)
	// expectObjects says which objects will be looked at, in all ways.
	expectObjects(fs []changelog.FID) error
	// expectContents says which of them will be copied, in this order.
	expectContents(fs []changelog.FID)
	// expectLists says which directories will be listed, the first of them now.
	expectLists(dirs []changelog.FID) error
	// expectFates says of which objects it will be asked whether they are alive.
	expectFates(fs []changelog.FID) error
}

var _ foresight = (*far)(nil)

// Bounds of what is asked at once, and kept.
const (
	askAhead  = 400      // questions
	askBytes  = 40 << 10 // of requests, which have 64 KiB at most
	keptAhead = 20_000   // names, and objects
	askLists  = 50       // directories
	smallFile = 64 << 10 // files up to this are read many at once
	askFiles  = 2 << 20  // bytes of them
)

// questionBytes is about what a question takes in a request, without its name, of which
// three bytes take four.
const questionBytes = 90

func (r *far) expectNames(names []name) { r.ahead = slices.Clone(names) }

// lookAhead asks for a name, and for those that will be asked for.
func (r *far) lookAhead(n name) error {
	if i := slices.Index(r.ahead, n); i >= 0 {
		r.ahead = r.ahead[i+1:] // those before were asked for
	}
	of := []name{n}
	size := 0
	for ; len(r.ahead) > 0 && len(of) < askAhead && size < askBytes; r.ahead = r.ahead[1:] {
		if next := r.ahead[0]; r.names[next] == nil && next != n {
			of = append(of, next)
			size += questionBytes + len(next.name)*4/3
		}
	}
	ask := make([]client.TreeQuestion, len(of))
	for i, n := range of {
		ask[i] = client.TreeQuestion{Op: client.AskLook, FID: n.parent.String(), Name: []byte(n.name)}
	}
	all, err := r.askAll(ask)
	if err != nil {
		return err
	}
	if len(r.names) >= keptAhead {
		clear(r.names)
	}
	for i := range all {
		r.names[of[i]] = &all[i]
	}
	return nil
}

func (r *far) expectObjects(fs []changelog.FID) error {
	fs = slices.DeleteFunc(slices.Clone(fs), func(f changelog.FID) bool { return r.objects[f] != nil })
	if len(r.objects) >= keptAhead {
		clear(r.objects)
	}
	for part := range slices.Chunk(fs, askAhead/2) {
		var ask []client.TreeQuestion
		for _, f := range part {
			ask = append(ask, client.TreeQuestion{Op: client.AskStat, FID: f.String()}, client.TreeQuestion{Op: client.AskXattrs, FID: f.String()})
		}
		all, err := r.askAll(ask)
		if err != nil {
			return err
		}
		for i, f := range part {
			a, x := &all[2*i], &all[2*i+1]
			switch {
			case a.Gone || x.Gone:
				r.objects[f] = &client.TreeAnswer{Gone: true}
			case a.Error == "" && x.Error == "": // what fails is asked again, alone
				a.Xattrs = x.Xattrs
				r.objects[f] = a
			}
		}
	}
	return nil
}

func (r *far) expectLists(dirs []changelog.FID) error {
	if len(dirs) < 2 || r.lists[dirs[0]] != nil {
		return nil
	}
	clear(r.lists)
	for part := range slices.Chunk(dirs, askLists) {
		ask := make([]client.TreeQuestion, len(part))
		for i, f := range part {
			ask[i] = client.TreeQuestion{Op: client.AskList, FID: f.String()}
		}
		all, err := r.askAll(ask)
		if err != nil {
			return err
		}
		for i, f := range part {
			if all[i].Error == "" { // else, as for want of room, it is asked for again, alone
				r.lists[f] = &all[i]
			}
		}
	}
	return nil
}

func (r *far) expectFates(fs []changelog.FID) error {
	for part := range slices.Chunk(fs, askAhead) {
		ask := make([]client.TreeQuestion, len(part))
		for i, f := range part {
			ask[i] = client.TreeQuestion{Op: client.AskAlive, FID: f.String()}
		}
		all, err := r.askAll(ask)
		if err != nil {
			return err
		}
		for i, f := range part {
			if all[i].Error == "" {
				r.fates[f] = all[i].Alive && !all[i].Gone
			}
		}
	}
	return nil
}

func (r *far) expectContents(fs []changelog.FID) {
	r.files = slices.Clone(fs)
	clear(r.contents)
}

// content returns what is in a small file, and asks for the next ones with it.
func (r *far) content(ctx context.Context, p *pace, f changelog.FID) (*client.TreeAnswer, error) {
	if r.contents[f] == nil {
		if err := r.readAhead(ctx, p, f); err != nil {
			return nil, err
		}
	}
	a := r.contents[f]
	delete(r.contents, f)
	q := client.TreeQuestion{Op: client.AskContent, FID: f.String()}
	if _, err := checked(&q, a); err != nil {
		return nil, err
	}
	if a.Stat == nil || a.Stat.Size < 0 {
		return nil, fmt.Errorf("source: %v: the agent does not tell how large it is", f)
	}
	return a, nil
}

func (r *far) readAhead(ctx context.Context, p *pace, f changelog.FID) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if i := slices.Index(r.files, f); i >= 0 {
		r.files = r.files[i+1:]
	}
	of := []changelog.FID{f}
	for bytes := int64(smallFile); len(r.files) > 0 && len(of) < askAhead && bytes < min(askFiles, p.piece()); r.files = r.files[1:] {
		next := r.files[0]
		if a := r.objects[next]; a != nil && a.Stat != nil && 0 < a.Stat.Size && a.Stat.Size <= smallFile {
			of = append(of, next)
			bytes += a.Stat.Size
		}
	}
	ask := make([]client.TreeQuestion, len(of))
	for i, f := range of {
		length := int64(smallFile)
		if a := r.objects[f]; a != nil && a.Stat != nil {
			length = min(a.Stat.Size, smallFile)
		}
		ask[i] = client.TreeQuestion{Op: client.AskContent, FID: f.String(), Length: length}
	}
	all, err := r.askAll(ask)
	if err != nil {
		return err
	}
	for i := range all {
		r.contents[of[i]] = &all[i]
	}
	return nil
}

// writeSmall writes all of a file.
func (r *far) writeSmall(ctx context.Context, p *pace, out int, content []byte) (int64, error) {
	size := int64(len(content))
	if err := unix.Ftruncate(out, size); err != nil {
		return 0, err
	}
	n, err := copyBlocks(out, bytes.NewReader(content), 0, size)
	if err != nil {
		return n, err
	}
	return n, p.wait(ctx, n)
}

// objectsAhead is of how many objects a far origin is told at once.
const objectsAhead = 1000

// foresee tells a far origin what it will be asked about objects.
func (w *work) foresee(far foresight, objects []changelog.FID) error {
	var there, copies []changelog.FID
	for _, f := range objects {
		_, ok, err := w.m.dst.anyPlace(f)
		if err != nil {
			return err
		}
		if ok {
			there = append(there, f)
		}
	}
	if err := far.expectObjects(there); err != nil {
		return err
	}
	for _, f := range there {
		if w.willCopy(f) {
			copies = append(copies, f)
		}
	}
	far.expectContents(copies)
	return nil
}

// willCopy reports whether the contents of an object are going to be copied, as well as
// that can be told; errors come to light when it is.
func (w *work) willCopy(f changelog.FID) bool {
	place, ok, err := w.m.dst.anyPlace(f)
	if err != nil || !ok {
		return false
	}
	st, _, err := w.m.src.stat(f)
	if err != nil || st.Mode&unix.S_IFMT != unix.S_IFREG {
		return false
	}
	dir, base, err := w.m.dst.at(place)
	var have unix.Stat_t
	if err != nil || unix.Fstatat(dir, base, &have, unix.AT_SYMLINK_NOFOLLOW) != nil {
		return false
	}
	c := &copying{w: w, f: f, st: st}
	return c.differs(&have)
}
