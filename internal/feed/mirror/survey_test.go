// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/weir-io/weir/changelog"
)

// Directories that are to be looked at are so after a restart, too, and not any more when
// they were looked at.
func TestSurveysOutliveTheProcess(t *testing.T) {
	m := newMirrored(t, "tmpfs")
	m.sh("mkdir -p d/sub e; echo 1 > d/f; echo 2 > d/sub/g; echo 3 > e/h")
	mi := m.start()
	m.equal(mi)
	// The mirror is to believe that it has none of these: no record tells of them.
	lose := func(path string) (dir changelog.FID) {
		t.Helper()
		n, _, err := mi.find(path)
		must(t, err, mi.st.set(n, changelog.FID{}), os.Remove(filepath.Join(m.target, path)))
		return n.parent
	}
	d, sub, e := lose("d/f"), lose("d/sub/g"), lose("e/h")
	mi.surveys.add(d, true)
	mi.surveys.add(e, false)
	must(t, mi.st.commit(t.Context(), mi.st.through, mi.surveys.of))
	m.stop()
	mi = m.start()
	if got := mi.surveys.of; len(got) != 2 || !got[d].deep || got[e].deep || got[sub] != nil {
		t.Errorf("directories to be looked at after a restart: got %v, want %v with what is below, and %v", got, d, e)
	}
	m.equal(mi)
	m.stop()
	if mi = m.start(); len(mi.surveys.of) > 0 {
		t.Errorf("directories to be looked at at the end: got %v, want none", mi.surveys.of)
	}
}

// Of directories that nest deeper than listings are kept open each is looked at to its end.
func TestMoreSurveysThanOpenListings(t *testing.T) {
	m := newUnwatched(t, "tmpfs")
	// Each level has more names than a step takes.
	m.sh(fmt.Sprintf("for i in 1 2 3; do mkdir d; cd d; seq %d | xargs touch; done", chunk+10))
	m.watch()
	mi := m.start()
	mi.surveys.most = 2
	most := 0
	for more := true; more || mi.unfinished(); {
		var err error
		more, err = mi.Step(t.Context(), true)
		must(t, err)
		most = max(most, mi.surveys.open)
	}
	if most != 2 || mi.surveys.open != 0 {
		t.Errorf("open listings: got %d at most and %d at the end, want 2 and none", most, mi.surveys.open)
	}
	m.equal(mi)
}

// A mirror that is killed amid a large directory, copied or removed, goes on with it.
func TestLargeDirectoryAfterKills(t *testing.T) {
	m := newUnwatched(t, "ext4")
	m.large()
	m.sh(fmt.Sprintf("mkdir -p a/large/sub; cd a/large; seq %d | xargs touch; echo 1 > sub/f", *entries))
	m.watch()
	r := rand.New(rand.NewPCG(5, 6))
	kill := func() {
		for range *kills {
			c := m.process()
			pause(t, time.Duration(50+r.IntN(300))*time.Millisecond)
			must(t, c.Process.Kill())
			if err := c.Wait(); c.ProcessState.Exited() {
				t.Fatalf("mirror ended by itself: %v", err)
			}
		}
	}
	kill()
	m.equal(m.start())
	m.stop()
	m.sh("mv a/large/sub b; mv a/large/1 c; rm -r a")
	m.resetFeed()
	kill()
	mi := m.start()
	m.equal(mi)
	if len(mi.st.staged) > 0 {
		t.Errorf("parked at the end: got %v, want nothing", mi.st.staged)
	}
}
