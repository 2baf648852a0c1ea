// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/weir-io/weir/changelog"
)

var entries = flag.Int("entries", 5000, "entries of the large directory; 1000000 take minutes")

// large gives the mirror as much time as so many entries take.
func (m *mirrored) large() { m.patience += time.Duration(*entries) * time.Millisecond }

// A directory of very many entries is copied, changed, moved and emptied.
func TestLargeDirectory(t *testing.T) {
	m := newMirrored(t, "tmpfs")
	m.large()
	m.sh(fmt.Sprintf("mkdir first; cd first; seq %d | xargs touch", *entries))
	mi := m.start()
	begun := time.Now()
	took := func(what string) {
		t.Logf("%s: %v", what, time.Since(begun).Round(time.Millisecond))
		begun = time.Now()
	}
	must(t, mi.Run(t.Context(), true))
	took("copied")
	m.equal(mi)
	took("compared")
	if got := mi.count.created; got != uint64(*entries)+1 {
		t.Errorf("first copy: got %d objects made, want %d", got, *entries+1)
	}
	for _, script := range []string{
		"mkdir d; cd d; seq %d | xargs touch",
		"mv d e; cd e; seq 1 2 %d | xargs rm; mkdir sub; seq 2 4 %[1]d | xargs mv -t sub",
		"rm -r e; seq %d >/dev/null",
		"cd first; ls -U | xargs rm; seq %d >/dev/null",
	} {
		m.sh(fmt.Sprintf(script, *entries))
		took("source: " + script)
		must(t, mi.Run(t.Context(), true))
		took("mirror")
		m.equal(mi)
		took("equal")
	}
	left, err := mi.st.childrenNow(mi.src.topFID(), 10)
	if must(t, err); len(left) != 1 || len(mi.st.staged) > 0 {
		t.Errorf("at the end: got %v in the state, %d parked, want the first directory alone", left, len(mi.st.staged))
	}
}

// A large directory is copied in steps: what was told is bounded, and a mirror that is
// interrupted between, or killed, goes on from there.
func TestLargeDirectoryInSteps(t *testing.T) {
	m := newUnwatched(t, "tmpfs")
	m.large()
	m.sh(fmt.Sprintf("mkdir -p a/large; cd a/large; seq %d | xargs touch; mkdir sub; touch sub/f", *entries))
	m.watch()
	o := m.options()
	total := uint64(*entries + 4)
	var made uint64
	interrupted := 0
	for made < total {
		ctx, cancel := context.WithCancel(t.Context())
		var before Progress
		o.Progress = func(p Progress) {
			if n := p.Created - before.Created; n > chunk+10 {
				t.Errorf("objects made in one step: got %d, want %d at most", n, chunk+10)
			}
			before = p
			if p.Directories > 0 && p.Created >= chunk/2 {
				interrupted++
				cancel()
			}
		}
		mi := m.startWith(o)
		if err := mi.Run(ctx, true); err != nil && ctx.Err() == nil {
			t.Fatal(err)
		}
		cancel()
		if mi.count.created == 0 {
			d := m.differences()
			t.Fatalf("mirror that was interrupted after %d objects of %d: it made no further ones: %d differences, %v", made, total, len(d), d[:min(10, len(d))])
		}
		made += mi.count.created
		if most := chunk * 2; len(mi.st.intents)+len(mi.st.names) > most {
			t.Errorf("names under way: got %d, want %d at most", len(mi.st.intents)+len(mi.st.names), most)
		}
		m.stop()
	}
	if made != total || interrupted == 0 {
		t.Errorf("interrupted %d times: got %d objects made, want %d in all: none twice", interrupted, made, total)
	}
	o.Progress = nil
	mi := m.startWith(o)
	m.equal(mi)
}

// A directory that goes away with all that is in it, where records do not tell of each
// name, is removed in steps, too. What of it lives on elsewhere is not made again.
func TestLargeDirectoryThatGoesAway(t *testing.T) {
	m := newMirrored(t, "tmpfs")
	m.large()
	m.sh(fmt.Sprintf("mkdir -p d/e d/f; cd d/e; seq %d | xargs touch; touch keep; cd ../f; mkdir -p x/y; touch x/y/z", *entries))
	mi := m.start()
	m.equal(mi)
	m.stop()
	kept, err := os.Stat(filepath.Join(m.target, "d/e/keep"))
	must(t, err)
	m.sh("mv d/e/keep k; mv d/f/x x; rm -r d")
	m.resetFeed()
	mi = m.start()
	steps := 0
	for more := true; more || mi.unfinished(); steps++ {
		more, err = mi.Step(t.Context(), true)
		must(t, err)
		if under := len(mi.st.intents) + len(mi.st.names) + len(mi.st.staged); under > 2*chunk {
			t.Fatalf("step %d: got %d names under way, want %d at most", steps, under, 2*chunk)
		}
		if steps == 3 { // in the middle
			m.stop()
			mi = m.start()
		}
	}
	m.equal(mi)
	if steps < *entries/chunk || len(mi.st.staged) > 0 {
		t.Errorf("got %d steps for %d names, %d parked, want %d steps at least and nothing parked", steps, *entries, len(mi.st.staged), *entries/chunk)
	}
	t.Logf("%d steps", steps)
	if now, err := os.Stat(filepath.Join(m.target, "k")); err != nil || !os.SameFile(kept, now) {
		t.Errorf("file that was moved out of the directory: it was made again (%v)", err)
	}
}

// What a mirror needs of memory does not depend on how large a directory is.
func TestLargeDirectoryTakesBoundedMemory(t *testing.T) {
	m := newUnwatched(t, "tmpfs")
	m.large()
	m.sh(fmt.Sprintf("mkdir large; cd large; seq %d | xargs touch", *entries))
	m.watch()
	c := m.process()
	m.until("all to be copied", func() bool {
		s, err := ReadStatus(m.target)
		return err == nil && s.Progress.Created == uint64(*entries)+1 && s.Progress.Directories == 0
	})
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.Process.Pid))
	must(t, err)
	found := regexp.MustCompile(`VmHWM:\s*(\d+) kB`).FindSubmatch(status)
	if found == nil {
		t.Fatalf("no VmHWM in %s", status)
	}
	kB, err := strconv.Atoi(string(found[1]))
	must(t, err)
	t.Logf("%d entries: %d MiB at most", *entries, kB>>10)
	most := 250
	if underRaceDetector() {
		most = 600 // of which the detector takes what it wants: from 100 to 270 for any number
	}
	if kB>>10 > most {
		t.Errorf("memory for %d entries: got %d MiB, want %d at most", *entries, kB>>10, most)
	}
	must(t, c.Process.Kill())
	_ = c.Wait()
	t.Logf("processor time: %v, of which %v for the kernel", c.ProcessState.UserTime()+c.ProcessState.SystemTime(), c.ProcessState.SystemTime())
	mi := m.start()
	m.equal(mi)
}

// underRaceDetector reports whether the test's program has the race detector in it.
func underRaceDetector() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}

// Others remove a large directory from the target, or all that is in it: what is under way to
// put that right is bounded, whether the mirror comes upon it or is told to repair it, and
// what has names elsewhere is kept.
func TestLargeDirectoryThatOthersRemove(t *testing.T) {
	for _, tt := range []struct {
		what, remove string
		repaired     bool // else the mirror takes it over
	}{
		{"all of it, taken over", "rm -r d", false},
		{"all of it, repaired", "rm -r d", true},
		{"what is in it, repaired", "ls -U d | sed s,^,d/, | xargs rm -r", true},
	} {
		t.Run(tt.what, func(t *testing.T) {
			m := newMirrored(t, "tmpfs")
			m.large()
			m.sh(fmt.Sprintf("mkdir -p d/e k; cd d/e; seq %d | xargs touch; mkdir sub; touch sub/x; ln sub/x y; ln y ../../k/z; cd ..; seq %[1]d | xargs touch", *entries))
			mi := m.start()
			m.equal(mi)
			kept, err := os.Stat(filepath.Join(m.target, "k/z"))
			must(t, err)
			m.stop()
			m.others(tt.remove)
			o := m.options()
			o.TakeOver = true
			mi = m.startWith(o)
			if tt.repaired {
				must(t, mi.Repair(t.Context(), m.differences()))
			} else {
				before := len(mi.st.names)
				must(t, mi.st.intend(t.Context(), []name{{mi.src.topFID(), "d"}}))
				left, err := mi.recover(t.Context())
				must(t, err)
				if got := len(mi.st.names) + len(mi.st.copies) - before; got > 10 {
					t.Errorf("names and objects under way for a directory that others have removed: got %d, want some at most", got)
				}
				mi.left = left
			}
			m.equal(mi)
			if now, err := os.Stat(filepath.Join(m.target, "k/z")); err != nil || !os.SameFile(kept, now) {
				t.Errorf("file with a name elsewhere: it was made again (%v)", err)
			}
		})
	}
}

// A mirror that is killed while it forgets what others have removed goes on with the rest.
func TestForgettingThatIsCutShort(t *testing.T) {
	m := newMirrored(t, "tmpfs")
	m.sh(fmt.Sprintf("mkdir -p d/e; cd d/e; seq %d | xargs touch; cd ..; seq %[1]d | xargs touch", 2*chunk))
	mi := m.start()
	m.equal(mi)
	m.others("rm -r d")
	must(t, mi.st.intend(t.Context(), []name{{mi.src.topFID(), "d"}}))
	d, err := mi.src.lookUp(name{mi.src.topFID(), "d"})
	must(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	g := &forgetting{state: mi.st, taken: map[changelog.FID]int{}}
	g.batch.Reset(mi.st.next())
	names, err := mi.st.childrenAfter(d, "", chunk)
	must(t, err)
	for _, n := range names { // the first part is committed with the last of these
		must(t, g.forgetOld(ctx, name{d, n}))
	}
	cancel()
	m.stop()
	left, err := openState(filepath.Join(m.target, ownDir))
	must(t, err)
	some, err := left.childrenAfter(d, "", 2*chunk)
	must(t, err, left.close())
	if len(some) == 0 || len(some) >= 2*chunk {
		t.Errorf("names of a directory that is being forgotten: got %d, want a part", len(some))
	}
	o := m.options()
	o.TakeOver = true
	m.equal(m.startWith(o))
}
