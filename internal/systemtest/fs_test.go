// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package systemtest

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// mountFS mounts a new file system of a kind below the test's files.
func (m *machine) mountFS(kind string) string {
	m.Helper()
	dir := m.mkdir("fs-" + kind)
	if kind == "tmpfs" {
		m.run("mount", "-t", "tmpfs", "tmpfs", dir)
	} else {
		image := filepath.Join(m.dir, kind+".img")
		if err := os.WriteFile(image, nil, 0o600); err != nil {
			m.Fatal(err)
		}
		if err := os.Truncate(image, 256<<20); err != nil {
			m.Fatal(err)
		}
		m.run("mkfs."+kind, "-q", image)
		m.run("mount", "-o", "loop", image, dir)
	}
	return dir
}

// fsPaths are the paths in the events of a name, in order.
func fsPaths(text, event string) (paths []string) {
	path := regexp.MustCompile(`[{ ]path = "([^"]*)"`)
	for _, line := range statLines(text, event) {
		if found := path.FindStringSubmatch(line); found != nil {
			paths = append(paths, found[1])
		}
	}
	return paths
}

// TestFileSystemsBesideKernel streams the changes of two file systems to a relay,
// beside the kernel's events, while files change: both readers print the same, and
// each change is there once.
func TestFileSystemsBesideKernel(t *testing.T) {
	isolated(t, func(m *machine) {
		r := m.startWeir()
		a := m.startAgent()
		dirs := []string{m.mountFS("tmpfs"), m.mountFS("ext4")}
		a.do("create", "changes")
		a.do("enable-consumer", relayURL)
		a.do("enable-event", "-k", "sched_process_exit")
		for _, dir := range dirs {
			a.do("enable-event", "--fs", "CREAT,fs:MKDIR,UNLNK", "R*", "--source", dir)
		}
		a.refuse(97, "no event", "enable-event", "--fs", "NOTHING", "--source", dirs[0])
		a.do("start")
		const n = 300
		want := map[string][]string{}
		for i := range n {
			want["fs:CREAT"] = append(want["fs:CREAT"], fmt.Sprintf("/d/f%d", i))
			if i%2 == 0 {
				want["fs:UNLNK"] = append(want["fs:UNLNK"], fmt.Sprintf("/d/f%d", i))
			} else {
				want["fs:RENME"] = append(want["fs:RENME"], fmt.Sprintf("/d/e/g%d", i))
			}
		}
		want["fs:MKDIR"] = []string{"/d", "/d/e"}
		for _, dir := range dirs {
			m.run("sh", "-ec", fmt.Sprintf(`cd %s; mkdir d; mkdir d/e; i=0
while [ $i -lt %d ]; do
	: >d/f$i
	if [ $((i %% 2)) = 0 ]; then rm d/f$i; else mv d/f$i d/e/g$i; fi
	i=$((i+1))
done`, dir, n))
		}
		a.do("stop")
		a.do("destroy")
		r.stop()
		a.end()

		text, warnings := m.wantSameView(m.out)
		if warnings != "" {
			m.Errorf("readers warn:\n%s", lastLines(warnings, 10))
		}
		for _, dir := range dirs {
			var own strings.Builder
			for line := range strings.Lines(text) {
				if strings.Contains(line, fmt.Sprintf("source = %q", dir)) {
					own.WriteString(line)
				}
			}
			for event, paths := range want {
				got := fsPaths(own.String(), event)
				slices.Sort(got)
				slices.Sort(paths)
				if !slices.Equal(got, paths) {
					m.Errorf("%s: %d events %s, want %d; they begin with %.200q", dir, len(got), event, len(paths), got)
				}
			}
			// The directory is there still, unlike some of the files.
			if line := statLines(own.String(), "fs:MKDIR")[0]; !strings.Contains(line, "uid = 0, ") || !strings.Contains(line, "mode = 040") {
				m.Errorf("first event %s", line)
			}
		}
		if len(statLines(text, "sched_process_exit")) < n {
			m.Errorf("%d events of the kernel's, want %d at least", len(statLines(text, "sched_process_exit")), n)
		}
		found, err := filepath.Glob(filepath.Join(m.out, hostName, "changes-*", "fs"))
		if err != nil || len(found) != 1 {
			m.Fatalf("traces of domain fs: %v, %v", found, err)
		}
		m.wantConsecutive(found[0])
	})
}

// TestFileSystemsLive shows changes to viewers as they come.
func TestFileSystemsLive(t *testing.T) {
	isolated(t, func(m *machine) {
		r := m.startWeir()
		a := m.startAgent()
		dir := m.mountFS("tmpfs")
		a.do("create", "pulse", "--live=100000", "-U", relayURL)
		a.do("enable-event", "--fs", "-a", "--source", dir)
		a.do("start")
		m.run("mkdir", filepath.Join(dir, "first"))
		theirs, ours := m.view("pulse@begin"), m.viewWeir(liveURL("pulse"), "pulse", "--from-beginning")
		m.run("sh", "-ec", fmt.Sprintf("cd %s; for i in 1 2 3 4 5 6 7 8 9; do echo $i >f$i; done; mkdir last", dir))
		for _, v := range []*viewer{theirs, ours} {
			v.awaitLines("the last change", func(lines []string) bool {
				return slices.Contains(fsPaths(strings.Join(lines, "\n")+"\n", "fs:MKDIR"), "/last")
			})
		}
		a.do("stop")
		a.do("destroy")
		theirs.finish()
		ours.finish()
		got, _ := ours.output()
		want, _ := theirs.output()
		if !slices.Equal(got, want) {
			m.Errorf("weir view printed %d lines, babeltrace2 %d; the first that differs is %d", len(got), len(want), firstDifference(got, want))
		}
		if paths := fsPaths(strings.Join(got, "\n")+"\n", "fs:CREAT"); len(paths) != 9 {
			m.Errorf("files %q were seen, want 9", paths)
		}
		r.stop()
		a.end()
	})
}
