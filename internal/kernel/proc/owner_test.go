// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package proc

import (
	"bufio"
	"errors"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"github.com/weir-io/weir/internal/peer"
)

// idMapText maps root to a user, and others to a range of their own.
const idMapText = "         0       1000          1\n         1     100000      65536\n"

func TestIDMap(t *testing.T) {
	m := parseIDMap([]byte(idMapText))
	for id, want := range map[uint32]uint32{1000: 0, 100000: 1, 165535: 65536, 165536: overflow, 0: overflow, 999: overflow, 1001: overflow, 1<<32 - 1: overflow} {
		if got := m.in(id); got != want {
			t.Errorf("%d is %d inside, want %d", id, got, want)
		}
	}
	if got := idMap(nil).in(7); got != 7 {
		t.Errorf("without a map 7 is %d", got)
	}
	if got := parseIDMap([]byte("0 0 4294967295\n")).in(65536); got != 65536 {
		t.Errorf("in the first name space 65536 is %d", got)
	}
	for _, bad := range []string{"", "x", "1 2", "1 2 3 4", "1 2 99999999999\n", "-1 2 3\n", idMapText + "1"} {
		if got := parseIDMap([]byte(bad)).in(1000); got != overflow {
			t.Errorf("%q maps 1000 to %d", bad, got)
		}
	}
	for n := range idMapText {
		parseIDMap([]byte(idMapText[:n])).in(1000)
	}
}

// A thread in a user name space of its own is somebody else there.
func TestOwnerInUserNamespace(t *testing.T) {
	peer.Root(t, "to make name spaces")
	cmd := exec.Command(peer.Need(t, "nice"), "-n", "7", "sh", "-c", "echo ready; read x")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 5, HostID: 1000, Size: 10}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 6, HostID: 2000, Size: 10}},
		Credential:  &syscall.Credential{Uid: 7, Gid: 9, NoSetGroups: true},
	}
	in, err := cmd.StdinPipe()
	check(t, err)
	out, err := cmd.StdoutPipe()
	check(t, err)
	if err := cmd.Start(); err != nil {
		peer.Lack(t, "user name spaces: %v", err)
	}
	defer func() {
		in.Close()
		_ = cmd.Wait() // it has read to the end
	}()
	_, err = bufio.NewReader(out).ReadString('\n')
	check(t, err)
	want := Owner{UID: IDs{1002, 1002, 1002}, GID: IDs{2003, 2003, 2003}, VUID: IDs{7, 7, 7}, VGID: IDs{9, 9, 9}}
	s := host(t)
	nice := min(find(s, os.Getpid()).Nice+7, 19)
	th := find(s, cmd.Process.Pid)
	if th == nil || th.Owner != want || th.Nice != nice || th.Prio != 20+nice {
		t.Errorf("the process is %+v, want %+v with nice %d", th, want, nice)
	}
	fs, err := Open("/proc")
	check(t, err)
	defer fs.Close()
	alone := *th // as it is without those around it
	alone.VPPID, alone.Namespaces = 0, Namespaces{}
	now, err := fs.Thread(th.TID)
	if now.CPU, now.State = alone.CPU, alone.State; err != nil || now != alone {
		t.Errorf("alone it is %+v, %v, want %+v", now, err, alone)
	}
	if now, err := fs.Thread(1<<30 - 1); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("nobody is %+v, %v", now, err)
	}
}
