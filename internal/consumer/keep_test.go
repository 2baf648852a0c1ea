// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package consumer

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/weir-io/weir/client/relay"
	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/internal/handover"
)

// TestKeep keeps packets with what tells of which recording they are, and leaves nothing
// behind where none can be kept.
func TestKeep(t *testing.T) {
	dir := t.TempDir()
	f, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	identity := relay.Identity{Session: "s", Hostname: "h", UUID: relay.UUID{1, 2}, SessionID: 3}
	limited := &stream{cpu: 1, channel: &channel{Channel: handover.Channel{Name: "ring", TracefileBytes: 4096, TracefileCount: 2}}}
	k := &keeper{dir: f, name: "kept"}
	q := testSpool(t, 1000, 0)
	give := func() {
		t.Helper()
		if err := q.put(item{stream: limited, info: ctf.PacketInfo{Size: 80, Sequence: 4}}, make([]byte, 10)); err != nil {
			t.Fatal(err)
		}
	}
	give()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if rest, err := k.keep(ended, q, []partText{{text: []byte("text")}}, "place", &identity); rest.kept != 0 || rest.lost != 1 || err == nil {
		t.Errorf("without time: got %+v, %v; want one packet lost, and why", rest, err)
	}
	if all, err := os.ReadDir(dir); err != nil || len(all) > 0 {
		t.Errorf("without a packet, left behind: %v, %v", all, err)
	}
	give()
	rest, err := k.keep(t.Context(), q, []partText{{text: []byte("text")}}, "place", &identity)
	if rest.kept != 1 || rest.lost != 0 || err != nil {
		t.Fatalf("got %+v, %v; want one packet kept", rest, err)
	}
	path := filepath.Join(dir, rest.places[0], handover.KeptFile)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var kept handover.Kept
	var got relay.Identity
	if err := json.Unmarshal(text, &kept); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(kept.Relay, &got); err != nil || got != identity || kept.Files["ring_1"] != (handover.FileLimits{Bytes: 4096, Count: 2}) {
		t.Errorf("got %s, %v", text, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("who knows it may add to the recording: got %v, %v; want a file of its owner's alone", info.Mode(), err)
	}
}

// TestKeepParts keeps the packets of each part as a trace of its own.
func TestKeepParts(t *testing.T) {
	dir := t.TempDir()
	f, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	identity := relay.Identity{Session: "s", Hostname: "h", UUID: relay.UUID{1, 2}, SessionID: 3}
	q := testSpool(t, 1000, 0)
	var texts []partText
	for _, place := range []string{"0/64-bit", "7/64-bit"} {
		s := &stream{in: part{place: place}, channel: &channel{Channel: handover.Channel{Name: "ring"}}}
		texts = append(texts, partText{s.in, []byte(place)})
		for range 2 {
			if err := q.put(item{stream: s, info: ctf.PacketInfo{Size: 80}}, make([]byte, 10)); err != nil {
				t.Fatal(err)
			}
		}
	}
	k := &keeper{dir: f, name: "kept"}
	rest, err := k.keep(t.Context(), q, texts, "ust/uid", &identity)
	if rest.kept != 4 || rest.lost != 0 || len(rest.places) != 2 || err != nil {
		t.Fatalf("got %+v, %v; want four packets kept in two places", rest, err)
	}
	for i, place := range rest.places {
		var kept handover.Kept
		if err := json.Unmarshal(read(t, dir, place, handover.KeptFile), &kept); err != nil || kept.Place != "ust/uid/"+texts[i].place {
			t.Errorf("%s: of %q, %v; want that of part %s", place, kept.Place, err, texts[i].place)
		}
		if got := string(read(t, dir, place, "metadata")); got != texts[i].place {
			t.Errorf("%s: metadata %q, want %q", place, got, texts[i].place)
		}
	}
}
