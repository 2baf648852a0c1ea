// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package systemtest

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// farHost is another host, as far as a mirror can tell: an agent that is asked by HTTP, and
// what it watches.
type farHost struct {
	m      *machine
	agent  *process
	src    string
	target string
}

const (
	farAddress = "127.0.0.1:9349"
	farToken   = "a-token-of-the-far-agent"
)

func (h *farHost) startAgent() {
	h.m.Helper()
	h.agent = h.m.startNotifying(h.m.weir(), "agent", "--state-dir", h.m.mkdir("far"),
		"--feeds-listen", farAddress, "--feeds-tokens", filepath.Join(h.m.dir, "tokens"))
}

// awaitErrors waits until what a process has written to standard error satisfies enough, and
// returns it.
func (p *process) awaitErrors(what string, enough func(string) bool) (text string) {
	p.m.Helper()
	p.m.until(p.name+" to write "+what, func() bool {
		text = p.errors()
		select {
		case <-p.ended:
			p.m.Fatalf("%s ended with %d before %s; it wrote:\n%s", p.name, p.code, what, text)
		default:
		}
		return enough(text)
	})
	return text
}

// mirror is the command that mirrors from there.
func (h *farHost) mirror(flags ...string) []string {
	return append([]string{"WEIR_FEED_TOKEN=" + farToken, h.m.weir(), "mirror", "--socket", "http://" + farAddress, h.src, h.target}, flags...)
}

// storm is a program that changes the source as long as a file is there.
func (h *farHost) storm(running string) *process {
	return h.m.start("sh", "-c", fmt.Sprintf(`cd %s; i=0
while [ -e %s ]; do
	d=d$((i %% 7)); e=d$((i %% 5))
	mkdir -p $d/sub$i; echo $i >$d/f$i; head -c $((i %% 97 * 3000)) /dev/zero >$d/g$((i %% 11))
	ln $d/f$i $e/l$i; mv $d/sub$i $e/ ; ln -s f$i $d/s$i; chmod 60$((i %% 8)) $d/g$((i %% 11))
	[ $((i %% 3)) = 0 ] && rm -f $d/f$i
	[ $((i %% 13)) = 0 ] && { mv $d m$i; rm -rf $e; }
	i=$((i+1))
done 2>/dev/null
true`, h.src, running))
}

// TestFarAgentKilledAmidAFile kills the agent of the source while a large file is read from
// it: the mirror says so, waits, and has the file when there is another one.
func TestFarAgentKilledAmidAFile(t *testing.T) {
	isolated(t, func(m *machine) {
		h := &farHost{m: m, src: m.mountFS("ext4"), target: m.mkdir("copy")}
		if err := os.WriteFile(filepath.Join(m.dir, "tokens"), []byte(farToken+" feed:admin\n"), 0o600); err != nil {
			m.Fatal(err)
		}
		h.startAgent()
		const size = 40 << 20
		m.run("sh", "-ec", fmt.Sprintf("head -c %d /dev/urandom >%s/large", size, h.src))
		mirror := m.start(h.mirror("--bwlimit", "8M")...)
		blocks := func() int64 {
			var st syscall.Stat_t
			if syscall.Stat(filepath.Join(h.target, "large"), &st) != nil {
				return 0
			}
			return st.Blocks * 512
		}
		for _, amid := range []int64{size / 8, size / 2} {
			m.until("a part of the file to be copied", func() bool { return blocks() > amid })
			before := strings.Count(mirror.errors(), "waiting for the agent")
			h.agent.kill()
			mirror.awaitErrors("that it waits", func(text string) bool { return strings.Count(text, "waiting for the agent") > before })
			if had := blocks(); had < amid {
				m.Errorf("file when the agent was gone: got %d bytes, want those that were copied, %d at least", had, amid)
			}
			h.startAgent()
		}
		m.until("the file to be copied", func() bool {
			_, _, code := m.try("cmp", filepath.Join(h.src, "large"), filepath.Join(h.target, "large"))
			return code == 0
		})
		m.run("sh", "-ec", fmt.Sprintf("echo 1 >%s/after", h.src))
		m.until("the mirror to go on", func() bool { _, err := os.Stat(filepath.Join(h.target, "after")); return err == nil })
		mirror.kill()
	})
}

// TestFarMirrorKills kills both sides of a mirror of another host's directory, again and
// again while that changes: at the end they are equal.
func TestFarMirrorKills(t *testing.T) {
	isolated(t, func(m *machine) {
		h := &farHost{m: m, src: m.mountFS("ext4"), target: m.mkdir("copy")}
		if err := os.WriteFile(filepath.Join(m.dir, "tokens"), []byte(farToken+" feed:admin\n"), 0o600); err != nil {
			m.Fatal(err)
		}
		h.startAgent()
		// A directory that takes several steps, so that the first kills come amid it.
		m.run("sh", "-ec", fmt.Sprintf("mkdir %s/large; cd %[1]s/large; seq -f %%0200.0f 6000 | xargs touch", h.src))
		running := filepath.Join(m.dir, "running")
		if err := os.WriteFile(running, nil, 0o600); err != nil {
			m.Fatal(err)
		}
		storm := h.storm(running)
		r := rand.New(rand.NewPCG(3, 4))
		for i := range max(*kills, 8) {
			mirror := m.start(h.mirror()...)
			lines := mirror.awaitErrors("progress", func(text string) bool { return strings.Contains(text, "objects made") })
			select {
			case <-time.After(time.Duration(r.IntN(500)) * time.Millisecond): // a kill hits by chance
			case <-mirror.ended:
				m.Fatalf("mirror %d ended by itself; it wrote:\n%s", i, lines)
			}
			if i%2 == 0 {
				mirror.kill()
				continue
			}
			h.agent.kill()
			h.startAgent()
			mirror.kill()
		}
		if err := os.Remove(running); err != nil {
			m.Fatal(err)
		}
		storm.wait()
		m.until("the mirror to be equal", func() bool {
			m.run(h.mirror("--once")...)
			out, _, code := m.try(m.weir(), "mirror", "--verify", h.src, h.target)
			return code == 0 && strings.Contains(out, "equal")
		})
	})
}
