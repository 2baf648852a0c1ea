// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"errors"
	"log/slog"
	"os/exec"
	"slices"
	"testing"
	"time"

	client "github.com/weir-io/weir/client/feed"
	"github.com/weir-io/weir/internal/feed/feedtest"
	"github.com/weir-io/weir/internal/feed/fstest"
	"github.com/weir-io/weir/internal/wait"
)

func must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// patience is how long a mirror is waited for: long, as the machine may be busy, and less
// than it takes until troubles are tried again, which are not what makes it equal.
const patience = troubleRetry / 2

// mirrored is a file system, its feed, and a directory on another that is to be equal.
type mirrored struct {
	t      *testing.T
	src    *fstest.FS
	target string
	agent  *feedtest.Agent
	api    *client.Client
	info   client.Info

	mirror *Mirror          // that was started; nil: none
	reader *client.Consumer // of it

	noXattr  bool          // the target has none
	patience time.Duration // with a mirror that is not equal
}

func newMirrored(t *testing.T, kind string) *mirrored {
	t.Helper()
	m := newUnwatched(t, kind)
	m.watch()
	return m
}

// watch makes the feed.
func (m *mirrored) watch() {
	m.t.Helper()
	m.info = m.agent.Create(client.CreateOptions{Source: m.src.Dir, Mode: client.ModeExplicit})
}

// newUnwatched is newMirrored without a feed yet.
func newUnwatched(t *testing.T, kind string) *mirrored {
	t.Helper()
	agent := feedtest.Start(t)
	m := &mirrored{t: t, src: fstest.New(t, kind), agent: agent, api: agent.API, patience: patience}
	m.target = fstest.New(t, kind).Path("copy")
	return m
}

// start opens the mirror, until it is stopped or the test ends.
func (m *mirrored) start() *Mirror {
	m.t.Helper()
	return m.startWith(m.options())
}

func (m *mirrored) startWith(o Options) *Mirror {
	m.t.Helper()
	m.t.Cleanup(m.stop) // before the target goes
	o.Feed = m.consumer()
	var err error
	m.mirror, err = Open(m.t.Context(), o)
	must(m.t, err)
	return m.mirror
}

// consumer opens the feed, until the mirror is stopped or the test ends.
func (m *mirrored) consumer() *client.Consumer {
	m.t.Helper()
	wait.Until(m.t, "the feed to be free", func() bool {
		n, err := m.api.Open(m.t.Context(), m.info.ID, client.OpenOptions{})
		if errors.Is(err, &client.Error{Code: client.CodeBusy}) {
			return false
		}
		must(m.t, err)
		m.reader = n
		return true
	})
	return m.reader
}

// stop closes what was started.
func (m *mirrored) stop() {
	m.t.Helper()
	mi, n := m.mirror, m.reader
	m.mirror, m.reader = nil, nil
	if mi != nil {
		must(m.t, mi.Close())
	}
	if n != nil {
		must(m.t, n.Close())
	}
}

func (m *mirrored) options() Options {
	return Options{
		Source: m.src.Dir, Target: m.target, UUID: m.info.Source, FeedID: m.info.ID, NoXattr: m.noXattr,
		Log: slog.New(slog.NewTextHandler(m.t.Output(), nil)),
	}
}

// equal has the mirror catch up with a source that is at rest, and compares.
func (m *mirrored) equal(mi *Mirror) {
	m.t.Helper()
	m.equalBut(mi, func(Difference) bool { return false })
}

// equalBut is equal where the target cannot have all.
func (m *mirrored) equalBut(mi *Mirror, missing func(Difference) bool) {
	m.t.Helper()
	var left []Difference
	compared := false
	batches := mi.count.batches
	m.until("the mirror to be equal", func() bool {
		must(m.t, mi.Run(m.t.Context(), true))
		if !compared || mi.count.batches != batches { // nothing else changes the target
			left = slices.DeleteFunc(m.differences(), missing)
			compared, batches = true, mi.count.batches
		}
		return len(left) == 0
	})
	if len(left) > 0 {
		m.t.Errorf("differences: %v", left[:min(len(left), 20)])
	}
}

// until has something come true as soon as the mirror may be expected to have done it, and
// fails the test if it does not.
func (m *mirrored) until(what string, done func() bool) {
	m.t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for late := time.Now().Add(m.patience); !done(); {
		if time.Now().After(late) {
			m.t.Errorf("waited %v in vain for %s", m.patience, what)
			return
		}
		<-tick.C
	}
}

func (m *mirrored) differences() []Difference {
	m.t.Helper()
	var all []Difference
	must(m.t, Compare(m.t.Context(), m.options(), func(d Difference) { all = append(all, d) }))
	return all
}

// sh changes the source, by processes that are not the agent's.
func (m *mirrored) sh(script string) {
	m.t.Helper()
	c := exec.Command("sh", "-ec", script)
	c.Dir = m.src.Dir
	if out, err := c.CombinedOutput(); err != nil {
		m.t.Fatalf("%s: %v: %s", script, err, out)
	}
}

// fails runs the mirror until it ends with an error.
func (m *mirrored) fails(mi *Mirror) (err error) {
	m.t.Helper()
	wait.Until(m.t, "the mirror to stop", func() bool {
		err = mi.Run(m.t.Context(), true)
		return err != nil
	})
	return err
}

// resetFeed has the feed skip what it has.
func (m *mirrored) resetFeed() {
	m.t.Helper()
	_, err := m.api.Reset(m.t.Context(), client.ResetRequest{Feed: m.info.ID})
	must(m.t, err)
}

// others changes the target.
func (m *mirrored) others(script string) {
	m.t.Helper()
	c := exec.Command("sh", "-ec", script)
	c.Dir = m.target
	if out, err := c.CombinedOutput(); err != nil {
		m.t.Fatalf("%s: %v: %s", script, err, out)
	}
}

// runs runs the mirror until it has read all, or fails.
func (m *mirrored) runs(mi *Mirror) (err error) {
	m.t.Helper()
	wait.Until(m.t, "the mirror to be equal or to fail", func() bool {
		err = mi.Run(m.t.Context(), true)
		return err != nil || len(m.differences()) == 0
	})
	return err
}

// treeOf is what is in a directory but for the mirror's own.
func (m *mirrored) treeOf(dir string) string {
	m.t.Helper()
	c := exec.Command("sh", "-ec", `find . -path ./.weir-mirror -prune -o -printf '%p %y %i %s\n' | sort`)
	c.Dir = dir
	out, err := c.CombinedOutput()
	must(m.t, err)
	return string(out)
}

// onto gives the mirror a target on another kind of file system.
func (m *mirrored) onto(kind string) { m.target = fstest.New(m.t, kind).Path("copy") }
