// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package sink

import (
	"log/slog"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/weir-io/weir/changelog"
	client "github.com/weir-io/weir/client/feed"
	"github.com/weir-io/weir/internal/feed/fstest"
	"github.com/weir-io/weir/internal/peer"
	"github.com/weir-io/weir/internal/wait"
)

// cluster is a server of PostgreSQL for one test.
type cluster struct {
	t       testing.TB
	dir     string // of the data, and of the socket
	bin     string
	account *syscall.Credential
	cmd     *exec.Cmd
}

// postgresBinary finds a program of the server, which is not in the path on Debian.
func postgresBinary(t testing.TB, program string) string {
	t.Helper()
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/" + program)
	must(t, err)
	if len(found) > 0 {
		slices.Sort(found)
		return found[len(found)-1]
	}
	return peer.Need(t, program)
}

func newCluster(t testing.TB) *cluster {
	t.Helper()
	peer.Root(t, "to run the server as another user")
	c := &cluster{t: t, bin: filepath.Dir(postgresBinary(t, "postgres"))}
	u, err := user.Lookup("postgres")
	if err != nil {
		u, err = user.Lookup("nobody")
	}
	must(t, err)
	uid, err := strconv.Atoi(u.Uid)
	must(t, err)
	gid, err := strconv.Atoi(u.Gid)
	must(t, err)
	c.account = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	// The server's user must get there, and the path of a socket is short.
	c.dir, err = os.MkdirTemp("", "weirpg")
	must(t, err, os.Chown(c.dir, uid, gid))
	t.Cleanup(func() { must(t, os.RemoveAll(c.dir)) })
	init := c.command("initdb", "-D", filepath.Join(c.dir, "data"), "-U", "weir", "-A", "trust", "-E", "UTF8", "--no-sync", "--locale=C.UTF-8")
	if out, err := init.CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v: %s", err, out)
	}
	c.start()
	t.Cleanup(c.stop)
	return c
}

func (c *cluster) command(program string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(c.bin, program), args...)
	cmd.Dir = c.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: c.account, Pdeathsig: syscall.SIGQUIT}
	return cmd
}

// start starts the server, and returns once it answers.
func (c *cluster) start() {
	c.t.Helper()
	c.cmd = c.command("postgres", "-D", filepath.Join(c.dir, "data"), "-k", c.dir, "-c", "listen_addresses=")
	c.cmd.Stderr = c.t.Output()
	must(c.t, c.cmd.Start())
	wait.Until(c.t, "the server to answer", func() bool {
		return c.command("pg_isready", "-q", "-h", c.dir, "-U", "weir", "-d", "postgres").Run() == nil
	})
}

// stop stops the server at once, and whoever is connected.
func (c *cluster) stop() {
	must(c.t, c.cmd.Process.Signal(syscall.SIGINT))
	_ = c.cmd.Wait()
}

func (c *cluster) url() string {
	return "postgres://weir@/postgres?host=" + url.QueryEscape(c.dir)
}

// postgresURL is a new database.
func postgresURL(t *testing.T) string {
	t.Helper()
	return newCluster(t).url()
}

// The server goes and comes back while a batch is under way: the sink tries again, and
// does nothing twice.
func TestServerRestarts(t *testing.T) {
	c := newCluster(t)
	k := newSunk(t, fstest.New(t, "tmpfs").Dir, c.url())
	s, done := k.open()
	defer done()
	k.follow(s)
	elsewhere(t, "populate", k.dir)
	c.stop()
	up := make(chan struct{})
	go func() { // ends with the start, which the test waits for
		defer close(up)
		c.start()
	}()
	k.follow(s)
	<-up
	k.checkLog(s)
}

// A server that is not there yet when the sink begins is waited for; one that refuses the
// sink is not.
func TestServerStartsLater(t *testing.T) {
	c := newCluster(t)
	c.stop()
	waits := make(chan struct{}, 1)
	log := slog.New(slog.NewTextHandler(writerFunc(func(b []byte) (int, error) {
		select {
		case waits <- struct{}{}:
		default:
		}
		return len(b), nil
	}), nil))
	o := Options{Info: client.Info{ID: "cl1", Source: "u", Last: 9}, To: c.url(), Log: log}
	done := make(chan error, 1)
	go func() {
		s, err := Open(t.Context(), o)
		if err == nil {
			err = s.Close()
		}
		done <- err
	}()
	select {
	case <-waits:
	case err := <-done:
		t.Fatalf("without a server: got %v, want it to wait", err)
	}
	c.start()
	must(t, <-done)
	o.To = strings.Replace(c.url(), "/postgres?", "/nothing?", 1)
	if _, err := Open(t.Context(), o); err == nil || unreachable(err) {
		t.Errorf("no such database: got %v", err)
	}
}

// writerFunc is a writer of a function.
type writerFunc func([]byte) (int, error)

func (w writerFunc) Write(b []byte) (int, error) { return w(b) }

func TestPassingErrors(t *testing.T) {
	to := postgresURL(t)
	s, err := Open(t.Context(), Options{Info: client.Info{ID: "cl1", Source: "u", Last: 9}, To: to})
	must(t, err)
	defer s.Close()
	err = s.db.query(t.Context(), `SELECT 1/0`, nil, func([]string, []any) error { return nil })
	if err == nil || s.db.passing(err) {
		t.Errorf("division by zero: got %v, passing", err)
	}
	if s.db.passing(errMoved) {
		t.Error("a cursor that was moved passes")
	}
	if _, err := openDatabase(t.Context(), "postgres://nobody@/none?host="+url.QueryEscape(t.TempDir()), DefaultTables, true); err == nil || !unreachable(err) {
		t.Errorf("no server there: got %v, want an error that passes", err)
	}
	if f, ok := parseFID(fidBytes(changelog.FID{Seq: 1 << 60, OID: 2, Ver: 3})); !ok || f != (changelog.FID{Seq: 1 << 60, OID: 2, Ver: 3}) {
		t.Errorf("FID through bytes: got %v, %v", f, ok)
	}
}
