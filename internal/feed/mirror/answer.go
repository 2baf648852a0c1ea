// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/changelog"
	client "github.com/weir-io/weir/client/feed"
)

// Answer answers questions of a mirror on another host about a directory of this one. The
// error is of the directory; what goes wrong with a question stands in its answer.
func Answer(r client.TreeRequest) ([]client.TreeAnswer, error) {
	s, err := openReal(r.Dir)
	if err != nil {
		return nil, err
	}
	defer s.close()
	answers := make([]client.TreeAnswer, len(r.Ask))
	left, names := int64(mostContent), 0
	for i := range r.Ask {
		switch {
		case r.Ask[i].Op == client.AskContent:
			answers[i] = answerTo(s.content(&r.Ask[i], &left))
		case r.Ask[i].Op == client.AskList && names > mostNames:
			answers[i] = client.TreeAnswer{Error: "the answer has too many names already"}
		default:
			answers[i] = answerTo(s.answer(&r.Ask[i]))
			names += len(answers[i].Names)
		}
	}
	return answers, nil
}

// answerTo makes an error part of an answer.
func answerTo(a client.TreeAnswer, err error) client.TreeAnswer {
	switch {
	case err == nil:
		return a
	case isGone(err):
		return client.TreeAnswer{Gone: true}
	case errors.Is(err, errCovered):
		return client.TreeAnswer{Covered: true}
	}
	return client.TreeAnswer{Error: err.Error()}
}

// mostNames is how many names of a directory an answer has, and how many of all before no
// further directory is listed.
const mostNames = 50_000

// mostContent is how many bytes of files an answer has at most.
const mostContent = 8 << 20

// content reads what a file begins with; left is how much there is room for.
func (s *source) content(q *client.TreeQuestion, left *int64) (a client.TreeAnswer, err error) {
	f, err := changelog.ParseFID(q.FID)
	if err != nil {
		return a, err
	}
	if *left -= q.Length; q.Length < 0 || *left < 0 {
		return a, fmt.Errorf("content: %d bytes: want %d in all questions at most", q.Length, mostContent)
	}
	c, err := s.openContent(f)
	if err != nil {
		return a, err
	}
	defer c.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(c.file.Fd()), &st); err != nil {
		return a, err
	}
	a.Stat = treeStat(&st)
	a.Content, err = io.ReadAll(io.NewSectionReader(c.file, 0, q.Length))
	return a, err
}

// openReal opens a directory by the path that the kernel has for it: what lies below is
// known by that.
func openReal(dir string) (*source, error) {
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return nil, err
	}
	return openSource(real)
}

func (s *source) answer(q *client.TreeQuestion) (a client.TreeAnswer, err error) {
	if q.Op == client.AskTop {
		return client.TreeAnswer{FID: s.top.String()}, nil
	}
	f, err := changelog.ParseFID(q.FID)
	if err != nil {
		return a, err
	}
	switch q.Op {
	case client.AskLookUp:
		if !isName(string(q.Name)) {
			return a, fmt.Errorf("name %q: no name in a directory", q.Name)
		}
		var is changelog.FID
		if is, err = s.lookUp(name{f, string(q.Name)}); !is.IsZero() {
			a.FID = is.String()
		}
	case client.AskLook:
		return s.look(f, q.Name)
	case client.AskWhere:
		var n name
		if n, err = s.whereIs(f); n != (name{}) {
			a.FID, a.Name = n.parent.String(), []byte(n.name)
		}
	case client.AskAlive:
		a.Alive, err = s.alive(f)
	case client.AskList:
		a.Names, a.More, err = s.listPage(f, q.Name, mostNames)
	case client.AskStat:
		var st *unix.Stat_t
		var link string
		if st, link, err = s.stat(f); err == nil {
			a.Stat, a.Link = treeStat(st), []byte(link)
		}
	case client.AskXattrs:
		a.Xattrs, err = s.xattrs(f)
	default:
		err = fmt.Errorf("question %q: there is none", q.Op)
	}
	return a, err
}

// listPage returns the first names of a directory behind one, in the order of bytes.
func (s *source) listPage(dir changelog.FID, after []byte, most int) (names [][]byte, more bool, err error) {
	l, err := s.list(dir)
	if err != nil {
		return nil, false, err
	}
	defer l.close()
	return pageOf(l, after, most)
}

// look tells all of what a name stands for; nothing where that is gone. Where it cannot be
// looked at, the FID alone is told: asked about that, the error is of the object.
func (s *source) look(dir changelog.FID, b []byte) (a client.TreeAnswer, err error) {
	if !isName(string(b)) {
		return a, fmt.Errorf("name %q: no name in a directory", b)
	}
	f, err := s.lookUp(name{dir, string(b)})
	if err != nil || f.IsZero() {
		return a, err
	}
	st, link, err := s.stat(f)
	if err == nil {
		a.Xattrs, err = s.xattrs(f)
	}
	switch {
	case err == nil:
		a.FID, a.Stat, a.Link = f.String(), treeStat(st), []byte(link)
	case isGone(err):
		err = nil
	default:
		a, err = client.TreeAnswer{FID: f.String()}, nil
	}
	return a, err
}

// Content is a file of a directory that is read for another host.
type Content struct{ file *os.File }

// OpenContent opens a file. The error is fs.ErrNotExist where it is gone.
func OpenContent(dir string, f changelog.FID) (*Content, error) {
	s, err := openReal(dir)
	if err != nil {
		return nil, err
	}
	defer s.close()
	c, err := s.openContent(f)
	if isGone(err) {
		err = fmt.Errorf("%v: %w", f, fs.ErrNotExist)
	}
	return c, err
}

// openContent opens a file.
func (s *source) openContent(f changelog.FID) (*Content, error) {
	fd, err := s.open(f, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NOATIME|unix.O_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("%v: %w", f, err)
	}
	c := &Content{os.NewFile(uintptr(fd), f.String())}
	st, err := c.file.Stat()
	if err == nil && !st.Mode().IsRegular() {
		err = fmt.Errorf("%v: it is no file: mode %v", f, st.Mode())
	}
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// WriteTo writes what is there from an offset on, so many bytes at most.
func (c *Content) WriteTo(w io.Writer, offset, length int64) error {
	_, err := io.Copy(w, io.NewSectionReader(c.file, offset, length))
	return err
}

// Close closes the file.
func (c *Content) Close() error { return c.file.Close() }
