// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package hoststat

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/kernel/reread"
	"github.com/weir-io/weir/xmlsysd"
)

// login is someone who is logged in.
type login struct {
	id, user, line, from string
	at                   int64 // s since the epoch; 0: not known
	pid                  int64
}

// logins reads who is logged in: from the file of such records, or where a system
// has none any more from the files of the login manager's sessions.
type logins struct {
	utmp  [2]*reread.File
	path  string // of the sessions' files
	dir   *reread.Dir
	list  []login
	stamp unix.Timespec // of the directory, when list was made
	errs  sourceErrors
}

func newLogins(e *Engine) *logins {
	l := &logins{path: e.root("run/systemd/sessions")}
	dir, file := reread.NewDir, reread.New
	if e.o.Root == "/" && isLocal("/run") && isLocal("/var/run") { // in memory, or as near as this program itself
		dir, file = reread.NewPromptDir, reread.NewPrompt
	}
	l.dir = dir(l.path)
	for i, path := range [...]string{"run/utmp", "var/run/utmp"} {
		l.utmp[i] = file(e.root(path), pageSize, reread.Replaced)
	}
	return l
}

func (l *logins) close() {
	l.dir.Close()
	for _, f := range l.utmp {
		f.Close()
	}
}

// records returns the text of the file, nil if there is none.
func (l *logins) records(r *request) ([]byte, error) {
	for _, f := range l.utmp {
		text, err := f.Read()
		switch {
		case err == nil:
			r.bytes += len(text)
			return text, nil
		case !errors.Is(err, unix.ENOENT):
			return nil, l.errs.of(f.Path(), err)
		}
	}
	return nil, nil
}

// A record of utmp, as programs for x86 of either size have it: kind, id of the
// process, line, id of the line, user, host; then the time.
const (
	utmpSize  = 384
	utmpPID   = 4
	utmpLine  = 8
	utmpID    = 40
	utmpUser  = 44
	utmpHost  = 76
	utmpExit  = 332
	utmpTime  = 340
	utmpLogin = 7 // kind: someone works here
)

// sessions lists the sessions that the login manager writes down. They are read
// anew when the directory has changed: the manager replaces their files.
func (l *logins) sessions(r *request) ([]login, error) {
	var st unix.Stat_t
	if err := l.dir.Stat(&st); err != nil {
		if errors.Is(err, unix.ENOENT) {
			return nil, nil
		}
		return nil, l.errs.of(l.path, err)
	}
	if l.list != nil && st.Mtim == l.stamp {
		return l.list, nil
	}
	entries, err := os.ReadDir(l.path)
	if err != nil {
		return nil, l.errs.of(l.path, err)
	}
	l.list, l.stamp = make([]login, 0, len(entries)), st.Mtim
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".ref") || !e.Type().IsRegular() {
			continue // a pipe by which the session is held
		}
		text, err := reread.Read(0, l.path+"/"+e.Name(), nil)
		if err != nil || string(shellValue(text, "CLASS")) != "user" {
			continue
		}
		r.bytes += len(text)
		l.list = append(l.list, parseSession(e.Name(), text))
	}
	return l.list, nil
}

func parseSession(id string, text []byte) login {
	value := func(key string) string { return string(shellValue(text, key)) }
	at, _ := integer([]byte(value("REALTIME")))
	pid, _ := integer([]byte(value("LEADER")))
	return login{id: id, user: value("USER"), line: value("TTY"), from: value("REMOTE_HOST"), at: at / 1e6, pid: pid}
}

// eachRecord calls a function with the records of people.
func eachRecord(text []byte, f func(record []byte)) {
	for ; len(text) >= utmpSize; text = text[utmpSize:] {
		if binary.NativeEndian.Uint16(text) == utmpLogin {
			f(text[:utmpSize])
		}
	}
}

func parseRecord(b []byte) login {
	l := login{
		user: string(cString(b[utmpUser:utmpHost])), line: string(cString(b[utmpLine:utmpID])), from: string(cString(b[utmpHost:utmpExit])),
		pid: int64(int32(binary.NativeEndian.Uint32(b[utmpPID:]))), at: int64(binary.NativeEndian.Uint32(b[utmpTime:])),
	}
	l.id = l.line
	if l.id == "" {
		l.id = string(cString(b[utmpID:utmpUser]))
	}
	return l
}

// usersReader counts the logins.
type usersReader struct {
	*logins
	node xmlsysd.NodeID
	room []byte
}

func newUsersReader(e *Engine) reader {
	return &usersReader{logins: newLogins(e), node: e.model.Must("system/users")}
}

func (u *usersReader) read(r *request) error {
	count := int64(0)
	text, err := u.records(r)
	if err != nil {
		return err
	}
	if text != nil {
		eachRecord(text, func([]byte) { count++ })
	} else {
		list, err := u.sessions(r)
		if err != nil {
			return err
		}
		count = int64(len(list))
	}
	u.room = appendInt(u.room[:0], count)
	r.tape.LeafAt(u.node, r.at, u.room)
	return nil
}

// sessionsReader tells who is logged in from where.
type sessionsReader struct {
	*logins
	sessionsNode, session xmlsysd.NodeID
	leaves                []xmlsysd.NodeID // user line from login pid
}

func newSessionsReader(e *Engine) reader {
	const at = "system/sessions"
	return &sessionsReader{
		logins: newLogins(e), sessionsNode: e.model.Must(at), session: e.model.Must(at + "/session"),
		leaves: nodesOf(e.model, at+"/session", "user", "line", "from", "login", "pid"),
	}
}

func (s *sessionsReader) read(r *request) error {
	text, err := s.records(r)
	if err != nil {
		return err
	}
	var list []login
	if text != nil {
		eachRecord(text, func(b []byte) { list = append(list, parseRecord(b)) })
	} else if list, err = s.sessions(r); err != nil {
		return err
	}
	t := r.tape
	t.Open(s.sessionsNode, r.at)
	defer t.Close()
	taken := make(map[string]int)
	for _, l := range list {
		id := l.id
		if taken[id]++; taken[id] > 1 {
			id = fmt.Sprintf("%s#%d", id, taken[l.id])
		}
		t.Open(s.session, xmlsysd.Stamp{}, []byte(id))
		for i, text := range [...]string{l.user, l.line, l.from} {
			if text != "" {
				t.Leaf(s.leaves[i], []byte(text))
			}
		}
		if l.at > 0 {
			t.Int(s.leaves[3], l.at)
		}
		t.Int(s.leaves[4], l.pid)
		t.Close()
	}
	return nil
}
