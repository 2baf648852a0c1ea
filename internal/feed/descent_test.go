// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/weir-io/weir/changelog"
	client "github.com/weir-io/weir/client/feed"
)

// await waits until the journal has a record.
func (s *stand) await(brief string) {
	s.t.Helper()
	n, err := s.m.Tail(s.t.Context(), root, client.CreateOptions{Source: s.fs.Dir})
	must(s.t, err)
	defer n.Close(context.Background(), false)
	first, _ := s.bounds()
	n.f.mu.Lock()
	n.f.cancelled, n.f.delivered = first-1, first-1
	n.f.mu.Unlock()
	for {
		records, _, err := batch(s.t.Context(), n, client.ReadOptions{Wait: -1})
		must(s.t, err)
		if slices.ContainsFunc(records, func(r *changelog.Record) bool { return briefly(r) == brief }) {
			return
		}
	}
}

func briefly(r *changelog.Record) string {
	text := r.Type.String() + " " + string(r.Path)
	if r.Edge != changelog.EdgeNone {
		text += " " + r.Edge.String()
	}
	if r.Flags&changelog.FlagSynth != 0 {
		text += " synth"
	}
	return text
}

// all reads a feed in batches of so many until there is no more.
func all(t *testing.T, n *Consumer, o client.ReadOptions) (texts []string) {
	t.Helper()
	for {
		records, r, err := batch(t.Context(), n, o)
		must(t, err)
		for _, rec := range records {
			if rec.Mark == nil {
				texts = append(texts, briefly(rec))
			}
		}
		if !r.More {
			return texts
		}
		if r.Count == 0 {
			t.Fatalf("an empty batch through %d says that there is more, after %q", r.Through, texts)
		}
	}
}

const grove = "mkdir -p in out/t/a/b out/t/c; touch out/t/f out/t/a/g out/t/a/b/h; ln out/t/f out/t/c/f2; ln -s x out/t/l; mkfifo out/t/p"

// grown is what is told of it when it has come in.
func grown(as string) []string {
	below := []string{
		"MKDIR /a", "MKDIR /a/b", "CREAT /a/b/h", "CREAT /a/g", "MKDIR /c", "CREAT /c/f2", "HLINK /f", "SLINK /l", "MKNOD /p",
	}
	for i, b := range below {
		kind, path, _ := strings.Cut(b, " ")
		below[i] = kind + " " + as + path + " synth"
	}
	return below
}

func TestDirectoryMovesOverTheEdge(t *testing.T) {
	for _, most := range []int{1, 2, 3, 1000} {
		t.Run(fmt.Sprintf("batches of %d", most), func(t *testing.T) {
			s := newStand(t, nil)
			s.sh(grove)
			s.create(client.CreateOptions{Name: "f", Source: s.fs.Path("in"), Mask: "MKDIR,CREAT,SLINK,HLINK,MKNOD,RENME,RMDIR"})
			s.sh("mv out/t in/t; mkdir in/end")
			s.await("MKDIR in/end")
			n := s.attach("f")
			want := append(append([]string{"RENME in/t in"}, grown("in/t")...), "MKDIR in/end")
			if got := all(t, n, client.ReadOptions{MaxRecords: most}); !slices.Equal(got, want) {
				t.Errorf("got  %q\nwant %q", got, want)
			}
			s.sh("mv in/t out/t2; rmdir in/end")
			s.await("RMDIR in/end")
			if got := all(t, n, client.ReadOptions{MaxRecords: most}); !slices.Equal(got, []string{"RENME  out", "RMDIR in/end"}) {
				t.Errorf("moved out: got %q", got)
			}
		})
	}
}

// TestReaderDiesBelowAMove has the move and all that is below it delivered again.
func TestReaderDiesBelowAMove(t *testing.T) {
	s := newStand(t, nil)
	s.sh(grove)
	s.create(client.CreateOptions{Name: "f", Source: s.fs.Path("in"), Mask: "MKDIR,CREAT,SLINK,HLINK,MKNOD,RENME"})
	s.sh("mv out/t in/t; mkdir in/end")
	s.await("MKDIR in/end")
	want := append(append([]string{"RENME in/t in"}, grown("in/t")...), "MKDIR in/end")
	for dies := range 6 {
		n, err := s.m.Attach(root, "f", false)
		must(t, err)
		for range dies {
			_, _, err := batch(t.Context(), n, client.ReadOptions{MaxRecords: 2})
			must(t, err)
		}
		must(t, n.Close(t.Context(), false))
	}
	n := s.attach("f")
	if got := all(t, n, client.ReadOptions{MaxRecords: 4, Keep: true}); !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	must(t, n.Rewind())
	_, _, err := batch(t.Context(), n, client.ReadOptions{MaxRecords: 4, Keep: true})
	must(t, err)
	// A cancel through the move skips what is below it.
	_, last := s.bounds()
	_, err = n.Cancel(t.Context(), last-1)
	must(t, err)
	if got := all(t, n, client.ReadOptions{Keep: true}); !slices.Equal(got, []string{"MKDIR in/end"}) {
		t.Errorf("after a cancel through the move: got %q", got)
	}
}

func TestExchangeOverTheEdge(t *testing.T) {
	s := newStand(t, nil)
	s.sh("mkdir -p in/x out/y/z; touch in/x/old")
	s.create(client.CreateOptions{Name: "f", Source: s.fs.Path("in"), Mask: "MKDIR,CREAT,RENME"})
	s.sh("mv --exchange -T in/x out/y 2>/dev/null || python3 -c \"import ctypes; exit(ctypes.CDLL(None).renameat2(-100, b'in/x', -100, b'out/y', 2))\"; mkdir in/end")
	s.await("MKDIR in/end")
	got := all(t, s.attach("f"), client.ReadOptions{})
	if want := []string{"RENME  out", "MKDIR in/x/z synth", "MKDIR in/end"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestMovesAreNotExpandedUnlessWanted(t *testing.T) {
	s := newStand(t, nil)
	s.sh(grove)
	no := false
	s.create(client.CreateOptions{Name: "no", Source: s.fs.Path("in"), ExpandMoves: &no, Mask: "MKDIR,CREAT,RENME"})
	s.create(client.CreateOptions{
		Name: "some", Source: s.fs.Path("in"), Mask: "MKDIR,CREAT,RENME",
		Filter: json.RawMessage(`{"path":["in/**","!in/t/a"],"name":["t","g","h","f2"]}`),
	})
	s.sh("mv out/t in/t; mkdir in/end")
	s.await("MKDIR in/end")
	if got := all(t, s.attach("no"), client.ReadOptions{}); !slices.Equal(got, []string{"RENME in/t in", "MKDIR in/end"}) {
		t.Errorf("not wanted: got %q", got)
	}
	if got := all(t, s.attach("some"), client.ReadOptions{}); !slices.Equal(got, []string{"RENME in/t in", "CREAT in/t/c/f2 synth"}) {
		t.Errorf("by a filter: got %q", got)
	}
}

// TestLargeDirectoryMovesIn has more below the move than one look at the index takes.
func TestLargeDirectoryMovesIn(t *testing.T) {
	s := newStand(t, nil)
	const files = 2*examineStep + 500
	s.sh(fmt.Sprintf("mkdir -p in out/t/sub; cd out/t; seq -f %%05g %d | xargs mkdir; mkdir sub/last", files))
	s.create(client.CreateOptions{Name: "f", Source: s.fs.Path("in"), Mask: "MKDIR,RENME"})
	s.sh("mv out/t in/t; mkdir in/end")
	s.await("MKDIR in/end")
	got := all(t, s.attach("f"), client.ReadOptions{MaxRecords: 700})
	if len(got) != files+4 || got[1] != "MKDIR in/t/00001 synth" || got[files+2] != "MKDIR in/t/sub/last synth" || got[files+3] != "MKDIR in/end" {
		t.Errorf("got %d records, the last of them %q, want %d", len(got), got[max(0, len(got)-3):], files+4)
	}
	sorted := slices.IsSorted(got[1 : files+1])
	if !sorted {
		t.Error("the names are not in order")
	}
}
