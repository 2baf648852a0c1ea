// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/weir-io/weir/client/agent"
	"github.com/weir-io/weir/internal/handover"
	"github.com/weir-io/weir/internal/peer"
)

// chunks are the directories of the chunks that are rotated away, and of the current one.
func (h *host) chunks() []string {
	h.Helper()
	found, err := filepath.Glob(filepath.Join(h.dir, "trace", archivesDir, "*", "*", "metadata"))
	h.must(err)
	current, err := filepath.Glob(filepath.Join(h.dir, "trace", "*", "metadata"))
	h.must(err)
	return append(found, current...)
}

// TestRotationHalfWay has something in the place of the archives: the consumer goes on in
// the next chunk, which is told, and the next rotation, or the end of the session, puts
// both where they belong.
func TestRotationHalfWay(t *testing.T) {
	for how, finish := range map[string]func(h *host) (chunks int){
		"rotation": func(h *host) int {
			done, err := h.daemon.Rotate(t.Context(), h.by, sessionName, true)
			h.must(err)
			if len(done.Names) != 2 {
				t.Errorf("chunks %q, want that of the last rotation too", done.Names)
			}
			if doc := h.session(); len(doc.Warnings) != 0 || doc.Chunks != 2 {
				t.Errorf("%d chunks, warnings %q", doc.Chunks, doc.Warnings)
			}
			return 3
		},
		"end": func(h *host) int {
			_, err := h.daemon.Destroy(t.Context(), h.by, sessionName, true)
			h.must(err)
			return 2
		},
	} {
		h := newHost(t)
		h.begin(h.place("trace"))
		h.emit()
		h.until("the event is recorded", func() bool { return h.recorded() == 1 })
		archives := filepath.Join(h.dir, "trace", archivesDir)
		h.must(os.WriteFile(archives, nil, 0o600))
		_, err := h.daemon.Rotate(t.Context(), h.by, sessionName, true)
		if err == nil || !strings.Contains(err.Error(), "the next rotation does what is left") {
			t.Errorf("%s: got %v, want that the rotation is not complete", how, err)
		}
		if doc := h.session(); len(doc.Warnings) != 1 || !strings.Contains(doc.Warnings[0], "chunk 0 is not at its place") || doc.Chunks != 1 {
			t.Errorf("%s: %d chunks, warnings %q, want that of a rotation", how, doc.Chunks, doc.Warnings)
		}
		if _, err := h.daemon.Rotate(t.Context(), h.by, sessionName, true); err == nil {
			t.Errorf("%s: rotated where that cannot be", how)
		}
		h.emit()
		h.must(os.Remove(archives))
		want := finish(h)
		if got := h.chunks(); len(got) != want {
			t.Errorf("%s: chunks %q, want %d", how, got, want)
		}
		if left, err := os.Stat(filepath.Join(h.dir, "trace", nextDir)); err == nil {
			t.Errorf("%s: %s is left", how, left.Name())
		}
	}
}

// TestRotationOfWhatIsGone rotates a session whose directory somebody has removed: what
// comes later is recorded.
func TestRotationOfWhatIsGone(t *testing.T) {
	h := newHost(t)
	h.begin(h.place("trace"))
	h.must(os.RemoveAll(filepath.Join(h.dir, "trace")))
	_, err := h.daemon.Rotate(t.Context(), h.by, sessionName, true)
	h.must(err)
	h.emit()
	h.stop()
	if got := h.chunks(); len(got) != 1 {
		t.Errorf("chunks %q, want the current one", got)
	}
	if doc := h.session(); doc.State != agent.Inactive || len(doc.Warnings) != 0 {
		t.Errorf("session is %s, warnings %q", doc.State, doc.Warnings)
	}
}

// TestRotationOnFullDisk rotates where there is room for the directories, but not for what
// the consumer needs there: it goes on where it is, and nothing is left of the attempt.
func TestRotationOnFullDisk(t *testing.T) {
	peer.Root(t, "to mount file systems")
	h := newHost(t)
	disk := filepath.Join(h.dir, "disk")
	h.must(os.Mkdir(disk, 0o755))
	h.must(syscall.Mount("tmpfs", disk, "tmpfs", 0, "nr_inodes=100"))
	t.Cleanup(func() { h.must(syscall.Unmount(disk, syscall.MNT_DETACH)) })
	h.begin(h.place("disk/trace"))
	h.emit()
	h.until("the event is recorded", func() bool { return h.recorded() == 1 })
	filler := filepath.Join(disk, "filler")
	h.must(os.Mkdir(filler, 0o755))
	var files []string
	for {
		name := filepath.Join(filler, strconv.Itoa(len(files)))
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			break
		}
		files = append(files, name)
	}
	for _, name := range files[:2] { // of the next chunk, and what leads there
		h.must(os.Remove(name))
	}
	_, err := h.daemon.Rotate(t.Context(), h.by, sessionName, true)
	if err == nil || !strings.Contains(err.Error(), "no space left") {
		t.Errorf("got %v, want that there is no room", err)
	}
	if left, err := os.Stat(filepath.Join(disk, "trace", nextDir)); err == nil {
		t.Errorf("%s is left", left.Name())
	}
	if doc := h.session(); len(doc.Warnings) != 0 || doc.Chunks != 0 {
		t.Errorf("%d chunks, warnings %q", doc.Chunks, doc.Warnings)
	}
	h.must(os.RemoveAll(filler))
	_, err = h.daemon.Rotate(t.Context(), h.by, sessionName, true)
	h.must(err)
	if doc := h.session(); doc.Chunks != 1 {
		t.Errorf("%d chunks, want 1", doc.Chunks)
	}
}

// TestRotationUnheard has a consumer go on in the next chunk without the daemon hearing
// that, as where it takes too long: what it writes there becomes a chunk.
func TestRotationUnheard(t *testing.T) {
	for how, finish := range map[string]func(h *host) (chunks int){
		"rotation": func(h *host) int {
			done, err := h.daemon.Rotate(t.Context(), h.by, sessionName, true)
			h.must(err)
			if len(done.Names) != 2 {
				t.Errorf("chunks %q, want that nobody has heard of too", done.Names)
			}
			return 3
		},
		"end": func(h *host) int {
			_, err := h.daemon.Destroy(t.Context(), h.by, sessionName, true)
			h.must(err)
			return 2
		},
		"death": func(h *host) int {
			pid := h.pid()
			h.kill()
			h.until("there is another process", func() bool { now := h.pid(); return now != 0 && now != pid })
			h.stop()
			return 3
		},
	} {
		h := newHost(t)
		h.begin(h.place("trace"))
		h.emit()
		h.until("the event is recorded", func() bool { return h.recorded() == 1 })
		h.must(h.daemon.with(h.by, sessionName, func(s *Session) error {
			m := s.domains[0]
			dir, err := m.local.next()
			h.must(err)
			defer dir.Close()
			return m.proc.Call(t.Context(), handover.OpRotate, handover.Rotate{Chunk: handover.Chunk{ID: 1, Begin: time.Now()}}, nil, dir)
		}))
		h.emit()
		h.until("the event is recorded", func() bool { return h.recorded() == 2 })
		want := finish(h)
		if got := h.chunks(); len(got) != want {
			t.Errorf("%s: chunks %q, want %d", how, got, want)
		}
		if left, err := os.Stat(filepath.Join(h.dir, "trace", nextDir)); err == nil {
			t.Errorf("%s: %s is left", how, left.Name())
		}
	}
}

// TestClearLeftBehind has a domain that a clear did not reach: a rotation keeps what was
// recorded there since, another clear drops it.
func TestClearLeftBehind(t *testing.T) {
	for _, clear := range []bool{false, true} {
		h := newHost(t)
		h.begin(h.place("trace"))
		h.must(h.daemon.with(h.by, sessionName, func(s *Session) error {
			now := time.Now()
			s.domains[0].behind = &boundary{op: handover.OpClear, id: s.chunk, end: now, archive: chunkName(now, now, s.chunk)}
			s.chunk++
			return nil
		}))
		h.emit()
		h.until("the event is recorded", func() bool { return h.recorded() == 1 })
		again, want := h.daemon.Clear, 1
		if !clear {
			again = func(ctx context.Context, by Caller, name string) (agent.Done, error) {
				return h.daemon.Rotate(ctx, by, name, true)
			}
			want = 3
		}
		_, err := again(t.Context(), h.by, sessionName)
		h.must(err)
		if got := h.chunks(); len(got) != want {
			t.Errorf("clear: %t: chunks %q, want %d", clear, got, want)
		}
		if doc := h.session(); len(doc.Warnings) != 0 {
			t.Errorf("clear: %t: warnings %q", clear, doc.Warnings)
		}
	}
}

// TestRotatedOnceStopped rotates a session that is stopped: once, as nothing more comes
// until it is started. At its end there is no chunk without anything.
func TestRotatedOnceStopped(t *testing.T) {
	h := newHost(t)
	h.begin(h.place("trace"))
	h.emit()
	h.until("the event is recorded", func() bool { return h.recorded() == 1 })
	rotate := func(want agent.Code) {
		t.Helper()
		for _, wait := range []bool{true, false} {
			_, err := h.daemon.Rotate(t.Context(), h.by, sessionName, wait)
			if p, _ := errors.AsType[*agent.Problem](err); p == nil || p.Code != want {
				t.Errorf("rotate, wait %v: got %v, want code %d", wait, err, want)
			}
		}
	}
	for range 2 {
		h.stop()
		_, err := h.daemon.Rotate(t.Context(), h.by, sessionName, true)
		h.must(err)
		rotate(agent.CodeRotatedSinceStop)
		h.start()
	}
	h.stop()
	_, err := h.daemon.Clear(t.Context(), h.by, sessionName)
	h.must(err)
	rotate(agent.CodeRotatedSinceStop)
	done, err := h.daemon.Destroy(t.Context(), h.by, sessionName, true)
	h.must(err)
	if got := h.chunks(); len(got) != 2 || len(done.Names) != 0 {
		t.Errorf("chunks %q, told of %q; want the two that were rotated", got, done.Names)
	}
}
