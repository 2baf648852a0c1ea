// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/weir-io/weir/internal/peer"
	"github.com/weir-io/weir/internal/wait"
)

// Files of Debian's packages of ZooKeeper.
const (
	zooKeeperShell = "/usr/share/zookeeper/bin/zkCli.sh"
	zooKeeperJar   = "/usr/share/java/zookeeper.jar" // with those that it needs in its manifest
)

// ZooKeeper is a server of its own, with its data in a directory of the test.
type ZooKeeper struct {
	Addr string

	t    testing.TB
	dir  string
	java string
	cmd  *exec.Cmd // nil while it is stopped
}

// StartZooKeeper starts a server on the loopback interface. It is stopped after the
// test. Its tick is short, so that sessions may be.
func StartZooKeeper(t testing.TB) *ZooKeeper {
	t.Helper()
	peer.Need(t, zooKeeperShell)
	z := &ZooKeeper{t: t, dir: t.TempDir(), java: peer.Need(t, "java"), Addr: freeAddr(t)}
	_, port, _ := net.SplitHostPort(z.Addr)
	config := fmt.Sprintf("tickTime=200\ndataDir=%s\nclientPortAddress=127.0.0.1\nclientPort=%s\nadmin.enableServer=false\nmaxClientCnxns=0\nmaxSessionTimeout=60000\n", z.dir, port)
	if err := os.WriteFile(filepath.Join(z.dir, "zoo.cfg"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	z.Start()
	t.Cleanup(z.Kill)
	return z
}

// freeAddr returns an address that nobody listens on.
func freeAddr(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// Start starts the server and waits until it listens.
func (z *ZooKeeper) Start() {
	z.t.Helper()
	log, err := os.OpenFile(filepath.Join(z.dir, "server.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		z.t.Fatal(err)
	}
	defer log.Close()
	z.cmd = exec.Command(z.java, "-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", zooKeeperJar,
		"org.apache.zookeeper.server.quorum.QuorumPeerMain", filepath.Join(z.dir, "zoo.cfg"))
	z.cmd.Stdout, z.cmd.Stderr = log, log
	if err := z.cmd.Start(); err != nil {
		z.t.Fatal(err)
	}
	wait.Until(z.t, "ZooKeeper answers at "+z.Addr+", see "+log.Name(), z.answers)
}

// answers asks the server whether it serves, by one of its words of four letters.
func (z *ZooKeeper) answers() bool {
	c, err := net.DialTimeout("tcp", z.Addr, time.Second)
	if err != nil {
		return false
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(time.Second)); err != nil { // one that is starting may never answer
		return false
	}
	if _, err := io.WriteString(c, "srvr"); err != nil {
		return false
	}
	answer, err := io.ReadAll(c)
	return err == nil && len(answer) > 0 && string(answer[:min(len(answer), 9)]) == "Zookeeper"
}

// Kill ends the server as a crash does. Its data stay.
func (z *ZooKeeper) Kill() {
	z.t.Helper()
	if z.cmd == nil {
		return
	}
	if err := z.cmd.Process.Kill(); err != nil {
		z.t.Errorf("kill ZooKeeper: %v", err)
	}
	z.cmd.Wait() // it was killed
	z.cmd = nil
}

// Shell has ZooKeeper's own shell run a command, and returns what it prints.
func (z *ZooKeeper) Shell(command ...string) string {
	z.t.Helper()
	args := append([]string{
		"-XX:TieredStopAtLevel=1", "-cp", zooKeeperJar, "org.apache.zookeeper.ZooKeeperMain", "-server", z.Addr,
	}, command...)
	out, err := exec.Command(z.java, args...).Output()
	if err != nil {
		z.t.Fatalf("ZooKeeper's shell: %v: %v", command, err)
	}
	return string(out)
}
