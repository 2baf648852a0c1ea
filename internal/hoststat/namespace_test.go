// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package hoststat

import (
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/peer"
	"github.com/weir-io/weir/internal/wait"
	"github.com/weir-io/weir/xmlsysd"
)

// insideKey marks the process that a test runs in name spaces of its own.
const insideKey = "WEIR_TEST_INSIDE"

// inside runs the rest of a test in a process whose mounts and network are its own:
// it is false in the one that waits for that.
func inside(t *testing.T) bool {
	t.Helper()
	if os.Getenv(insideKey) != "" {
		return true
	}
	peer.Root(t, "for name spaces of its own")
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), insideKey+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Errorf("inside: %v\n%s", err, out)
	}
	return false
}

// hostile are names as the kernel takes them.
const (
	hostileTask  = "a)\n<\x01&\xff S 1"
	hostileMount = "m t\n<]]>\x01\xff\\"
	hostileLink  = "n\x01\xff7<]]>9"
)

func TestHostileNames(t *testing.T) {
	if !inside(t) {
		return
	}
	if err := os.WriteFile("/proc/self/comm", []byte(hostileTask), 0); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), hostileMount)
	mountMemory(t, "ram<\x01>\xff", dir)
	e := newEngine(t, Options{MinInterval: -1})
	s := newSession(t, e)
	s.Sample(t.Context(), all, nil).Release() // the loopback has its name yet
	renameLoopback(t, hostileLink)
	wait.Until(t, "the new name of the link", func() bool {
		return e.links.now().byName[hostileLink] != nil
	})
	samples := s.Sample(t.Context(), all, &Query{Tasks: xmlsysd.TaskMask{Top: 4000}})
	defer samples.Release()
	v := make(map[string]string)
	for _, p := range samples.Parts() {
		for path, text := range values(t, e.model, p.Tape) {
			v[path] = text
		}
	}
	want(t, v, "", map[string]string{
		fmt.Sprintf("proc/tasks/task[%d]/name", os.Getpid()):   hostileTask,
		"system/filesystems/fs[" + dir + "]/type":              "tmpfs",
		"system/filesystems/fs[" + dir + "]/device":            "ram<\x01>\xff",
		"system/filesystems/fs[" + dir + "]/size":              "65536",
		"proc/net/dev/interface[0][n\x01\xff7<]]>][9]/name":    hostileLink,
		"proc/net/dev/interface[0][n\x01\xff7<]]>][9]/ifindex": "1",
		"system/errors/error[0]/text":                          "-",
	})
	document := messageOf(t, e)
	wellFormed(t, document)
	if n := strings.Count(string(document), "n\ufffd\ufffd7&lt;]]&gt;"); n < 2 {
		t.Errorf("the link is named %d times in the document, want at least 2", n)
	}
}

// renameLoopback gives the only link of a new network another name.
func renameLoopback(t *testing.T, name string) {
	t.Helper()
	c, err := netlink.Dial(unix.NETLINK_ROUTE, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	const indexAt = 4
	body := make([]byte, unix.SizeofIfInfomsg)
	binary.NativeEndian.PutUint32(body[indexAt:], 1)
	attrs, err := netlink.MarshalAttributes([]netlink.Attribute{{Type: unix.IFLA_IFNAME, Data: append([]byte(name), 0)}})
	if err != nil {
		t.Fatal(err)
	}
	m := netlink.Message{Header: netlink.Header{Type: unix.RTM_SETLINK, Flags: netlink.Request | netlink.Acknowledge}, Data: append(body, attrs...)}
	if _, err := c.Execute(m); err != nil {
		t.Fatal(err)
	}
}

// deadMount mounts a file system whose program never answers. It is gone when the
// descriptor that it returns is closed.
func deadMount(t *testing.T, dir string) int {
	t.Helper()
	fd, err := unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		peer.Lack(t, "/dev/fuse: %v", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("dead", dir, "fuse.dead", 0, fmt.Sprintf("fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other", fd)); err != nil {
		peer.Lack(t, "a mount of FUSE: %v", err)
	}
	t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
	return fd
}

// A file system that never answers costs nobody a message, is stale within two
// seconds, and the others are there as ever.
func TestDeadFileSystem(t *testing.T) {
	if !inside(t) {
		return
	}
	dir := t.TempDir()
	dead := dir + "/dead"
	fd := deadMount(t, dead)
	mountMemory(t, "alive", dir+"/alive")
	// Who waited for it would do so for as long as this; the machine alone may be busy.
	e := newEngine(t, Options{MinInterval: -1, SlowPeriod: 2 * time.Second, SectionTimeout: wait.Patience})
	s := newSession(t, e)
	wants := within(e.model, "system/filesystems", "proc/loadavg", "system/errors")
	began := time.Now()
	sample := func() map[string]string {
		at := time.Now()
		samples := s.Sample(t.Context(), wants, nil)
		defer samples.Release()
		if took := time.Since(at); took > wait.Patience/2 {
			t.Errorf("a message took %v", took)
		}
		v := make(map[string]string)
		for _, p := range samples.Parts() {
			for path, text := range values(t, e.model, p.Tape) {
				v[path] = text
			}
		}
		want(t, v, "", map[string]string{"system/filesystems/fs[" + dir + "/alive]/size": "65536", "system/errors/error[0]/text": "-"})
		return v
	}
	deadAt := "system/filesystems/fs[" + dead + "]"
	want(t, sample(), deadAt, map[string]string{"/size": "-", "/type": "fuse.dead"})
	for stale := false; !stale; {
		asked := time.Since(began)
		if stale = sample()[deadAt+"/stale"] == "1"; !stale && asked > 2*time.Second {
			t.Fatalf("asked after %v, it is not stale, want at most 2s", asked)
		}
	}
	want(t, sample(), deadAt, map[string]string{"/size": "-", "/stale": "1", "/device_error": "0"})
	unix.Close(fd)
	wait.Until(t, "the server's end is an error", func() bool { return sample()[deadAt+"/device_error"] == "1" })
}

// Dead file systems in any number hold up no more than their slots, and no disk.
func TestManyDeadFileSystems(t *testing.T) {
	if !inside(t) {
		return
	}
	dir := t.TempDir()
	var fds []int
	for i := range 2 * maxRemote {
		fds = append(fds, deadMount(t, fmt.Sprintf("%s/%d", dir, i)))
	}
	t.Cleanup(func() {
		for _, fd := range fds {
			unix.Close(fd)
		}
	})
	e := newEngine(t, Options{MinInterval: -1, SlowPeriod: 100 * time.Millisecond})
	s := newSession(t, e)
	wants := within(e.model, "system/filesystems")
	stale := func() (n int, root string) {
		samples := s.Sample(t.Context(), wants, nil)
		defer samples.Release()
		for _, p := range samples.Parts() {
			for path, text := range values(t, e.model, p.Tape) {
				if text == "1" && strings.HasSuffix(path, "/stale") {
					n++
				}
				if path == "system/filesystems/fs[/]/stale" {
					root = text
				}
			}
		}
		return n, root
	}
	wait.Until(t, "all are stale", func() bool { n, _ := stale(); return n == len(fds) })
	if n, root := stale(); n != len(fds) || root != "0" {
		t.Errorf("%d stale, / %q, want %d and 0", n, root, len(fds))
	}
	f := e.sectionOf("system/filesystems").reader.(*filesystemsReader)
	if len(f.remote) != maxRemote || len(f.local) != 0 {
		t.Errorf("%d and %d slots are taken, want %d and none", len(f.remote), len(f.local), maxRemote)
	}
}

// Mounts that come and go are seen, though the file is read only when they do.
func TestMountsAreFollowed(t *testing.T) {
	if !inside(t) {
		return
	}
	dir := t.TempDir() + "/new"
	e := newEngine(t, Options{MinInterval: -1, SlowPeriod: 10 * time.Millisecond})
	s := newSession(t, e)
	has := func() bool {
		samples := s.Sample(t.Context(), within(e.model, "system/filesystems"), nil)
		defer samples.Release()
		return slices.ContainsFunc(samples.Parts(), func(p Part) bool {
			_, ok := values(t, e.model, p.Tape)["system/filesystems/fs["+dir+"]/type"]
			return ok
		})
	}
	if has() {
		t.Fatal("it is there before it was mounted")
	}
	mountMemory(t, "new", dir)
	wait.Until(t, "the mount", has)
	if err := unix.Unmount(dir, 0); err != nil {
		t.Fatal(err)
	}
	wait.Until(t, "the end of the mount", func() bool { return !has() })
	bytes := e.sectionOf("system/filesystems").info().Cost.Bytes
	calls := e.sectionOf("system/filesystems").info().Cost.Calls
	wait.Until(t, "more rounds", func() bool { has(); return e.sectionOf("system/filesystems").info().Cost.Calls > calls+5 })
	if now := e.sectionOf("system/filesystems").info().Cost.Bytes; now != bytes {
		t.Errorf("%d bytes were read while nothing changed", now-bytes)
	}
}

// mountMemory mounts 64 KiB of memory on a new directory.
func mountMemory(t *testing.T, device, dir string) {
	t.Helper()
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount(device, dir, "tmpfs", 0, "size=64k"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
}
