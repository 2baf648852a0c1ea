// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package systemtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/weir-io/weir/client/agent"
	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/internal/kernel/tracefs"
	"github.com/weir-io/weir/internal/peer"
)

// kernelRoot is where the kernel's tracing is mounted. It is one for all
// namespaces: tests share it, each with instances of its own.
const kernelRoot = "/sys/kernel/tracing"

// tracer is weir's session daemon and the commands that tests give it.
type tracer struct {
	m *machine
	p *process
}

// needKernel ends the test where the kernel cannot be traced. Where tracefs is not mounted,
// nobody has traced yet: it is mounted in the test's namespace.
func (m *machine) needKernel() {
	m.Helper()
	traced, err := tracefs.Find()
	if err != nil {
		peer.Lack(m.T, "kernel tracing at %s: %v", kernelRoot, err)
	}
	if err := traced.Close(); err != nil {
		m.Error(err)
	}
}

// startAgent starts the session daemon, which needs a kernel that can be traced.
func (m *machine) startAgent(args ...string) *tracer {
	m.Helper()
	return m.startAgentOf(m.weir(), args...)
}

// startAgentOf starts that of another executable.
func (m *machine) startAgentOf(program string, args ...string) *tracer {
	m.Helper()
	m.needKernel()
	return &tracer{m, m.startNotifying(append([]string{program, "agent", "--state-dir", m.mkdir("agent")}, args...)...)}
}

// do gives a command, which must succeed, and returns what it printed.
func (t *tracer) do(args ...string) string {
	t.m.Helper()
	return t.m.run(append([]string{t.m.weir()}, args...)...)
}

// refuse gives a command, which must fail with a code of LTTng's and a message
// that has the words. It returns the message.
func (t *tracer) refuse(code agent.Code, words string, args ...string) string {
	t.m.Helper()
	out, errs, rc := t.m.try(append([]string{t.m.weir()}, append(args, "--json")...)...)
	var doc struct{ Error agent.Problem }
	if err := json.Unmarshal([]byte(out), &doc); err != nil {
		t.m.Errorf("weir %s: exit code %d, no JSON: %v\n%s%s", strings.Join(args, " "), rc, err, out, errs)
		return ""
	}
	if rc != 1 || doc.Error.Code != code || !strings.Contains(doc.Error.Message, words) {
		t.m.Errorf("weir %s: exit code %d, error %d %q; want 1, %d, %q", strings.Join(args, " "), rc, doc.Error.Code, doc.Error.Message, code, words)
	}
	return doc.Error.Message
}

// session returns the document of a session.
func (t *tracer) session(name string) agent.Session {
	t.m.Helper()
	var doc struct{ Sessions []agent.Session }
	text := t.do("list", name, "--json")
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
		t.m.Fatalf("weir list %s --json: %v\n%s", name, err, text)
	}
	if len(doc.Sessions) != 1 {
		t.m.Fatalf("weir list %s --json: %d sessions\n%s", name, len(doc.Sessions), text)
	}
	return doc.Sessions[0]
}

// countedRule is the rule that chooses what write makes of its own calls, and nothing
// else on the machine.
func (t *tracer) countedRule(writer string) []string {
	name := filepath.Base(writer)
	return []string{"enable-event", "-k", "--syscall", "write", "-f", fmt.Sprintf(`$ctx.procname == "%s" && count == 1 && fd == 1`, name)}
}

// writer is a program of a name of its own, which no other test's has, also where
// the tests run twice at a time: the kernel is one.
func (m *machine) writer(name string) string {
	m.Helper()
	return m.copyOf(peer.Need(m.T, "dd"), name)
}

// copyOf is a copy of a program by a name that begins so and that no other has.
func (m *machine) copyOf(program, name string) string {
	m.Helper()
	b, err := os.ReadFile(program)
	if err != nil {
		m.Fatal(err)
	}
	path := filepath.Join(m.dir, fmt.Sprintf("%.8s%07x", name, rand.Uint32()>>4)) // the kernel knows 15 bytes
	if err := os.WriteFile(path, b, 0o755); err != nil {
		m.Fatal(err)
	}
	return path
}

// write makes n system calls that the rule of counted chooses.
func (m *machine) write(program string, n int) {
	m.Helper()
	m.run(program, "if=/dev/zero", "of=/dev/null", "bs=1", "count="+strconv.Itoa(n))
}

// writesOf counts the calls of a program in what babeltrace2 reads below
// directories; lost is what it says was discarded.
func (m *machine) writesOf(name string, dirs ...string) (n, lost int) {
	m.Helper()
	out, errs, code := m.try(append([]string{"babeltrace2"}, dirs...)...)
	if code != 0 {
		m.Errorf("babeltrace2 %s: exit code %d\n%s", strings.Join(dirs, " "), code, lastLines(errs, 20))
	}
	for line := range strings.Lines(errs) {
		if strings.HasPrefix(line, "WARNING: Tracer may have discarded events") {
			lost += 1 << 30 // how many, nobody knows: a count that goes back, after a consumer died in the middle of a packet
			continue
		}
		found := lostEvents.FindStringSubmatch(line)
		if found == nil {
			m.Errorf("babeltrace2: %s", line)
			continue
		}
		k, err := strconv.Atoi(found[1])
		if err != nil {
			m.Fatal(err)
		}
		lost += k
	}
	for line := range strings.Lines(out) {
		if strings.Contains(line, "syscall_entry_write:") {
			n++
		}
	}
	return n, lost
}

var lostEvents = regexp.MustCompile(`^WARNING: Tracer discarded (\d+) events? between `)

// wantWrites checks that exactly n calls are recorded.
func (m *machine) wantWrites(name string, n int, dirs ...string) {
	m.Helper()
	if got, lost := m.writesOf(name, dirs...); got != n || lost != 0 {
		m.Errorf("%s: %d calls recorded, %d discarded; want %d", name, got, lost, n)
	}
}

// packetNumbers returns the numbers of the packets of each stream below
// directories, in order, as the indexes have them.
func (m *machine) packetNumbers(dirs ...string) map[string][]uint64 {
	m.Helper()
	all := make(map[string][]uint64)
	for _, dir := range dirs {
		err := filepath.Walk(dir, func(path string, _ os.FileInfo, err error) error {
			if err != nil || filepath.Ext(path) != ".idx" {
				return err
			}
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			h, err := ctf.ParseIndexHeader(b)
			if err != nil {
				return err
			}
			for b = b[ctf.IndexHeaderLen:]; len(b) >= int(h.RecordLen); b = b[h.RecordLen:] {
				e, err := ctf.ParseIndexEntry(b, h.RecordLen)
				if err != nil {
					return err
				}
				stream := strings.TrimSuffix(filepath.Base(path), ".idx")
				all[stream] = append(all[stream], e.PacketSeqNum)
			}
			return nil
		})
		if err != nil {
			m.Fatal(err)
		}
	}
	for _, numbers := range all {
		slices.Sort(numbers)
	}
	return all
}

// wantConsecutive checks that the directories together have each packet once.
func (m *machine) wantConsecutive(dirs ...string) {
	m.Helper()
	all := m.packetNumbers(dirs...)
	if len(all) == 0 {
		m.Error("no stream")
	}
	for stream, numbers := range all {
		for i, n := range numbers {
			if n != uint64(i) {
				m.Errorf("stream %s: packet %d of %d has number %d", stream, i, len(numbers), n)
				break
			}
		}
	}
}

// wantNoInstance checks that nothing of a daemon is left in the kernel.
func (m *machine) wantNoInstance(pid int) {
	m.Helper()
	entries, err := os.ReadDir("/run/weir/instances")
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // none was ever made
		m.Fatal(err)
	}
	for _, e := range entries {
		m.Errorf("instance %s is left behind", e.Name())
	}
}

// sweepInstances removes the tracing instances of daemons that a test has killed,
// or that died with it. They are the kernel's, not the name space's; other tests
// have theirs.
func (m *machine) sweepInstances() {
	entries, err := os.ReadDir("/run/weir/instances")
	if err != nil || len(entries) == 0 {
		return // no daemon, or none killed
	}
	kernel, err := tracefs.Find()
	if err != nil {
		m.Error(err)
		return
	}
	defer kernel.Close()
	own := make(map[string]bool)
	for _, e := range entries {
		own[e.Name()] = true
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if _, err := kernel.Sweep(ctx, "weir.", func(name string) bool { return !own[name] }); err != nil {
		m.Error(err)
	}
}

// end ends the daemon.
func (t *tracer) end() {
	t.m.Helper()
	t.p.signal(syscall.SIGTERM)
	if code := t.p.wait(); code != 0 {
		t.m.Errorf("weir agent: exit code %d\n%s", code, lastLines(t.p.errors(), 20))
	}
	t.m.wantNoInstance(0)
}

// children returns the consumer processes of a daemon.
func (m *machine) children(pid int) []int {
	m.Helper()
	lists, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid)) // of the thread that started them
	if err != nil {
		m.Fatal(err)
	}
	var pids []int
	for _, list := range lists {
		text, err := os.ReadFile(list)
		if err != nil {
			continue // the thread has ended
		}
		for _, word := range strings.Fields(string(text)) {
			if n, err := strconv.Atoi(word); err == nil {
				pids = append(pids, n)
			}
		}
	}
	return pids
}
