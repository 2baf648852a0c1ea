// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package systemtest

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestAgentUnprivileged runs the session daemon of a user: weir's own domain is
// recorded, the kernel is refused with the reason.
func TestAgentUnprivileged(t *testing.T) {
	isolated(t, func(m *machine) {
		m.publishPrograms()
		const home, run = "/run/home", "/run/user"
		for _, dir := range []string{home, run} {
			if err := os.MkdirAll(dir, 0o700); err != nil {
				m.Fatal(err)
			}
			if err := os.Chown(dir, nobody, nobody); err != nil {
				m.Fatal(err)
			}
		}
		as := append(slices.Clone(asNobody), "env", "HOME="+home, "XDG_RUNTIME_DIR="+run, m.weir())
		p := m.startNotifying(append(as, "agent")...)
		do := func(args ...string) string { return m.run(append(as, args...)...) }
		do("create", "mine")
		if _, errs, code := m.try(append(as, "enable-event", "-k", "sched_switch")...); code != 1 || !strings.Contains(errs, "kernel domain") {
			m.Errorf("kernel domain for a user: exit code %d, %s", code, errs)
		}
		do("enable-event", "-w", "-a")
		do("start")
		do("stop")
		do("destroy")
		out := m.run("babeltrace2", filepath.Join(home, "weir-traces"))
		if !strings.Contains(out, `weir:state: { cpu_id = 0 }, { session = "mine", text = "started" }`) {
			m.Errorf("the session's start is not recorded:\n%s", lastLines(out, 10))
		}
		p.signal(syscall.SIGTERM)
		if code := p.wait(); code != 0 {
			m.Errorf("agent: exit code %d\n%s", code, lastLines(p.errors(), 10))
		}
	})
}

// nobody is a user without rights.
const nobody = 65534

// TestKernelByGroup lets a member of the group tracing record the kernel with
// root's daemon: what is written is theirs, and nothing is written where they may
// not write.
func TestKernelByGroup(t *testing.T) {
	isolated(t, func(m *machine) {
		const uid, gid = 1234, 4321
		groups := filepath.Join(m.dir, "group")
		if err := os.WriteFile(groups, fmt.Appendf(nil, "root:x:0:\ntracing:x:%d:\n", gid), 0o644); err != nil {
			m.Fatal(err)
		}
		if err := unix.Mount(groups, "/etc/group", "", unix.MS_BIND, ""); err != nil {
			m.Fatal(err)
		}
		m.publishPrograms()
		a := m.startAgent()
		w := m.writer("weirgroup")
		const home = "/run/home"
		if err := os.Mkdir(home, 0o700); err != nil {
			m.Fatal(err)
		}
		if err := os.Chown(home, uid, gid); err != nil {
			m.Fatal(err)
		}
		as := []string{"setpriv", fmt.Sprintf("--reuid=%d", uid), fmt.Sprintf("--regid=%d", gid), "--clear-groups", "env", "HOME=" + home, m.weir()}
		do := func(args ...string) string { return m.run(append(slices.Clone(as), args...)...) }
		if _, errs, code := m.try(append(slices.Clone(as), "create", "bad", "-o", "/etc/weirbad")...); code != 0 {
			m.Errorf("create: exit code %d, %s", code, errs)
		}
		do(a.countedRule(w)...)
		if _, errs, code := m.try(append(slices.Clone(as), "start")...); code != 1 || !strings.Contains(errs, "permission denied") {
			m.Errorf("a trace in /etc: exit code %d, %s", code, errs)
		}
		if _, err := os.Stat("/etc/weirbad"); err == nil {
			m.Error("/etc/weirbad was made")
		}
		do("destroy")
		do("create", "mine")
		do(a.countedRule(w)...)
		do("start")
		m.write(w, 3000)
		do("rotate")
		m.write(w, 3000)
		do("stop")
		do("destroy")
		out := filepath.Join(home, "weir-traces")
		m.wantWrites("mine", 6000, out)
		err := filepath.Walk(out, func(path string, info os.FileInfo, err error) error {
			if err != nil {
				return err
			}
			if st := info.Sys().(*syscall.Stat_t); st.Uid != uid || st.Gid != gid {
				m.Errorf("%s belongs to %d:%d, want %d:%d", path, st.Uid, st.Gid, uid, gid)
			}
			return nil
		})
		if err != nil {
			m.Error(err)
		}
		stranger := append(slices.Clone(asNobody), "env", "HOME=/run/nobody", m.weir(), "list")
		if _, errs, code := m.try(stranger...); code != 1 || !strings.Contains(errs, "not allowed") {
			m.Errorf("a stranger at root's socket: exit code %d, %s", code, errs)
		}
		a.end()
	})
}
