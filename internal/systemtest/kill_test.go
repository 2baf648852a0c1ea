// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package systemtest

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/weir-io/weir/ctf"
)

// killMoments are how much has been stored when weir is killed, in bytes.
var killMoments = []int64{100_000, 3_000_000, 20_000_000}

// A killed weir leaves traces that babeltrace2 reads to the last complete
// packet: its guard cuts off what lies behind.
func TestKill(t *testing.T) {
	isolated(t, func(m *machine) {
		m.startSessiond()
		m.wantWorking("before")
		for i, moment := range killMoments {
			w := m.startWeir()
			guards := m.guards()
			a := m.load(fmt.Sprintf("kill%d", i), "--live="+liveTimer, "--set-url="+relayURL)
			a.awaitStored(1, moment)
			w.kill()
			m.untilGone(guards[0])
			a.abandon()
			m.wantIntact(m.out)
		}
		m.wantWorking("after")
		m.wantIntact(m.out)
	})
}

// When the guard is killed as well, the next start does its work.
func TestKillWithGuard(t *testing.T) {
	isolated(t, func(m *machine) {
		m.startSessiond()
		m.wantWorking("before")
		for i, moment := range killMoments {
			w := m.startWeir()
			guard := m.guards()[0]
			if err := syscall.Kill(guard, syscall.SIGKILL); err != nil {
				m.Fatal(err)
			}
			m.untilGone(guard)
			a := m.load(fmt.Sprintf("kill%d", i), "--live="+liveTimer, "--set-url="+relayURL)
			a.awaitStored(1, moment)
			w.kill()
			a.abandon()
			w = m.startWeir()
			m.wantIntact(m.out)
			w.stop()
		}
		m.wantWorking("after")
		m.wantIntact(m.out)
	})
}

// A kill in the middle of a rotation leaves all chunks readable, also those
// whose metadata the producer had not sent again. (During the first one it may
// not have sent any.)
func TestKillWhileRotating(t *testing.T) {
	for _, rotations := range []int{2, 3, 4} {
		t.Run(strconv.Itoa(rotations), func(t *testing.T) {
			isolated(t, func(m *machine) { killWhileRotating(m, rotations) })
		})
	}
}

func killWhileRotating(m *machine, rotations int) {
	m.Helper()
	m.startSessiond()
	m.wantWorking("before")
	w := m.startWeir()
	guards := m.guards()
	a := m.load("turning", "--set-url="+relayURL)
	a.awaitStored(0, 1)
	for range rotations - 1 {
		a.session.rotate()
	}
	turning := m.start("sh", "-c", "while lttng rotate turning; do :; done")
	m.until("directory of a rotation", func() bool {
		found, err := filepath.Glob(filepath.Join(a.session.dir(m.out), ".tmp_*"))
		return err == nil && len(found) > 0
	})
	w.kill()
	m.untilGone(guards[0])
	turning.kill()
	a.app.kill()
	m.wantIntact(m.out)
	// The consumer of 2.13 does not always survive the loss of a relay here.
	m.killLTTng()
	m.startSessiond()
	m.wantWorking("after")
	m.wantIntact(m.out)
}

// When lttng stop returns, the relay has promised that nothing is pending. A
// kill at that moment takes nothing away.
func TestKillAfterStop(t *testing.T) {
	isolated(t, func(m *machine) {
		m.startSessiond()
		var spans []span
		for run := range 3 {
			w := m.startWeir()
			guards := m.guards()
			s := m.create(fmt.Sprintf("stopped%d", run), "--set-url="+relayURL)
			s.enable("--subbuf-size=65536", "--num-subbuf=8")
			a := m.startApp(run, 100)
			a.emit(10000, 0)
			a.finish()
			s.stop()
			w.kill()
			m.untilGone(guards[0])
			m.try("lttng", "destroy", "--no-wait", s.name) // whatever it says of a lost relay
			spans = append(spans, a.all())
			m.wantEvents("stored", m.readTree(m.out), spans...)
		}
	})
}

// A trace whose metadata had not come when weir was killed cannot be read. It
// does not keep babeltrace2 from reading what lies beside it.
func TestKillBeforeMetadata(t *testing.T) {
	isolated(t, func(m *machine) {
		m.startSessiond()
		m.wantWorking("before")
		w := m.startWeir()
		guards := m.guards()
		a := m.load("kill", "--set-url="+relayURL)
		a.awaitStored(0, 1)
		w.kill()
		m.untilGone(guards[0])
		a.abandon()
		out, errs, code := m.try("babeltrace2", m.out, "-c", "sink.utils.counter")
		if code != 0 {
			m.Fatalf("babeltrace2: exit code %d\n%s", code, lastLines(errs, 20))
		}
		if got := m.totals(out); got.events < 5000 {
			m.Errorf("babeltrace2 reads %d events, want the 5000 of the session before", got.events)
		}
	})
}

// load is a session of an application that emits without pause, in the hope
// that the relay is in the middle of something whenever it is killed.
type load struct {
	session *session
	app     *app
}

// load starts one, with arguments of lttng create. Producers keep the
// first metadata back until a rotation or the end, except in live sessions.
func (m *machine) load(name string, args ...string) *load {
	m.Helper()
	s := m.create(name, args...)
	s.enable("--subbuf-size=65536", "--num-subbuf=8")
	l := &load{s, m.startApp(1, 1000)}
	l.app.tell(10_000_000, 0)
	return l
}

// awaitStored waits until so many bytes of metadata and of packets are stored.
func (l *load) awaitStored(metadata, packets int64) {
	m := l.session.m
	m.Helper()
	m.until(fmt.Sprintf("%d bytes of metadata, %d of packets", metadata, packets), func() bool {
		trace := filepath.Join(l.session.dir(m.out), "ust", "uid", "0", "64-bit")
		return m.size(trace, "metadata") >= metadata && m.size(trace, channel+"_*") >= packets
	})
}

// size returns the bytes of the files in a directory that match a pattern.
func (m *machine) size(dir, pattern string) int64 {
	m.Helper()
	found, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil {
		m.Fatal(err)
	}
	var sum int64
	for _, path := range found {
		if info, err := os.Stat(path); err == nil { // or moved meanwhile
			sum += info.Size()
		}
	}
	return sum
}

// abandon ends what the loss of the relay has left behind.
func (l *load) abandon() {
	l.app.kill()                                                     // it waits for space that nobody makes
	l.session.m.try("lttng", "destroy", "--no-wait", l.session.name) // whatever it says of a lost relay
}

// wantIntact checks that babeltrace2 reads a tree without error, and no fewer
// packets than were acknowledged: those with an index record. A packet may be
// whole without one, which babeltrace2 mentions.
func (m *machine) wantIntact(dir string) {
	m.Helper()
	if got := m.readLeft(dir); got.events == 0 {
		m.Errorf("babeltrace2 reads nothing of %s", dir)
	}
	acknowledged := make(map[string]int) // by directory of the trace
	for _, path := range m.files(dir, "*.idx") {
		acknowledged[filepath.Dir(filepath.Dir(path))] += m.checkIndex(path)
	}
	// Each by itself: what several chunks hold of one packet, babeltrace2 counts
	// once when it reads them together.
	for trace, packets := range acknowledged {
		if got := m.readLeft(trace); got.packets < packets {
			m.Errorf("babeltrace2 reads %d packets of %s, want at least the %d that have an index", got.packets, trace, packets)
		}
	}
}

// readLeft lets babeltrace2 count what a kill has left below a directory.
func (m *machine) readLeft(dir string) totals {
	m.Helper()
	out, errs, code := m.try("babeltrace2", dir, "-c", "sink.utils.counter")
	if code != 0 {
		m.Errorf("babeltrace2 %s: exit code %d\n%s", dir, code, lastLines(errs, 10))
		for _, path := range m.files(dir, "metadata") {
			trace := filepath.Dir(path)
			m.Logf("%s: %d bytes of metadata, %d of packets", trace, m.size(trace, "metadata"), m.size(trace, channel+"_*"))
		}
		return totals{}
	}
	for line := range strings.Lines(errs) {
		if !partIndex.MatchString(line) {
			m.Errorf("babeltrace2 %s: %s", dir, line)
		}
	}
	return m.totals(out)
}

// partIndex is how babeltrace2 says that it looks for packets itself.
var partIndex = regexp.MustCompile(`Invalid LTTng trace index file`)

// checkIndex reads an index file, which must be whole and describe packets that
// are in its data file, one behind the other. It returns their number.
func (m *machine) checkIndex(path string) int {
	m.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		m.Fatal(err)
	}
	if len(b) == 0 {
		return 0 // made and not yet written to
	}
	h, err := ctf.ParseIndexHeader(b)
	if err != nil {
		m.Errorf("%s: %v", path, err)
		return 0
	}
	var n int
	var end uint64
	for b = b[ctf.IndexHeaderLen:]; len(b) > 0; n++ {
		e, err := ctf.ParseIndexEntry(b, h.RecordLen)
		if err != nil {
			m.Errorf("%s: record %d: %v", path, n, err)
			return n
		}
		if e.Offset != end {
			m.Errorf("%s: record %d begins at %d, want %d", path, n, e.Offset, end)
		}
		end = e.Offset + e.PacketSize/8
		b = b[h.RecordLen:]
	}
	data := filepath.Join(filepath.Dir(filepath.Dir(path)), strings.TrimSuffix(filepath.Base(path), ".idx"))
	info, err := os.Stat(data)
	if err != nil {
		m.Fatal(err)
	}
	if info.Size() < int64(end) {
		m.Errorf("%s: %d bytes, want %d at least: the index has %d packets", data, info.Size(), end, n)
	}
	return n
}

// wantWorking checks that a new start records a new session completely.
func (m *machine) wantWorking(name string) {
	m.Helper()
	w := m.startWeir()
	s := m.create(name, "--set-url="+relayURL+"/"+name)
	s.enable()
	a := m.startApp(77, 20)
	a.emit(5000, 0)
	a.finish()
	s.destroy()
	m.wantEvents(name, m.readTree(filepath.Join(m.out, hostName, name)), a.all())
	w.stop()
}
