// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/peer"
	"github.com/weir-io/weir/internal/testport"
	"github.com/weir-io/weir/internal/wait"
	"github.com/weir-io/weir/xmlsysd"
)

// command returns a command of weir as a process of its own, which is killed if it
// outlives the test.
func command(t *testing.T, name string, args ...string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), wait.Patience)
	t.Cleanup(cancel)
	return exec.CommandContext(ctx, name, args...)
}

// socketPair returns two ends of a stream.
func socketPair(t *testing.T) (ours net.Conn, theirs *os.File) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fds[0]), "ours")
	defer f.Close()
	if ours, err = net.FileConn(f); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ours.Close() })
	if err := ours.SetDeadline(time.Now().Add(wait.Patience)); err != nil {
		t.Fatal(err)
	}
	return ours, os.NewFile(uintptr(fds[1]), "theirs")
}

// messages reads all that a stream has, as messages.
func messages(t *testing.T, r io.Reader) []string {
	t.Helper()
	var all []string
	for in := xmlsysd.NewReader(r, 0); ; {
		body, err := in.Next()
		if err == io.EOF {
			return all
		}
		if err != nil {
			t.Fatalf("after %d messages: %v", len(all), err)
		}
		all = append(all, string(body))
	}
}

// As inetd starts it: one socket as standard input, output and error.
func TestInetd(t *testing.T) {
	ours, theirs := socketPair(t)
	cmd := command(t, "xmlsysd", "-i", "7887", "-v", "9")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = theirs, theirs, theirs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	theirs.Close()
	if _, err := io.WriteString(ours, "init\nsend\nverbose 9\nnonsense\nsend\nquit\n"); err != nil {
		t.Fatal(err)
	}
	got := messages(t, ours)
	if len(got) != 2 || !strings.Contains(got[0], "<xmlsysd init=\"1\">") {
		t.Errorf("%d messages, want 2: %.300q", len(got), got)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// Standard input and output need be no socket.
func TestInetdByPipes(t *testing.T) {
	cmd := command(t, "weir", "xmlsysd", "-i", "7887")
	cmd.Stdin = strings.NewReader("init\nsend\nsend\n")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil || stderr.Len() > 0 {
		t.Errorf("%v: %s", err, &stderr)
	}
	if got := messages(t, bytes.NewReader(out)); len(got) != 2 {
		t.Errorf("%d messages, want 2", len(got))
	}
	// A file, and a signal while it waits for more.
	dir := t.TempDir()
	in, err := os.Create(filepath.Join(dir, "commands"))
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	if _, err := in.WriteString("init\nsend\nquit\n"); err != nil {
		t.Fatal(err)
	}
	if _, err := in.Seek(0, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	cmd = command(t, "weir", "xmlsysd", "-i", "7887")
	cmd.Stdin = in
	if out, err = cmd.Output(); err != nil {
		t.Error(err)
	}
	if got := messages(t, bytes.NewReader(out)); len(got) != 1 {
		t.Errorf("%d messages of a file of commands, want 1", len(got))
	}
}

// A signal ends a session that waits for commands on a pipe.
func TestInetdStops(t *testing.T) {
	cmd := command(t, "weir", "xmlsysd", "-i", "7887")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(in, "init\nsend\n"); err != nil {
		t.Fatal(err)
	}
	reader := xmlsysd.NewReader(out, 0)
	if _, err := reader.Next(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if _, err := reader.Next(); err != io.EOF {
		t.Errorf("then %v", err)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// xmlsysdProcess is a running daemon.
type xmlsysdProcess struct {
	*exec.Cmd
	at     []string
	out    *bufio.Reader // what it says then
	stderr bytes.Buffer
}

// startXmlsysd starts a daemon and waits until it says where it listens.
func startXmlsysd(t *testing.T, args ...string) *xmlsysdProcess {
	t.Helper()
	p := &xmlsysdProcess{Cmd: command(t, "weir", append([]string{"xmlsysd"}, args...)...)}
	p.Stderr = &p.stderr
	out, err := p.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	p.out = bufio.NewReader(out)
	line, err := p.out.ReadString('\n')
	if err != nil {
		t.Fatalf("it says %q: %v, %v, %s", line, err, p.Wait(), &p.stderr)
	}
	p.at = strings.Split(strings.TrimPrefix(strings.TrimSpace(line), "xmlsysd at "), ", ")
	return p
}

// stop ends a daemon by a signal; the exit code has to be 0.
func (p *xmlsysdProcess) stop(t *testing.T) {
	t.Helper()
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(); err != nil {
		t.Errorf("%v: %s", err, &p.stderr)
	}
}

// sample asks for a message at an address.
func sample(t *testing.T, address string) string {
	t.Helper()
	c, err := new(xmlsysd.Dialer).Dial(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	body, err := c.Sample(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func TestXmlsysdListens(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "x.sock")
	p := startXmlsysd(t, "--listen", "127.0.0.1:0", "--listen", "localhost:0", "--unix", socket)
	if len(p.at) != 3 || p.at[2] != socket {
		t.Fatalf("it listens at %q", p.at)
	}
	for _, at := range p.at {
		if body := sample(t, at); !strings.Contains(body, "<loadavg ") {
			t.Errorf("at %s: %s", at, body)
		}
	}
	info, err := os.Stat(socket)
	if err != nil || info.Mode().Perm() != 0o660 {
		t.Errorf("the socket: %v, %v, want mode 0660", info.Mode(), err)
	}
	p.stop(t)
	if _, err := os.Stat(socket); err == nil {
		t.Error("the socket stays")
	}
	// Alone, the Unix socket is the only one.
	p = startXmlsysd(t, "--unix", socket)
	if len(p.at) != 1 || p.at[0] != socket {
		t.Errorf("it listens at %q", p.at)
	}
	p.stop(t)
}

// Both views of Prometheus are served beside the daemon, from the same engine.
func TestXmlsysdMetrics(t *testing.T) {
	p := startXmlsysd(t, "-d", "0", "--metrics", "0")
	sample(t, p.at[0])
	line, err := p.out.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	urls := strings.Split(strings.TrimPrefix(strings.TrimSpace(line), "metrics at "), ", ")
	if len(urls) != 2 || !strings.HasPrefix(urls[0], "http://127.0.0.1:") {
		t.Fatalf("it says %q", line)
	}
	for i, want := range []string{"\nweir_load1 ", "\nnode_load1 "} {
		if body := scrape(t, urls[i]); !strings.Contains(body, want) {
			t.Errorf("%s: no %q", urls[i], want)
		}
	}
	p.stop(t)
}

func TestXmlsysdUser(t *testing.T) {
	peer.Root(t, "to become another user")
	p := startXmlsysd(t, "-d", "0", "--user", "nobody")
	status, err := os.ReadFile("/proc/" + strconv.Itoa(p.Process.Pid) + "/status")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"\nUid:\t65534\t65534\t65534\t65534\n", "\nGid:\t65534\t65534\t65534\t65534\n", "\nCapEff:\t0000000000000000\n"} {
		if !strings.Contains(string(status), want) {
			t.Errorf("no %q in\n%s", want, status)
		}
	}
	if body := sample(t, p.at[0]); !strings.Contains(body, "<loadavg ") {
		t.Errorf("as nobody: %s", body)
	}
	p.stop(t)
}

// activated starts a daemon with a socket at descriptor 3, as systemd does.
func activated(t *testing.T, socket *os.File, args ...string) *exec.Cmd {
	t.Helper()
	cmd := command(t, peer.Need(t, "sh"), "-c", "LISTEN_PID=$$ LISTEN_FDS=1 exec weir xmlsysd \"$@\"", "sh")
	cmd.Args = append(cmd.Args, args...)
	cmd.ExtraFiles = []*os.File{socket}
	cmd.Stderr = t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd
}

// A socket that listens is accepted on, whatever its name.
func TestActivationListening(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	cmd := activated(t, f)
	f.Close()
	for range 2 {
		if body := sample(t, l.Addr().String()); !strings.Contains(body, "<loadavg ") {
			t.Errorf("got %s", body)
		}
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// One that is connected is served, and that is all.
func TestActivationConnected(t *testing.T) {
	ours, theirs := socketPair(t)
	cmd := activated(t, theirs)
	theirs.Close()
	if _, err := io.WriteString(ours, "init\nsend\nquit\n"); err != nil {
		t.Fatal(err)
	}
	if got := messages(t, ours); len(got) != 1 {
		t.Errorf("%d messages, want 1", len(got))
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// systemd's own activator.
func TestActivationBySystemd(t *testing.T) {
	activate := peer.Need(t, "systemd-socket-activate")
	at, release, err := testport.Reserve()
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	cmd := command(t, activate, "--listen="+at, command(t, "weir").Path, "xmlsysd")
	cmd.Stderr = t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var first net.Conn
	wait.Until(t, "the activator listens", func() bool {
		first, err = net.Dial("tcp", at)
		return err == nil
	})
	defer first.Close()
	if _, err := io.WriteString(first, "init\nsend\nquit\n"); err != nil {
		t.Fatal(err)
	}
	if got := messages(t, first); len(got) != 1 {
		t.Errorf("%d messages, want 1", len(got))
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// Beside the session daemon it is there if it is asked for.
func TestAgentStat(t *testing.T) {
	engine, stop, err := (&agentStat{listen: []string{"0.0.0.0:0"}, expose: "cgroups"}).begin(t.Context(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatalf("not asked for: %v", err)
	}
	// The host is read for traces all the same.
	if hidden := engine.Hidden(); len(hidden) == 0 || slices.Contains(hidden, engine.Model().Must("system/cgroups")) {
		t.Errorf("hidden are %v, with control groups exposed", hidden)
	}
	stop()
	if _, _, err := (&agentStat{expose: "all"}).begin(t.Context(), slog.New(slog.DiscardHandler)); err == nil {
		t.Error("an unknown word is taken for something to be exposed")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := l.Addr().String()
	// A port that is taken costs the statistics only.
	if _, stop, err = (&agentStat{enable: true, listen: []string{at}}).begin(t.Context(), slog.New(slog.DiscardHandler)); err != nil {
		t.Errorf("a taken port: %v", err)
	}
	stop()
	l.Close()
	if _, stop, err = (&agentStat{enable: true, listen: []string{at}}).begin(t.Context(), slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	if body := sample(t, at); !strings.Contains(body, "<loadavg ") {
		t.Errorf("got %s", body)
	}
	stop()
	if c, err := net.Dial("tcp", at); err == nil {
		c.Close()
		t.Error("it still listens")
	}
	if _, _, err := (&agentStat{enable: true, listen: []string{"0.0.0.0:0"}}).begin(t.Context(), slog.New(slog.DiscardHandler)); err == nil {
		t.Error("others can reach it, and nothing says who may")
	}
}

// Readiness is told to the service manager.
func TestXmlsysdNotifies(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer manager.Close()
	if err := manager.SetDeadline(time.Now().Add(wait.Patience)); err != nil {
		t.Fatal(err)
	}
	cmd := command(t, "xmlsysd", "-d", "0")
	cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+path)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"READY=1", "STOPPING=1"} {
		b := make([]byte, 100)
		n, err := manager.Read(b)
		if string(b[:n]) != want || err != nil {
			t.Errorf("the manager is told %q, %v, want %q", b[:n], err, want)
		}
		if want != "READY=1" {
			continue // it stops already; a second signal would end it at once
		}
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// Types of file systems are added to those that are left out, or taken from them.
func TestSkippedFS(t *testing.T) {
	x := xmlsysdFlags{fsSkip: "nfs,fuse.sshfs", fsShow: "overlay, tmpfs"}
	skip := strings.Join(x.skippedFS(), " ")
	for kind, want := range map[string]bool{"nfs": true, "fuse.sshfs": true, "proc": true, "overlay": false, "ext4": false} {
		if got := strings.Contains(" "+skip+" ", " "+kind+" "); got != want {
			t.Errorf("%s is left out: %v", kind, got)
		}
	}
}
