// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package systemtest

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/weir-io/weir/client/agent"
)

// waits is how often a process has waited for something.
func (p *process) waits() (n int) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		p.m.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if count, ok := strings.CutPrefix(line, "voluntary_ctxt_switches:"); ok {
			if n, err = strconv.Atoi(strings.TrimSpace(count)); err != nil {
				p.m.Fatal(err)
			}
		}
	}
	return n
}

// TestUserBlocking records programs that wait for room in rings that nobody reads for a
// while, without an end and for some time, and one that may not.
func TestUserBlocking(t *testing.T) {
	isolated(t, func(m *machine) {
		a := m.startAgent()
		small := []string{"--subbuf-size", "4k", "--num-subbuf", "2"}
		for name, most := range map[string]string{"forever": "inf", "briefly": "20ms"} {
			a.do("create", name, "-o", filepath.Join(m.dir, name))
			a.do(append([]string{"enable-channel", "-u", "c", "-s", name, "--blocking-timeout", most}, small...)...)
			a.do("enable-event", "-u", eventName, "-c", "c", "-s", name)
		}
		if text := a.do("list", "forever"); !strings.Contains(text, "Blocking timeout: infinite") {
			m.Errorf("list:\n%s", text)
		}
		const events = 5000 // far more than the ring has room for
		blocked := append([]string{"env", "LTTNG_UST_ALLOW_BLOCKING=1"}, onFirstCPU...)
		record := func(session string, do func(p *app)) (recorded int, discarded uint64) {
			a.do("start", session)
			p := m.startApp(1, 16, blocked...)
			p.emit(1, 0)
			pids := m.children(a.p.cmd.Process.Pid)
			if len(pids) != 1 {
				m.Fatalf("consumer processes %v, want one", pids)
			}
			if err := syscall.Kill(pids[0], syscall.SIGSTOP); err != nil {
				m.Fatal(err)
			}
			before := p.waits()
			p.tell(events, 0)
			m.until("the program waits", func() bool { return p.waits() > before+4 })
			if err := syscall.Kill(pids[0], syscall.SIGCONT); err != nil {
				m.Fatal(err)
			}
			do(p)
			p.emit(1, 0)
			p.finish()
			a.do("stop", session)
			for _, st := range a.session(session).Domains[0].Channels[0].Streams {
				discarded += st.Discarded
			}
			a.do("destroy", session)
			return m.ticks(filepath.Join(m.dir, session))[1], discarded
		}
		if n, lost := record("forever", func(*app) {}); n != events+2 || lost != 0 {
			m.Errorf("%d events, %d discarded; want %d and none", n, lost, events+2)
		}
		if n, lost := record("briefly", func(*app) {}); n+int(lost) != events+2 {
			m.Errorf("%d events, %d discarded; want %d in all", n, lost, events+2)
		}
		for _, args := range [][]string{
			{"-k", "--blocking-timeout", "inf"}, {"-u", "--blocking-timeout", "5", "--overwrite"}, {"-u", "--buffers-pid", "--buffers-uid"}, {"-k", "--buffers-pid"}, {"-u", "--buffers-global"}, {"-k", "--buffers-uid"},
		} {
			a.do("create", "refused", "--no-output")
			if _, text, code := m.try(append([]string{m.weir(), "enable-channel", "x"}, args...)...); code == 0 || !strings.Contains(text, args[1]) {
				m.Errorf("%q: exit code %d, %s", args, code, text)
			}
			a.do("destroy", "refused")
		}
		a.end()
	})
}

// TestUserLosses records programs in rings that are full soon, of one sub-buffer among them:
// stop and destroy tell how many events found no room, and the others are recorded.
func TestUserLosses(t *testing.T) {
	isolated(t, func(m *machine) {
		a := m.startAgent()
		losses := func(order, session string) []agent.ChannelLoss {
			m.Helper()
			var doc struct {
				Losses []agent.ChannelLoss `json:"losses"`
			}
			if err := json.Unmarshal([]byte(a.do(order, "--json", session)), &doc); err != nil {
				m.Fatal(err)
			}
			return doc.Losses
		}
		const events = 2000
		for _, subbufs := range []string{"1", "2"} {
			session := "of" + subbufs
			dir := filepath.Join(m.dir, session)
			a.do("create", session, "-o", dir)
			a.do("enable-channel", "-u", "c", "--subbuf-size", "4k", "--num-subbuf", subbufs, "--read-timer", "1h")
			a.do("enable-event", "-u", eventName, "-c", "c")
			for round := uint64(1); round <= 2; round++ {
				a.do("start")
				p := m.startApp(1, 16, onFirstCPU...)
				p.emit(events, 0)
				p.finish()
				told := discardedIn(losses("stop", session))
				recorded := uint64(m.ticks(dir)[1])
				discarded := round*events - recorded
				if told != discarded || recorded == 0 {
					m.Errorf("%s sub-buffers, round %d: %d recorded, told of %d discarded, want %d", subbufs, round, recorded, told, discarded)
				}
				if subbufs == "1" && discarded == 0 { // two may be read as fast as they are filled
					m.Errorf("one sub-buffer, round %d: nothing was discarded: nothing was tested", round)
				}
			}
			told := discardedIn(losses("destroy", session))
			if discarded := 2*events - uint64(m.ticks(dir)[1]); told != discarded {
				m.Errorf("%s sub-buffers: the end tells of %d discarded, want %d", subbufs, told, discarded)
			}
		}
		a.end()
	})
}

// discardedIn adds what channels have discarded.
func discardedIn(losses []agent.ChannelLoss) (n uint64) {
	for _, l := range losses {
		n += l.Discarded
	}
	return n
}
