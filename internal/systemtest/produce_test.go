// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package systemtest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/weir-io/weir/client/relay"
	"github.com/weir-io/weir/lttng"
)

// Weir's producer records the same at either relay, several streams at a time,
// and its end comes after the last packet.
func TestProduce(t *testing.T) {
	isolated(t, func(m *machine) {
		both(m, nil, func(m *machine, out string) {
			p := m.produce(relay.Options{Session: "own"})
			p.add(3) // the last one stays empty
			done := make(chan error, 1)
			go func() { done <- p.send(1, 0, 3000, 4096) }()
			p.mustSend(0, 0, 3000)
			if err := <-done; err != nil {
				m.Fatal(err)
			}
			p.close()
			m.wantNumbers(out, 0, 3000, 2)
			if got := p.data[0].Stored(); got != 3000 {
				m.Errorf("%d packets known to be stored, want 3000", got)
			}
		})
	})
}

// Each minor that the original speaks with producers that name their sessions.
func TestProduceOldMinors(t *testing.T) {
	isolated(t, func(m *machine) {
		both(m, nil, func(m *machine, out string) {
			for _, minor := range []lttng.Minor{4, 7, 8, 10, 11, 12, 13} {
				name := fmt.Sprint("minor", minor)
				p := m.produce(relay.Options{Session: name, Minor: minor, UUID: [16]byte{1}, SessionID: uint64(minor)})
				p.add(1)
				p.mustSend(0, 0, 100)
				p.close()
				m.wantNumbers((&session{m, name}).dir(out), 0, 100, 1)
			}
		})
	})
}

// Parts of a recording are whole, also where a stream has had no packet, or
// begins with a number that is not 0, as after a reconnection.
func TestProduceRotations(t *testing.T) {
	isolated(t, func(m *machine) {
		both(m, nil, func(m *machine, out string) {
			p := m.produce(relay.Options{Session: "turning"})
			p.add(2)
			p.rotate()
			for from := uint64(5000); from < 8000; from += 1000 {
				p.mustSend(0, from, from+1000)
				p.rotate()
			}
			p.mustSend(0, 8000, 9000)
			if _, err := p.session.CloseLastChunk(m.Context(), true); err != nil {
				m.Fatal(err)
			}
			p.rotate()
			p.mustSend(0, 9000, 9500)
			p.close()
			parts, err := filepath.Glob(filepath.Join(out, p.session.Path(), "archives", "*"))
			if err != nil || len(parts) != 6 {
				m.Errorf("parts %q, %v; want 6", parts, err)
			}
			for _, part := range parts {
				_, id, _ := strings.Cut(filepath.Base(part)[len("20010909T014640+0000"):], "-20") // the end, and the number
				n, err := strconv.Atoi(id[strings.LastIndex(id, "-")+1:])
				if err != nil {
					m.Fatal(err)
				}
				switch n {
				case 0:
					m.wantNumbers(part, 0, 0, 1)
				case 5:
					m.wantNumbers(part, 9000, 9500, 1)
				default:
					m.wantNumbers(part, 4000+1000*n, 5000+1000*n, 1)
				}
			}
		})
	})
}

// Rotations in the middle of packets of several streams lose none and double
// none, and the original lives through them.
func TestProduceWhileRotating(t *testing.T) {
	isolated(t, func(m *machine) {
		eachRelay(m, func(_ int, out string) {
			p := m.produce(relay.Options{Session: "busy"})
			p.add(3)
			const packets = 20000
			done := make(chan error, 2)
			for i := range 2 {
				go func() { done <- p.send(i, 0, packets, 4096) }()
			}
			for n := uint64(1); n <= 10; n++ {
				m.until("packets", func() bool { return p.data[0].Sent() >= n*packets/12 })
				p.rotate()
			}
			for range 2 {
				if err := <-done; err != nil {
					m.Fatal(err)
				}
			}
			p.close()
			m.wantNumbers(out, 0, packets, 2)
		})
	})
}

// Clearing drops what was recorded before, also after a rotation, whose part
// stays.
func TestProduceClear(t *testing.T) {
	isolated(t, func(m *machine) {
		both(m, nil, func(m *machine, out string) {
			p := m.produce(relay.Options{Session: "cleared"})
			p.add(2)
			p.mustSend(0, 0, 100)
			p.clear()
			p.mustSend(0, 100, 200)
			p.mustSend(1, 0, 100)
			p.rotate()
			p.mustSend(0, 200, 300)
			p.clear()
			p.mustSend(1, 200, 300)
			p.close()
			m.wantNumbers(filepath.Join(out, p.session.Path(), "archives"), 0, 300, 1)
		})
	})
}

// A relay that forbids clearing is not asked to.
func TestProduceClearForbidden(t *testing.T) {
	isolated(t, func(m *machine) {
		both(m, []string{"--disallow-clear"}, func(m *machine, out string) {
			p := m.produce(relay.Options{Session: "kept"})
			p.add(1)
			p.mustSend(0, 0, 100)
			_, err := p.session.Rotate(m.Context(), relay.Rotation{Command: lttng.CloseDelete})
			if !errors.Is(err, errors.ErrUnsupported) || p.session.Err() != nil {
				m.Errorf("got %v, session %v; want %v and none", err, p.session.Err(), errors.ErrUnsupported)
			}
			p.close()
			m.wantNumbers(out, 0, 100, 1)
		})
	})
}

func TestProduceSnapshot(t *testing.T) {
	isolated(t, func(m *machine) {
		both(m, nil, func(m *machine, out string) {
			p := m.produce(relay.Options{Session: "snap", Snapshot: true})
			p.name("first-1")
			p.add(2)
			p.mustSend(0, 0, 500)
			p.mustSend(1, 0, 500)
			p.close()
			m.wantNumbers(filepath.Join(out, p.session.Path(), "first-1"), 0, 500, 2)
		})
	})
}

// A viewer of a live session sees what comes in one stream while the other one
// only sends beacons, and new metadata in between.
func TestProduceLive(t *testing.T) {
	isolated(t, func(m *machine) {
		both(m, nil, func(m *machine, _ string) {
			p := m.produce(relay.Options{Session: "lively", LiveTimer: 100 * time.Millisecond})
			p.add(2)
			p.mustSend(1, 0, 1) // relays below 2.15 hear no beacon before a packet
			v := m.view("lively")
			for from := uint64(0); from < 500; from += 100 {
				p.mustSend(0, max(1, from), from+100)
				if err := p.data[1].Beacon(m.Context(), (from+100)*1000); err != nil {
					m.Fatal(err)
				}
				v.awaitLines(fmt.Sprint("event ", from+98), func(lines []string) bool {
					got := m.printed(lines)
					return len(got) > 0 && got[len(got)-1] >= int(from)+98
				})
			}
			more := []byte("/* CTF 1.8 */\ntypealias integer { size = 16; align = 8; signed = false; } := uint16_t;\n")
			if err := p.metadata.SendMetadata(m.Context(), more); err != nil {
				m.Fatal(err)
			}
			p.mustSend(1, 500, 600)
			p.close()
			if code := v.wait(); code != 0 {
				m.Errorf("babeltrace2: exit code %d\n%s", code, lastLines(v.errors(), 20))
			}
			lines, _ := v.output()
			m.compareNumbers("viewer", m.printed(lines), 1, 600, 1)
		})
	})
}

// eachRelay plays a scenario to weir and to the original, of which it may end
// the process.
func eachRelay(m *machine, play func(pid int, out string)) {
	m.Helper()
	w := m.startWeir()
	play(w.cmd.Process.Pid, m.out)
	w.kill()
	m.until("free ports", func() bool { return !m.listening() })
	o := m.startOriginal()
	play(o.pid, o.out)
	_ = syscall.Kill(o.pid, syscall.SIGKILL) // it may have ended
	m.untilGone(o.pid)
}

// A producer whose relay is killed in the middle knows it at once, and what the
// relay had confirmed was sent before.
func TestProduceKilled(t *testing.T) {
	isolated(t, func(m *machine) {
		eachRelay(m, func(pid int, _ string) {
			p := m.produce(relay.Options{Session: "doomed"})
			p.add(2)
			done := make(chan error, 2)
			for i := range 2 {
				go func() { done <- p.send(i, 0, 1<<40, 64<<10) }()
			}
			m.until("confirmed packets", func() bool { return p.data[0].Confirmed() > 100 })
			begin := time.Now()
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
				m.Fatal(err)
			}
			for range 2 {
				if e, ok := errors.AsType[*relay.Error](<-done); !ok || !errors.Is(e, p.session.Err()) {
					m.Errorf("got %v, want what ended the session: %v", e, p.session.Err())
				}
			}
			if took := time.Since(begin); took > 5*time.Second {
				m.Errorf("noticed after %v", took)
			}
			if st := p.data[0]; st.Confirmed() > st.Sent() || st.Sent()-st.Confirmed() > 257 {
				m.Errorf("%d packets confirmed of %d", st.Confirmed(), st.Sent())
			}
		})
	})
}

// A relay that has stopped is given up in time: by its missing answer, or where
// none is due, because it takes nothing.
func TestProduceStopped(t *testing.T) {
	isolated(t, func(m *machine) {
		for _, snapshot := range []bool{false, true} {
			eachRelay(m, func(pid int, _ string) {
				p := m.produce(relay.Options{Session: "stuck", Snapshot: snapshot, ReplyTimeout: time.Second, StallTimeout: 2 * time.Second})
				if snapshot {
					p.name("stuck")
				}
				p.add(1)
				p.mustSend(0, 0, 10)
				if err := p.session.Drain(m.Context()); err != nil {
					m.Fatal(err)
				}
				if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
					m.Fatal(err)
				}
				begin := time.Now()
				err := p.send(0, 10, 1<<40, 64<<10)
				took := time.Since(begin)
				want := relay.ErrNoReply
				if snapshot {
					want = relay.ErrStalled
				}
				// The kernel's own limit may come first, seen by who writes or by who reads;
				// who comes second is told of a broken pipe.
				own := snapshot && (errors.Is(err, syscall.ETIMEDOUT) || errors.Is(err, syscall.EPIPE) || errors.Is(err, relay.ErrHangup))
				if !errors.Is(err, want) && !own || took > 10*time.Second {
					m.Errorf("snapshot %v: got %v after %v, want %v", snapshot, err, took, want)
				}
				if err := syscall.Kill(pid, syscall.SIGCONT); err != nil {
					m.Fatal(err)
				}
			})
		}
	})
}

// Without the data port there is no session, and the relay keeps nothing that
// is open.
func TestProduceNoDataPort(t *testing.T) {
	isolated(t, func(m *machine) {
		eachRelay(m, func(int, string) {
			_, err := relay.Dial(m.Context(), m.relayAt(relayURL+"::9"), lttng.URL{}, relay.Options{Session: "half", Hostname: hostName})
			e, ok := errors.AsType[*relay.DialError](err)
			if !ok || e.End != relay.Data || e.Step != relay.StepConnect || !errors.Is(err, syscall.ECONNREFUSED) {
				m.Errorf("got %v, want a refused data connection", err)
			}
			if !strings.Contains(err.Error(), "control connected, data 127.0.0.1:9: connect:") {
				m.Errorf("got %v", err)
			}
			if out := m.run("babeltrace2", "-i", "lttng-live", "net://127.0.0.1"); strings.Contains(out, "half") {
				m.Errorf("listed: %s", out)
			}
			p := m.produce(relay.Options{Session: "whole"})
			p.add(1)
			p.close()
		})
	})
}

// A peer that is no relay is told apart.
func TestProduceToStranger(t *testing.T) {
	isolated(t, func(m *machine) {
		l, err := net.Listen("tcp", "127.0.0.1:5342")
		if err != nil {
			m.Fatal(err)
		}
		defer l.Close()
		go func() { // ends with the listener
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				_, _ = c.Write([]byte("SSH-2.0-OpenSSH_9.2\r\n"))
			}
		}()
		ctx, cancel := context.WithTimeout(m.Context(), patience)
		defer cancel()
		_, err = relay.Dial(ctx, m.relayAt(relayURL), lttng.URL{}, relay.Options{Session: "s", Hostname: hostName})
		if e, ok := errors.AsType[*relay.DialError](err); !ok || e.Step != relay.StepVersion {
			m.Errorf("got %v, want the step %q", err, relay.StepVersion)
		}
	})
}

// A session goes on where another holder left it.
func TestProduceHandOver(t *testing.T) {
	isolated(t, func(m *machine) {
		both(m, nil, func(m *machine, out string) {
			p := m.produce(relay.Options{Session: "moved"})
			p.add(2)
			for from := uint64(0); from < 500; from += 100 {
				p.mustSend(0, from, from+100)
				p.mustSend(1, from, from+100)
				h, err := p.session.Detach(m.Context())
				if err != nil {
					m.Fatal(err)
				}
				s, err := relay.Adopt(h)
				if err != nil {
					m.Fatal(err)
				}
				m.Cleanup(s.Abort)
				streams := s.Streams()
				p = &producer{m, s, streams[:2], streams[2]}
			}
			p.close()
			m.wantNumbers(out, 0, 500, 2)
		})
	})
}
