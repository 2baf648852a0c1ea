// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package journal

import (
	"errors"
	"strconv"
	"testing"

	"github.com/weir-io/weir/changelog"
	"github.com/weir-io/weir/internal/wait"
)

var presenceDir = changelog.FID{Seq: 2}

func presenceFID(n int) changelog.FID { return changelog.FID{Seq: 10 + uint64(n), Ver: uint32(n)} }

// putPresent commits objects and names with these numbers.
func putPresent(t *testing.T, j *source, from, to int) {
	t.Helper()
	var b Batch
	b.Reset(1)
	for n := from; n < to; n++ {
		b.PutObject(presenceFID(n), &Object{Links: 1})
		b.PutDirent(presenceDir, strconv.AppendInt(nil, int64(n), 10), presenceFID(n))
	}
	if err := j.Apply(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
}

// allPresent looks whether the first n are found, and those behind them are not.
func allPresent(t *testing.T, j *source, n int) {
	t.Helper()
	var o Object
	for i := range 2 * n {
		if found, err := j.Object(presenceFID(i), &o); err != nil || found != (i < n) {
			t.Fatalf("Object %d of %d: %v, %v", i, n, found, err)
		}
		if _, found, err := j.Dirent(presenceDir, strconv.AppendInt(nil, int64(i), 10)); err != nil || found != (i < n) {
			t.Fatalf("Dirent %d of %d: %v, %v", i, n, found, err)
		}
	}
}

func awaitPresence(t *testing.T, j *source) {
	t.Helper()
	wait.Until(t, "the presence is made", func() bool { return j.present.current.Load() != nil })
}

func TestPresenceDeniesNothingThatIsThere(t *testing.T) {
	const n = 3000
	dir := t.TempDir()
	d, j := openTest(t, dir, Options{})
	putPresent(t, j, 0, n)
	allPresent(t, j, n) // has it made
	awaitPresence(t, j)
	allPresent(t, j, n)
	denied := 0
	for i := n; i < 2*n; i++ {
		if j.lacksObject(presenceFID(i)) && j.lacksDirent(presenceDir, strconv.AppendInt(nil, int64(i), 10)) {
			denied++
		}
	}
	if denied < n*9/10 {
		t.Errorf("%d of %d that are not there are denied, want most", denied, n)
	}
	putPresent(t, j, n, 2*n)
	allPresent(t, j, 2*n)

	// It is made anew when it is full, with what was put meanwhile.
	old := j.present.current.Load()
	old.left.Store(1)
	for i := 2 * n; i < 4*n; i += 100 {
		putPresent(t, j, i, i+100)
		allPresent(t, j, i+100)
	}
	wait.Until(t, "another one is made", func() bool { return j.present.current.Load() != old })
	allPresent(t, j, 4*n)

	// What is not known to have been committed is looked up.
	j.announce(nil)
	if j.lacksObject(presenceFID(9 * n)) {
		t.Error("an object is denied without a presence")
	}
	awaitPresence(t, j)
	allPresent(t, j, 4*n)

	// Another process makes it of what is stored.
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	var o Object
	if _, err := j.Object(presenceFID(9*n), &o); !errors.Is(err, ErrClosed) {
		t.Errorf("Object of a closed store: %v, want ErrClosed", err)
	}
	_, j = openTest(t, dir, Options{})
	allPresent(t, j, 4*n)
	awaitPresence(t, j)
	allPresent(t, j, 4*n)
}

// It becomes as large as what it is made of.
func TestPresenceGrows(t *testing.T) {
	p := newPresence(0)
	for n := 0; !p.add(p.object(presenceFID(n))); n++ {
		if n > 2*presenceMin {
			t.Fatalf("not full with %d keys, want about %d", n, presenceMin)
		}
	}
	j := &source{}
	j.present.next = p
	larger := j.finishPresence(p, presenceMin)
	if larger == nil || larger != j.present.next || len(larger.words) < 2*len(p.words) {
		t.Fatalf("a full presence is followed by %+v, want a larger one", larger)
	}
	if again := j.finishPresence(larger, presenceMin); again != nil || j.present.current.Load() != larger || j.present.next != nil {
		t.Error("the larger one is not asked")
	}
	if j.finishPresence(p, presenceMin); j.present.current.Load() == p {
		t.Error("one is asked that was given up")
	}
}
