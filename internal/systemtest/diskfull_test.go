// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package systemtest

import (
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// When the disk is full, weir drops packets and says so; connections stay. Once
// there is space again, the same session is stored on.
func TestDiskFull(t *testing.T) {
	isolated(t, func(m *machine) {
		m.mountSmall(m.mkdir("out"), "8m")
		m.startSessiond()
		w := m.startWeir()
		s := m.createLive("full", "--subbuf-size=16384", "--num-subbuf=8")
		a := m.startApp(1, 200)
		a.emit(100, 0)
		v := m.view(s.name + "@begin")
		v.await(1, 100)
		ballast := filepath.Join(m.out, "ballast")
		m.fill(ballast, 3<<20)
		a.emit(30000, 0) // about 7 MiB
		m.until("dropped packets", func() bool { return m.metric("dropped_packets") > 0 })
		s.stop() // all that was emitted has been received
		second := m.create("second", "--set-url="+relayURL+"/second")
		second.enable()
		if err := os.Remove(ballast); err != nil {
			m.Fatal(err)
		}
		s.start()
		again := a.emitted
		m.until("events that are stored again", func() bool {
			a.emit(1, 0)
			lines, _ := v.output()
			got := parseEvents(lines)
			return len(got) > 0 && got[len(got)-1].n >= again
		})
		from := a.emitted
		a.emit(2000, 0)
		a.finish()
		s.stop()
		s.destroy()
		second.destroy()
		m.wantEvents("session begun while the disk was full", m.readTree(filepath.Join(m.out, hostName, "second")), span{1, again, a.emitted})
		got := m.readGaps(s.dir(m.out))
		after := got[max(0, len(got)-2000):]
		m.wantEvents("after the disk was full", after, span{1, from, a.emitted})
		before := got[:len(got)-len(after)]
		if len(before) < 10000 || len(before) >= again {
			m.Errorf("%d events from before, want most of what fitted and not all of %d", len(before), again)
		}
		m.wantEvents("viewer", v.finish(), spansOf(got)...)
		w.stop()
	})
}

// spansOf returns events as spans.
func spansOf(events []event) []span {
	var spans []span
	for _, e := range events {
		spans = append(spans, span{e.run, e.n, e.n + 1})
	}
	return spans
}

// mountSmall mounts a file system of a few bytes.
func (m *machine) mountSmall(dir, size string) {
	m.Helper()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size="+size+",mode=0755"); err != nil {
		m.Fatal(err)
	}
	m.Cleanup(func() {
		// Lazily: what is still open must not keep the test's files from being removed.
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			m.Error(err)
		}
	})
}

// fill makes a file that takes space.
func (m *machine) fill(path string, bytes int64) {
	m.Helper()
	f, err := os.Create(path)
	if err != nil {
		m.Fatal(err)
	}
	defer f.Close()
	if err := unix.Fallocate(int(f.Fd()), 0, 0, bytes); err != nil {
		m.Fatal(err)
	}
}

// metric returns the sum of weir's metrics with a name that contains this.
func (m *machine) metric(name string) float64 {
	m.Helper()
	ctx, cancel := context.WithTimeout(m.Context(), patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://127.0.0.1:9347/metrics", nil)
	if err != nil {
		m.Fatal(err)
	}
	client := http.Client{Timeout: 5 * time.Second}
	defer client.CloseIdleConnections()
	reply, err := client.Do(request)
	if err != nil {
		m.Fatal(err)
	}
	defer reply.Body.Close()
	text, err := io.ReadAll(reply.Body)
	if err != nil || reply.StatusCode != http.StatusOK {
		m.Fatalf("metrics: status %d, %v", reply.StatusCode, err)
	}
	line := regexp.MustCompile(`(?m)^weir_\w*` + name + `\w*(?:\{.*\})? (\S+)$`)
	found := line.FindAllSubmatch(text, -1)
	if len(found) == 0 {
		m.Fatalf("no metric %s among:\n%s", name, text)
	}
	var sum float64
	for _, match := range found {
		value, err := strconv.ParseFloat(string(match[1]), 64)
		if err != nil {
			m.Fatal(err)
		}
		sum += value
	}
	return sum
}
