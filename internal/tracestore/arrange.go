// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracestore

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/weir-io/weir/lttng"
)

// nowhere is the place of a chunk that is to be deleted, or has been. No chunk
// can lie there.
const nowhere = trashPrefix

// isTemporary reports whether dir is a place of that kind for the time of a
// rotation.
func isTemporary(dir, kind string) bool {
	return dir == kind || strings.HasPrefix(dir, kind+"-")
}

// arrange moves the group's chunks to where they are to lie, as far as that is
// possible now, and lets go of those that have come to their last place. What
// failed for want of disk space is tried again with the next call.
func (g *group) arrange() {
	g.mu.Lock()
	all := g.arrangeLocked()
	err := g.passing(all)
	news := g.short && !g.told
	g.told = g.short
	var there []*chunk
	g.lying = slices.DeleteFunc(g.lying, func(c *chunk) bool {
		if c.users > 0 || c.dir != c.want {
			return false
		}
		there = append(there, c)
		return true
	})
	g.mu.Unlock()
	if news {
		g.store.log.Warn("trace chunk waits for disk space", "session_dir", g.dir, "err", all)
	}
	if err != nil {
		g.store.log.Error("trace chunk not finished", "session_dir", g.dir, "err", err)
	}
	for _, c := range there {
		c.unref()
		g.put()
	}
}

// arrangeLocked moves chunks until no move is possible. Its error is a lasting
// one, if there is one, and else that which will pass.
func (g *group) arrangeLocked() (failed error) {
	for {
		moved := false
		if isPassing(failed) {
			failed = nil
		}
		for _, c := range g.lying {
			if c.dir == c.want || g.takenLocked(c.want, c) {
				continue
			}
			err := c.goLocked()
			switch {
			case err == nil:
				moved = true
			case isPassing(err):
				failed = cmp.Or(failed, err)
			default:
				failed, c.want = err, c.dir // it stays
			}
		}
		if !moved {
			return failed
		}
	}
}

// goLocked brings a chunk to where it is to lie.
func (c *chunk) goLocked() error {
	if c.want == nowhere {
		return c.discardLocked()
	}
	return c.moveLocked(c.want)
}

// passing returns err unless that will pass: then it is counted.
func (g *group) passing(err error) error {
	if g.short = isPassing(err); g.short {
		g.store.counters.DataErrors.Add(1)
		return nil
	}
	return err
}

// takenLocked reports whether a chunk other than c lies in dir.
func (g *group) takenLocked(dir string, c *chunk) bool {
	return dir != nowhere && slices.ContainsFunc(g.lying, func(o *chunk) bool { return o != c && o.dir == dir })
}

// spokenForLocked reports whether a chunk other than c lies in dir, or is to.
func (g *group) spokenForLocked(dir string, c *chunk) bool {
	return slices.ContainsFunc(g.lying, func(o *chunk) bool { return o != c && (o.dir == dir || o.want == dir) })
}

// vacateLocked lets a closed chunk that is still in use leave the session
// directory itself: a new one must not share it.
func (g *group) vacateLocked() {
	for _, c := range g.lying {
		if c.dir == "" && c.want == "" {
			c.want = g.freeNameLocked(oldChunkDir, c.id)
		}
	}
}

// freeNameLocked returns name, or name-ID while another chunk has it.
func (g *group) freeNameLocked(name string, id lttng.ChunkID) string {
	if !g.onDisk(name) && !g.spokenForLocked(name, nil) {
		return name
	}
	return fmt.Sprintf("%s-%d", name, id)
}

// onDisk reports whether the session directory holds something of that name.
func (g *group) onDisk(name string) bool {
	_, err := g.root.Lstat(name)
	return err == nil
}

// forgetLocked takes a chunk that nobody uses off the group. What was current
// before it is so again: its producer may have gone in the middle of a
// rotation.
func (g *group) forgetLocked(c *chunk) {
	delete(g.chunks, c.id)
	if g.current != c {
		return
	}
	g.current = nil
	for _, o := range g.lying {
		if o.users > 0 && !o.closed && o.name == "" {
			g.current = o
		}
	}
}
