// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relaytest_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weir-io/weir/internal/relay"
	"github.com/weir-io/weir/internal/relaytest"
	"github.com/weir-io/weir/internal/tracestore"
	"github.com/weir-io/weir/lttng"
)

// cage lets a relay write to a directory within a directory: what gets out of
// the inner one is found in the outer one.
func cage(t *testing.T) (outer string, change relaytest.Change) {
	t.Helper()
	outer = t.TempDir()
	return outer, below(filepath.Join(outer, "a", "out"))
}

// checkCage fails the test if a file lies outside, or if a name that was stored
// is not printable on one line.
func checkCage(t *testing.T, outer string) {
	t.Helper()
	for path := range relaytest.Tree(t, outer) {
		inside, ok := strings.CutPrefix(path, "a/out/")
		if !ok && path != "a/out/" {
			t.Errorf("%q lies outside the output directory", path)
		}
		for _, c := range []byte(inside) {
			if c < ' ' || c == 0x7f {
				t.Errorf("%q has a control character", path)
			}
		}
	}
}

// hostileNames are those that a path must not be made of, whatever they are
// the name of.
var hostileNames = []string{
	"..", "../x", "../../../../x", "a/../../x", "/", "//", "/etc/x", "a/..", "./..", ".", "..\x00x",
	"a\nb", "a\x1b[2Jb", "a\x7fb", "\t", "a\rb",
	strings.Repeat("n", 254), strings.Repeat("n", 255), strings.Repeat("n", 256), strings.Repeat("n", 300),
	strings.Repeat("d/", 120), strings.Repeat("../", 80) + "x",
	"archives", ".tmp_old_chunk", ".tmp_new_chunk", "archives/x", "index", "index/ch_0.idx", "metadata", "ch_0",
	"CON", "a b", "a:b", "-rf", "*", "\xff\xfe", "é", "a\\b",
}

// TestHostileNames uses each of them as each name that a producer sends, in all
// layouts: it is refused or stays in the output directory, and the relay goes
// on.
func TestHostileNames(t *testing.T) {
	places := map[string]func(p *relaytest.Plan, name string){
		"session":             func(p *relaytest.Plan, name string) { p.Session.Name = name },
		"host":                func(p *relaytest.Plan, name string) { p.Session.Hostname = name },
		"base":                func(p *relaytest.Plan, name string) { p.Session.BasePath = name },
		"channel":             func(p *relaytest.Plan, name string) { p.Stream.Channel = name },
		"path":                func(p *relaytest.Plan, name string) { p.Path = name },
		"chunk":               func(p *relaytest.Plan, name string) { p.Chunk.OverrideName = name },
		"legacy path":         func(p *relaytest.Plan, name string) { p.Path, p.Minor = "/h/s/"+name, 10 },
		"legacy path's host":  func(p *relaytest.Plan, name string) { p.Path, p.Minor = "/"+name+"/s/ust", 10 },
		"legacy channel":      func(p *relaytest.Plan, name string) { p.Stream.Channel, p.Minor = name, 10 },
		"legacy session":      func(p *relaytest.Plan, name string) { p.Session.Name, p.Minor = name, 10 },
		"channel with a ring": func(p *relaytest.Plan, name string) { p.Stream = ring(name) },
	}
	for place, set := range places {
		for _, change := range []relaytest.Change{nil, bySession} {
			t.Run(fmt.Sprintf("%s by session %v", place, change != nil), func(t *testing.T) {
				outer, caged := cage(t)
				changes := []relaytest.Change{caged, relaytest.Quiet}
				if change != nil {
					changes = append(changes, change)
				}
				r := relaytest.Start(t, changes...)
				for _, name := range hostileNames {
					plan := relaytest.Plan{Stream: lttng.AddStream{Channel: "ch_0"}}
					set(&plan, name)
					tryNames(t, r, plan)
				}
				r.WaitSettled()
				checkCage(t, outer)
				checkAlive(t, r)
			})
		}
	}
}

func ring(name string) lttng.AddStream {
	return lttng.AddStream{Channel: name, TracefileSize: 200, TracefileCount: 2}
}

// tryNames goes as far with the names as the relay lets it.
func tryNames(t *testing.T, r *relaytest.Relay, plan relaytest.Plan) {
	t.Helper()
	plan.Fill()
	p := r.Dial(t)
	defer p.Close()
	p.Version(lttng.Version{Major: lttng.MajorVersion, Minor: uint32(plan.Minor)})
	if p.CreateSession(plan.Session).Code != lttng.ReplyOK {
		return
	}
	if p.Minor >= lttng.MinorChunks && p.CreateChunk(plan.Chunk) != lttng.ReplyOK {
		p.WaitControlClosed()
		return
	}
	plan.Stream.Path = plan.Path
	reply := p.AddStream(plan.Stream)
	if reply.Code != lttng.ReplyOK || plan.Stream.Channel == "metadata" {
		return
	}
	before := r.Store.Counters().Packets.Load()
	for seq := range uint64(3) {
		p.Packet(lttng.DataHeader{Stream: reply.Stream, NetSeqNum: seq}, relaytest.Packet(0, seq, 200))
		r.WaitPackets(before + seq + 1)
		relaytest.MustOK(t, "SEND_INDEX", p.SendIndex(relaytest.Index(reply.Stream, 0, seq, seq, 200)))
	}
}

// A channel whose name leaves no room for that of its index is refused: what
// is acknowledged must be stored.
func TestNameWithoutRoomForItsIndex(t *testing.T) {
	for _, length := range []int{200, 250, 251, 252, 255} {
		for _, size := range []uint64{0, 200} {
			t.Run(fmt.Sprintf("%d bytes, tracefile size %d", length, size), func(t *testing.T) {
				r := relaytest.Start(t, relaytest.Quiet)
				channel := strings.Repeat("n", length)
				plan := relaytest.Plan{Path: "u", Stream: lttng.AddStream{Channel: channel, TracefileSize: size}}
				tryNames(t, r, plan)
				r.WaitSettled()
				stored, indexed := 0, 0
				for path, f := range relaytest.Tree(t, r.Output) {
					if strings.HasSuffix(path, ".idx") {
						indexed += int(f.Size-16) / 72
					} else {
						stored += int(f.Size) / 200
					}
				}
				if stored != indexed || length <= 250-2 && stored != 3 {
					t.Errorf("%d packets stored, %d of them in an index", stored, indexed)
				}
			})
		}
	}
}

// Links that somebody put into the output directory lead nowhere.
func TestLinksAreNotFollowed(t *testing.T) {
	for _, link := range []string{"h", "h/s-20010909-014640", "h/s-20010909-014640/ust"} {
		t.Run(link, func(t *testing.T) {
			outer, caged := cage(t)
			r := relaytest.Start(t, caged, relaytest.Quiet)
			target := filepath.Join(outer, "a", "target")
			for _, dir := range []string{target, filepath.Dir(filepath.Join(r.Output, link))} {
				if err := os.MkdirAll(dir, 0o755); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.Symlink(target, filepath.Join(r.Output, link)); err != nil {
				t.Fatal(err)
			}
			tryNames(t, r, relaytest.Plan{Stream: lttng.AddStream{Channel: "ch_0"}})
			r.WaitSettled()
			left, err := os.ReadDir(target)
			if err != nil || len(left) > 0 {
				t.Errorf("%d entries behind the link (error %v), want none", len(left), err)
			}
		})
	}
}

// below sets the output directory.
func below(dir string) relaytest.Change {
	return func(_ *relay.Options, s *tracestore.Options) { s.Output = dir }
}

// removeOthers removes all directories of dir but one.
func removeOthers(t testing.TB, dir, keep string) {
	t.Helper()
	all, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range all {
		if e.Name() == keep {
			continue
		}
		if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
			t.Fatal(err)
		}
	}
}
