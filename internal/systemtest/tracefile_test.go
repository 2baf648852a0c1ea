// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package systemtest

import (
	"os"
	"path/filepath"
	"testing"
)

// onFirstCPU keeps an application on one CPU, so that all events go to one
// stream.
var onFirstCPU = []string{"taskset", "-c", "0"}

// A channel of limited size keeps the newest files of each stream.
func TestTraceFileRing(t *testing.T) {
	isolated(t, func(m *machine) {
		const size, count, emitted = 8192, 3, 20000
		both(m, nil, func(m *machine, out string) {
			s := m.create("ring", "--set-url="+relayURL)
			s.enable("--subbuf-size=4096", "--num-subbuf=8", "--tracefile-size=8192", "--tracefile-count=3")
			a := m.startApp(1, 20, onFirstCPU...)
			a.emit(emitted, 0)
			a.finish()
			s.stop()
			s.destroy()
			wantFiles(m, out, channel+"_0_*", count, size)
			got := m.readGaps(out)
			if len(got) == 0 || got[len(got)-1].n != emitted-1 {
				m.Errorf("the ring holds %d events, the newest %v, want it to end with %d", len(got), got[max(0, len(got)-1):], emitted-1)
			}
			m.wantEvents("ring", got, span{1, emitted - len(got), emitted})
		})
	})
}

// Without a count there are as many files as it takes. This kills the original.
func TestTraceFilesWithoutCount(t *testing.T) {
	isolated(t, func(m *machine) {
		m.startSessiond()
		w := m.startWeir()
		s := m.create("many", "--set-url="+relayURL)
		s.enable("--subbuf-size=4096", "--num-subbuf=8", "--tracefile-size=8192")
		a := m.startApp(1, 20, onFirstCPU...)
		a.emit(20000, 0)
		s.rotate()
		a.emit(2000, 0)
		a.finish()
		s.stop()
		s.destroy()
		m.wantEvents("stored", m.readTree(m.out), a.all())
		if n := len(m.files(m.out, channel+"_0_*.idx")); n < 50 {
			m.Errorf("%d index files, want one for each of more than 50 files", n)
		}
		w.stop()
	})
}

// wantFiles checks the number of data files that match a pattern and that none
// is larger than it may be.
func wantFiles(m *machine, dir, pattern string, count int, size int64) {
	m.Helper()
	var data []string
	for _, path := range m.files(dir, pattern) {
		if filepath.Ext(path) != ".idx" {
			data = append(data, path)
		}
	}
	if len(data) != count {
		m.Errorf("%s: files %v, want %d", pattern, data, count)
	}
	for _, path := range data {
		info, err := os.Stat(path)
		if err != nil {
			m.Fatal(err)
		}
		if info.Size() > size {
			m.Errorf("%s: %d bytes, want at most %d", path, info.Size(), size)
		}
	}
}
