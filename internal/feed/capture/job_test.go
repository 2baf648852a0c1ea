// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/weir-io/weir/changelog"
	"github.com/weir-io/weir/internal/config"
	"github.com/weir-io/weir/internal/feed/fstest"
)

func TestParseJobID(t *testing.T) {
	for text, ok := range map[string]bool{
		"": true, "none": true, "comm_uid": true, "cgroup": true, "env:SLURM_JOB_ID": true, "env:_x1": true,
		"procname_uid": false, "env:": false, "env:1x": false, "env:A=B": false, "env:A B": false, "None": false,
	} {
		got, err := ParseJobID(text)
		if (err == nil) != ok || ok && text != "" && string(got) != text {
			t.Errorf("job %q: got %q, %v, want it taken: %v", text, got, err, ok)
		}
		if err != nil && !strings.Contains(err.Error(), fmt.Sprintf("%q", text)) {
			t.Errorf("job %q: got error %v, which does not name it", text, err)
		}
		// The configuration says the same, but that it has no empty one.
		c, err := config.Load("", []string{"HOME=/h"})
		must(t, err)
		c.Agent.FeedsJob = text
		err = c.Validate()
		if refused := err != nil && strings.Contains(err.Error(), "feeds_job"); refused == (ok && text != "") {
			t.Errorf("job %q in the configuration: got %v, want it taken: %v", text, err, ok)
		}
	}
	if d, err := ParseJobID(config.Default().Agent.FeedsJob); d != JobCommUID || err != nil {
		t.Errorf("default: got %q, %v, want %q", d, err, JobCommUID)
	}
}

func TestJobOfTheProcess(t *testing.T) {
	fs := fstest.New(t, "tmpfs")
	// The shell waits for its input, so that it is asked while it lives.
	touch := func(name string, env ...string) (end func()) {
		t.Helper()
		c := exec.Command("sh", "-c", ": > "+name+"; echo; read x")
		c.Dir, c.Env = fs.Dir, env
		c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 4711, Gid: 4711}}
		in, err := c.StdinPipe()
		must(t, err)
		out, err := c.StdoutPipe()
		must(t, err, c.Start())
		_, err = out.Read(make([]byte, 1))
		must(t, err)
		return func() { _, _ = in.Close(), c.Wait() }
	}
	must(t, os.Chmod(fs.Dir, 0o777), os.Chmod(filepath.Dir(fs.Dir), 0o755))
	long := strings.Repeat("x", 40)
	for _, tt := range []struct {
		job  JobID
		env  []string
		want func(p *changelog.Proc) string
	}{
		{"", nil, func(*changelog.Proc) string { return "sh.4711" }},
		{JobCommUID, nil, func(*changelog.Proc) string { return "sh.4711" }},
		{JobNone, nil, func(*changelog.Proc) string { return "" }},
		{JobCgroup, nil, func(p *changelog.Proc) string { return fmt.Sprint(p.Cgroup) }},
		{"env:JOB", []string{"XJOB=1", "JOB_=2", "JOB=a b=c", "JOB2=3"}, func(*changelog.Proc) string { return "a b=c" }},
		{"env:JOB", []string{"PATH=/bin"}, func(*changelog.Proc) string { return "" }},
		{"env:JOB", []string{"JOB="}, func(*changelog.Proc) string { return "" }},
		{"env:JOB", []string{"JOB=" + long}, func(*changelog.Proc) string { return long[:31] }},
	} {
		t.Run(fmt.Sprint(tt.job, tt.env), func(t *testing.T) {
			s := watchWith(t, Options{Dir: fs.Dir, Store: memory(t), Job: tt.job})
			end := touch("f", tt.env...)
			defer end()
			all := s.records()
			if len(all) == 0 {
				t.Fatal("got no record of a new file")
			}
			for _, r := range all {
				if want := tt.want(&r.Proc); string(r.Job) != want || (r.Job == nil) != (want == "") {
					t.Errorf("%s: got job %q, want %q", brief(&r), r.Job, want)
				}
			}
			must(t, os.Remove(fs.Path("f")))
		})
	}
}

func TestVariableOfLongEnvironment(t *testing.T) {
	environ := "A=" + strings.Repeat("JOB=x", 20_000) + "\x00JOB=right\x00B=JOB=wrong"
	if v := variable(strings.NewReader(environ), "JOB"); string(v) != "right" {
		t.Errorf("got %q, want right", v)
	}
	if v := variable(bytes.NewReader(nil), "JOB"); v != nil {
		t.Errorf("empty environment: got %q, want nothing", v)
	}
	if v := variable(strings.NewReader("JOB=end"), "JOB"); string(v) != "end" {
		t.Errorf("last variable without an end: got %q, want end", v)
	}
}

// Contents that change again within the interval are told of once; that it became
// shorter, and that it was closed, is told in any case.
func TestMtimeInterval(t *testing.T) {
	fs := fstest.New(t, "tmpfs")
	count := func(interval time.Duration) map[changelog.Type]int {
		t.Helper()
		name := fs.Path(fmt.Sprint("f", interval))
		s := watchWith(t, Options{Dir: fs.Dir, Store: memory(t), MtimeInterval: interval})
		f, err := os.Create(name)
		must(t, err)
		got := map[changelog.Type]int{}
		last := changelog.Record{}
		add := func() {
			t.Helper()
			for _, r := range s.records() {
				got[r.Type]++
				last = r
			}
		}
		for range 5 {
			_, err := f.WriteString("more")
			must(t, err)
			add()
		}
		must(t, f.Truncate(3))
		add()
		must(t, f.Close())
		add()
		if last.Type != changelog.Close || last.Attr.Size != 3 {
			t.Errorf("interval %v: last record: got %s with size %d, want that it was closed with size 3", interval, brief(&last), last.Attr.Size)
		}
		return got
	}
	for interval, want := range map[time.Duration]int{0: 5, time.Hour: 1} {
		got := count(interval)
		if got[changelog.Mtime] != want || got[changelog.Close] != 1 {
			t.Errorf("interval %v: got %d records of contents, %d of closing, want %d, 1", interval, got[changelog.Mtime], got[changelog.Close], want)
		}
		// What is in the index is of the last record: with none it was shorter then.
		if got[changelog.Trunc] != 1 {
			t.Errorf("interval %v: got %d records of truncation, want 1", interval, got[changelog.Trunc])
		}
	}
}
