// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/changelog"
	client "github.com/weir-io/weir/client/feed"
)

// Agent answers about a directory of its host; *client.Client does by HTTP.
type Agent interface {
	Tree(context.Context, client.TreeRequest) ([]client.TreeAnswer, error)
	TreeContent(ctx context.Context, dir, fid string, offset, length int64) (io.ReadCloser, error)
}

// far looks at a directory of another host through its agent. One goroutine uses it.
//
// What it will be asked it is told before, so that many questions go at once. What is told
// is kept until the next batch begins: what changes meanwhile is told by records to come.
type far struct {
	agent Agent
	await func(error) error // for an agent that is gone; nil: nobody waits
	dir   string
	top   changelog.FID

	ahead    []name          // that will be asked for, in this order
	files    []changelog.FID // whose contents will be
	contents map[changelog.FID]*client.TreeAnswer
	fates    map[changelog.FID]bool
	lists    map[changelog.FID]*client.TreeAnswer
	names    map[name]*client.TreeAnswer
	objects  map[changelog.FID]*client.TreeAnswer
	places   map[changelog.FID]name
}

// askTime bounds one question, and how long a file that is read may stand still.
const askTime = 30 * time.Second

// openFar makes sure that the agent knows the directory.
func openFar(o *Options) (*far, error) {
	dir := o.Source
	r := &far{agent: o.Agent, await: o.Await, dir: dir}
	r.forget()
	a, err := r.ask(client.TreeQuestion{Op: client.AskTop})
	if err == nil {
		r.top, err = changelog.ParseFID(a.FID)
	}
	if err != nil {
		return nil, fmt.Errorf("source %s on the agent's host: %w", dir, err)
	}
	return r, nil
}

func (r *far) forget() {
	r.ahead, r.files, r.contents = nil, nil, map[changelog.FID]*client.TreeAnswer{}
	r.names, r.fates = map[name]*client.TreeAnswer{}, map[changelog.FID]bool{}
	r.lists = map[changelog.FID]*client.TreeAnswer{}
	r.objects, r.places = map[changelog.FID]*client.TreeAnswer{}, map[changelog.FID]name{}
}

// askAll asks questions.
func (r *far) askAll(q []client.TreeQuestion) (all []client.TreeAnswer, err error) {
	err = r.outlive(func() (err error) {
		ctx, cancel := context.WithTimeout(context.Background(), askTime)
		defer cancel()
		all, err = r.agent.Tree(ctx, client.TreeRequest{Dir: r.dir, Ask: q})
		if ctx.Err() != nil {
			err = fmt.Errorf("%w, or its host: no answer in %v: %w", client.ErrGone, askTime, err)
		}
		return err
	})
	return all, err
}

// mostReturns is how often an agent may come back and be gone again for the same question.
const mostReturns = 10

// outlive asks, and asks again when an agent has come back that was gone.
func (r *far) outlive(ask func() error) error {
	for returns := 0; ; returns++ {
		err := ask()
		if err == nil || r.await == nil || !errors.Is(err, client.ErrGone) || returns == mostReturns {
			return err
		}
		if err := r.await(err); err != nil {
			return err
		}
	}
}

// ask asks one question. What is gone is an error, too.
func (r *far) ask(q client.TreeQuestion) (*client.TreeAnswer, error) {
	all, err := r.askAll([]client.TreeQuestion{q})
	if err != nil {
		return nil, err
	}
	return checked(&q, &all[0])
}

// answerError is what an agent answers where it cannot tell one thing: it says nothing of
// the others.
type answerError struct {
	op   client.TreeOp
	fid  string
	what string
}

func (e *answerError) Error() string { return fmt.Sprintf("source: %s %s: %s", e.op, e.fid, e.what) }

// checked makes an error of an answer that is none.
func checked(q *client.TreeQuestion, a *client.TreeAnswer) (*client.TreeAnswer, error) {
	switch {
	case a.Gone:
		return nil, unix.ESTALE
	case a.Covered:
		return nil, errCovered
	case a.Error != "":
		return nil, &answerError{q.Op, q.FID, a.Error}
	default:
		return a, nil
	}
}

func (r *far) topFID() changelog.FID { return r.top }

func (r *far) place() string { return r.dir }

func (r *far) close() error { return nil }

func (r *far) lookUp(n name) (changelog.FID, error) {
	q := client.TreeQuestion{Op: client.AskLook, FID: n.parent.String(), Name: []byte(n.name)}
	told := r.names[n]
	if told == nil {
		if err := r.lookAhead(n); err != nil {
			return changelog.FID{}, err
		}
		told = r.names[n]
	}
	a, err := checked(&q, told)
	if errors.Is(err, unix.ESTALE) { // the directory is gone, and all names with it
		return changelog.FID{}, nil
	}
	if err != nil || a.FID == "" {
		return changelog.FID{}, err
	}
	f, err := changelog.ParseFID(a.FID)
	if err == nil && a.Stat != nil {
		if len(r.objects) >= keptAhead {
			clear(r.objects)
		}
		r.objects[f] = a
	}
	return f, err
}

func (r *far) whereIs(f changelog.FID) (name, error) {
	if n, ok := r.places[f]; ok {
		return n, nil
	}
	n, err := r.askWhere(f)
	if err == nil {
		if len(r.places) >= keptAhead {
			clear(r.places)
		}
		r.places[f] = n
	}
	return n, err
}

func (r *far) askWhere(f changelog.FID) (name, error) {
	a, err := r.ask(client.TreeQuestion{Op: client.AskWhere, FID: f.String()})
	if err != nil || a.FID == "" {
		return name{}, err
	}
	parent, err := changelog.ParseFID(a.FID)
	return name{parent, string(a.Name)}, err
}

func (r *far) alive(f changelog.FID) (bool, error) {
	if alive, known := r.fates[f]; known {
		delete(r.fates, f)
		return alive, nil
	}
	a, err := r.ask(client.TreeQuestion{Op: client.AskAlive, FID: f.String()})
	return err == nil && a.Alive, err
}

func (r *far) list(dir changelog.FID) (lister, error) {
	l := &farList{r: r, dir: dir, more: true}
	if a := r.lists[dir]; a != nil {
		delete(r.lists, dir)
		a, err := checked(l.question(), a)
		if err != nil {
			return nil, err
		}
		return l, l.take(a)
	}
	return l, nil
}

// farList is a directory that is listed. Each page is asked for alone: between two, the
// directory changes as it likes, and the agent keeps nothing.
type farList struct {
	r     *far
	dir   changelog.FID
	after string   // the last name that was told
	names []string // told, and not given yet
	more  bool     // there may be more to be told
}

func (l *farList) question() *client.TreeQuestion {
	return &client.TreeQuestion{Op: client.AskList, FID: l.dir.String(), Name: []byte(l.after)}
}

func (l *farList) next(most int) (names []string, err error) {
	if len(l.names) == 0 && l.more {
		switch a, err := l.r.ask(*l.question()); {
		case isGone(err):
			l.more = false
		case err != nil:
			return nil, err
		default:
			if err := l.take(a); err != nil {
				return nil, err
			}
		}
	}
	most = min(most, len(l.names))
	names, l.names = l.names[:most], l.names[most:]
	return names, nil
}

// take takes names that were told: agents of other hosts are not believed to go on.
func (l *farList) take(a *client.TreeAnswer) error {
	for _, b := range a.Names {
		n := string(b)
		if !isName(n) || n <= l.after {
			return fmt.Errorf("source: directory %v: the agent tells of a name %q behind %q", l.dir, n, l.after)
		}
		l.names, l.after = append(l.names, n), n
	}
	if l.more = a.More; a.More && len(a.Names) == 0 {
		return fmt.Errorf("source: directory %v: the agent tells of more names behind %q, and of none", l.dir, l.after)
	}
	return nil
}

func (l *farList) close() error { return nil }

// isName reports whether a directory can have a name: agents of other hosts are not
// believed.
func isName(n string) bool {
	return n != "" && n != "." && n != ".." && len(n) <= 255 && !bytes.ContainsAny([]byte(n), "/\x00")
}

func (r *far) stat(f changelog.FID) (*unix.Stat_t, string, error) {
	a := r.objects[f]
	if a == nil {
		var err error
		if a, err = r.ask(client.TreeQuestion{Op: client.AskStat, FID: f.String()}); err != nil {
			return nil, "", err
		}
	}
	if a.Gone {
		return nil, "", unix.ESTALE
	}
	if a.Stat == nil {
		return nil, "", fmt.Errorf("source: %v: the agent does not tell what it is", f)
	}
	return unixStat(a.Stat), string(a.Link), nil
}

// xattrs are what is asked for last of an object.
func (r *far) xattrs(f changelog.FID) (map[string][]byte, error) {
	if a := r.objects[f]; a != nil && !a.Gone {
		delete(r.objects, f)
		return a.Xattrs, nil
	}
	a, err := r.ask(client.TreeQuestion{Op: client.AskXattrs, FID: f.String()})
	if err != nil {
		return nil, err
	}
	return a.Xattrs, nil
}

// unixStat is what the mirror uses of stat.
func unixStat(s *client.TreeStat) *unix.Stat_t {
	return &unix.Stat_t{
		Mode: s.Mode, Nlink: uint64(s.Links), Uid: s.UID, Gid: s.GID, Rdev: s.Rdev, Size: s.Size,
		Atim: unix.NsecToTimespec(s.Atime), Mtim: unix.NsecToTimespec(s.Mtime), Ctim: unix.NsecToTimespec(s.Ctime),
	}
}

// treeStat is the reverse of unixStat.
func treeStat(st *unix.Stat_t) *client.TreeStat {
	return &client.TreeStat{
		Mode: st.Mode, Links: uint32(st.Nlink), UID: st.Uid, GID: st.Gid, Rdev: st.Rdev, Size: st.Size,
		Atime: st.Atim.Nano(), Mtime: st.Mtim.Nano(), Ctime: st.Ctim.Nano(),
	}
}
