// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package sink

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	client "github.com/weir-io/weir/client/feed"
	"github.com/weir-io/weir/internal/feed/feedtest"
	"github.com/weir-io/weir/internal/feed/fstest"
	"github.com/weir-io/weir/internal/wait"
)

func must(tb testing.TB, errs ...error) {
	tb.Helper()
	if err := errors.Join(errs...); err != nil {
		tb.Fatal(err)
	}
}

// sunk is a directory, its feed, and a database that is to have it.
type sunk struct {
	t      *testing.T
	socket string
	dir    string
	api    *client.Client
	info   client.Info
	to     string
}

func newSunk(t *testing.T, dir, to string) *sunk {
	t.Helper()
	a := feedtest.Start(t)
	info := a.Create(client.CreateOptions{Source: dir, Mode: client.ModeExplicit})
	return &sunk{t: t, socket: a.Socket, dir: dir, api: a.API, info: info, to: to}
}

// sqliteIn is a database in a new directory.
func sqliteIn(t *testing.T) string {
	t.Helper()
	return "sqlite:" + filepath.Join(t.TempDir(), "a ?b#%.db")
}

// take takes a feed, as soon as nobody has it.
func take(t *testing.T, api *client.Client, id string) *client.Consumer {
	t.Helper()
	var n *client.Consumer
	wait.Until(t, "the feed to be free", func() bool {
		var err error
		n, err = api.Open(t.Context(), id, client.OpenOptions{})
		if errors.Is(err, &client.Error{Code: client.CodeBusy}) {
			return false
		}
		must(t, err)
		return true
	})
	return n
}

// open opens the sink; close closes it and its consumer.
func (k *sunk) open() (s *Sink, closeAll func()) {
	k.t.Helper()
	n := take(k.t, k.api, k.info.ID)
	tree, err := OpenTree(k.dir)
	must(k.t, err)
	s, err = Open(k.t.Context(), Options{
		Feed: n, Info: n.Info(), Tree: tree, To: k.to, Audit: true, Batch: 200,
		Log: slog.New(slog.NewTextHandler(k.t.Output(), nil)),
	})
	must(k.t, err)
	return s, func() { must(k.t, s.Close(), tree.Close(), n.Close()) }
}

// follow has the tables be equal to a source that is at rest.
func (k *sunk) follow(s *Sink) {
	k.t.Helper()
	var left []string
	defer func() {
		if len(left) > 0 {
			k.t.Errorf("tables and disk differ: %q", left[:min(len(left), 12)])
		}
	}()
	wait.Until(k.t, "the tables to be equal", func() bool {
		must(k.t, s.Run(k.t.Context(), true))
		left = k.differences(s)
		return len(left) == 0
	})
}

// differences compares the tables with the disk.
func (k *sunk) differences(s *Sink) []string {
	k.t.Helper()
	want, paths := k.disk()
	got := map[string]string{}
	each := func(text string, do func(v []any) (key, value string)) {
		must(k.t, s.db.query(k.t.Context(), text, nil, func(_ []string, v []any) error {
			key, value := do(v)
			got[key] = value
			return nil
		}))
	}
	each(`SELECT pfid, name, fid FROM {ent}`, func(v []any) (string, string) {
		return fmt.Sprintf("%x/%q", v[0], v[1]), fmt.Sprintf("%x", v[2])
	})
	each(`SELECT fid, type, mode, uid, gid, size, nlink, mtime, ctime, rdev, link FROM {obj}`, func(v []any) (string, string) {
		link, _ := v[10].([]byte)
		return fmt.Sprintf("%x", v[0]), fmt.Sprintf("%s %o %d:%d size=%d links=%d m=%d c=%d rdev=%d %q", v[1], v[2], v[3], v[4], v[5], v[6], v[7], v[8], v[9], link)
	})
	each(`SELECT fid, path FROM {path}`, func(v []any) (string, string) {
		return fmt.Sprintf("path %s", v[1]), fmt.Sprintf("%x", v[0])
	})
	each(`SELECT what, fid FROM {orphan}`, func(v []any) (string, string) {
		return fmt.Sprintf("orphan %s %x", v[0], v[1]), "is there"
	})
	for p, f := range paths {
		want["path "+p] = f
	}
	return unequal(got, want)
}

func unequal(got, want map[string]string) []string {
	var lines []string
	for key, value := range got {
		if want[key] != value {
			lines = append(lines, fmt.Sprintf("%s: table %s, disk %s", key, value, want[key]))
		}
	}
	for key, value := range want {
		if _, ok := got[key]; !ok {
			lines = append(lines, fmt.Sprintf("%s: not in the table, disk %s", key, value))
		}
	}
	slices.Sort(lines)
	return lines
}

// disk reads names and objects of the source by paths, and independently of Tree.
func (k *sunk) disk() (rows, paths map[string]string) {
	k.t.Helper()
	rows, paths = map[string]string{}, map[string]string{}
	must(k.t, filepath.WalkDir(k.dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		f, err := fidAt(unix.AT_FDCWD, path)
		if err != nil {
			return err
		}
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil {
			return err
		}
		link, _ := os.Readlink(path)
		o := Object{Mode: st.Mode}
		rows[fmt.Sprintf("%x", fidBytes(f))] = fmt.Sprintf("%s %o %d:%d size=%d links=%d m=%d c=%d rdev=%d %q",
			o.kind(), st.Mode&0o7777, st.Uid, st.Gid, st.Size, st.Nlink, st.Mtim.Nano(), st.Ctim.Nano(), st.Rdev, link)
		if path == k.dir {
			return nil
		}
		parent, err := fidAt(unix.AT_FDCWD, filepath.Dir(path))
		rows[fmt.Sprintf("%x/%q", fidBytes(parent), filepath.Base(path))] = fmt.Sprintf("%x", fidBytes(f))
		paths[strings.TrimPrefix(path, k.dir+"/")] = fmt.Sprintf("%x", fidBytes(f))
		return err
	}))
	return rows, paths
}

// checkLog makes sure that each index of the journal is in the log once.
func (k *sunk) checkLog(s *Sink) {
	k.t.Helper()
	var info client.Info
	wait.Until(k.t, "the tables to have all records", func() bool {
		must(k.t, s.Run(k.t.Context(), true))
		var err error
		info, err = k.api.Info(k.t.Context(), k.info.ID)
		must(k.t, err)
		return info.Last == s.Cursor().Through
	})
	var rows, distinct, first, last int64
	must(k.t, s.db.query(k.t.Context(), `SELECT COUNT(*), COUNT(DISTINCT "index"), MIN("index"), MAX("index") FROM {log}`, nil,
		func(_ []string, v []any) error {
			rows, distinct, first, last = v[0].(int64), v[1].(int64), v[2].(int64), v[3].(int64)
			return nil
		}))
	begin := int64(k.info.Cancelled) + 1
	if rows != distinct || first != begin || uint64(last) != info.Last || rows != last-begin+1 {
		k.t.Errorf("log: %d rows with %d indexes from %d to %d, want each from %d to %d once", rows, distinct, first, last, begin, info.Last)
	}
	if info.Cancelled != info.Last || s.Cursor().Through != info.Last {
		k.t.Errorf("cancelled through %d, tables through %d, want %d", info.Cancelled, s.Cursor().Through, info.Last)
	}
	k.t.Logf("%d records", rows)
}

// The agent leaves out what its own process does, and that is the tests': the source is
// changed by others.

// sh changes the source.
func (k *sunk) sh(script string) {
	k.t.Helper()
	sh(k.t, k.dir, script)
}

func sh(t *testing.T, dir, script string) {
	t.Helper()
	c := exec.Command("sh", "-ec", script)
	c.Dir = dir
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", script, err, out)
	}
}

// elsewhere has a process of its own do one of the things of doMain.
func elsewhere(t *testing.T, args ...any) {
	t.Helper()
	c := exec.Command("/proc/self/exe", "-test.run", "^$")
	c.Env = append(os.Environ(), envDo+"="+strings.TrimSuffix(fmt.Sprintln(args...), "\n"))
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v: %s", args, err, out)
	}
}

// envDo says what a process does that a test has started.
const envDo = "WEIR_SINK_DO"

// doMain is that process.
func doMain(what string) error {
	words := strings.Fields(what)
	number := func(i int) int {
		n, _ := strconv.Atoi(words[i])
		return n
	}
	switch words[0] {
	case "populate":
		return populate(words[1])
	case "exchange":
		return unix.Renameat2(unix.AT_FDCWD, words[1], unix.AT_FDCWD, words[2], unix.RENAME_EXCHANGE)
	case "storm":
		fstest.Scramble(uint64(number(2)), words[1], number(3), number(4), fstest.Truncate)
		return nil
	}
	return fmt.Errorf("%q: nothing to do", what)
}

// populate makes something of everything.
func populate(root string) error {
	return errors.Join(
		os.MkdirAll(filepath.Join(root, "a/b"), 0o750),
		os.WriteFile(filepath.Join(root, "a/b/file"), []byte("hello"), 0o640),
		os.Link(filepath.Join(root, "a/b/file"), filepath.Join(root, "other")),
		os.Symlink("a/\xff", filepath.Join(root, "link")),
		unix.Mkfifo(filepath.Join(root, "fifo"), 0o600),
		unix.Mknod(filepath.Join(root, "null"), unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))),
		os.Chown(filepath.Join(root, "a/b/file"), 12345, 4_000_000_000),
		os.WriteFile(filepath.Join(root, "new\nline \xff"), nil, 0o4600),
		os.WriteFile(filepath.Join(root, strings.Repeat("x", 255)), nil, 0o600),
	)
}

// databases are where a test is made: SQLite, and PostgreSQL where it is installed.
func databases(t *testing.T, test func(t *testing.T, to string)) {
	t.Run("sqlite", func(t *testing.T) { test(t, sqliteIn(t)) })
	t.Run("postgres", func(t *testing.T) { test(t, postgresURL(t)) })
}
