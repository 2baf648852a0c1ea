// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package systemtest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weir-io/weir/client/agent"
)

// TestKernelDiskFull fills the disk under a local trace. What finds no room waits,
// in the consumer and in the rings; what the rings lose is told exactly, and no
// packet is lost, whether there is room again, the session is stopped or goes
// elsewhere.
func TestKernelDiskFull(t *testing.T) {
	for name, then := range map[string]func(*fullDisk){
		"room": func(f *fullDisk) {
			f.makeRoom()
			f.m.until("it goes on", func() bool { return f.session().State == agent.Active })
			f.write(3000)
			f.a.do("stop")
		},
		"stopped": func(f *fullDisk) {
			f.a.refuse(agent.CodeUnknown, "no space", "stop")
			f.makeRoom()
			f.m.until("the rest is written", func() bool { return f.session().Consumer.LastError == "" })
		},
		"elsewhere": func(f *fullDisk) {
			other := filepath.Join(f.m.dir, "other")
			f.out = append(f.out, other)
			f.a.do("enable-consumer", other)
			f.m.until("it goes on", func() bool { return f.session().State == agent.Active })
			f.write(3000)
			f.a.do("stop")
		},
		"rotated": func(f *fullDisk) {
			f.makeRoom()
			f.a.do("rotate")
			f.m.until("it goes on", func() bool { return f.session().State == agent.Active })
			f.write(3000)
			f.a.do("stop")
		},
	} {
		t.Run(name, func(t *testing.T) {
			isolated(t, func(m *machine) {
				f := m.fillDisk()
				then(f)
				doc := f.session()
				f.a.do("destroy")
				n, lost := m.writesOf("full", f.out...)
				if n+lost != f.calls || lost == 0 || n == 0 {
					m.Errorf("%d recorded + %d discarded, want %d, and some of both", n, lost, f.calls)
				}
				told := uint64(0)
				for _, st := range doc.Domains[0].Channels[0].Streams {
					told += st.Discarded
				}
				if doc.Consumer.Lost != 0 || told != uint64(lost) {
					m.Errorf("status tells of %d packets and %d events lost, want 0 and %d", doc.Consumer.Lost, told, lost)
				}
				m.wantConsecutive(f.out...)
				f.a.end()
			})
		})
	}
	t.Run("destroyed", func(t *testing.T) {
		isolated(t, func(m *machine) {
			f := m.fillDisk()
			if _, errs, code := m.try(m.weir(), "destroy"); code != 1 || !strings.Contains(errs, "packets and ") || !strings.Contains(errs, "events that were left in the rings are lost: ") {
				m.Errorf("destroy: exit code %d, %s", code, errs)
			}
			f.a.end()
			if n, lost := m.writesOf("full", f.out...); n == 0 || n+lost >= f.calls {
				m.Errorf("%d recorded + %d discarded of %d", n, lost, f.calls)
			}
			m.wantConsecutive(f.out...)
		})
	})
}

// fullDisk is a session whose disk is full and whose rings have lost events.
type fullDisk struct {
	m       *machine
	a       *tracer
	w       string
	calls   int // made
	out     []string
	ballast string
}

func (m *machine) fillDisk() *fullDisk {
	m.Helper()
	f := &fullDisk{m: m, a: m.startAgent(), w: m.writer("weirfull")}
	dir := m.mkdir("small")
	m.mountSmall(dir, "4m")
	f.out = []string{filepath.Join(dir, "trace")}
	f.a.do("create", "full", "-o", f.out[0])
	f.a.do("enable-channel", "-k", "small", "--subbuf-size=65536", "--num-subbuf=4")
	f.a.do(append(f.a.countedRule(f.w), "-c", "small")...)
	f.a.do("start")
	f.write(5000)
	f.ballast = filepath.Join(dir, "ballast")
	m.fill(f.ballast, 3<<20)
	m.until("the disk is full", func() bool {
		f.write(2000)
		doc := f.session()
		return doc.State == agent.OutputError && strings.Contains(doc.Consumer.LastError, "no space")
	})
	m.until("the rings lose events", func() bool {
		f.write(5000)
		for _, st := range f.session().Domains[0].Channels[0].Streams {
			if st.Discarded > 0 {
				return true
			}
		}
		return false
	})
	return f
}

func (f *fullDisk) session() agent.Session {
	f.m.Helper()
	return f.a.session("full")
}

func (f *fullDisk) write(n int) {
	f.m.Helper()
	f.m.write(f.w, n)
	f.calls += n
}

func (f *fullDisk) makeRoom() {
	f.m.Helper()
	if err := os.Remove(f.ballast); err != nil {
		f.m.Fatal(err)
	}
}
