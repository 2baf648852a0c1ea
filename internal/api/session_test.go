// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package api

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/weir-io/weir/client"
	"github.com/weir-io/weir/internal/tracestore"
)

func TestListSessions(t *testing.T) {
	broken := client.MetadataError{Producer: "1", Trace: "ust/uid/0/64-bit", Message: "broken", Line: 2, Column: 3, Got: "x", Want: "y"}
	f := newFixture(t, func(o *Options) {
		o.MetadataErrors = func(ss *tracestore.Session) []client.MetadataError {
			if ss.Request().Name != "c" {
				t.Errorf("asked for %s", ss.Request().Name)
			}
			return []client.MetadataError{broken}
		}
	})
	f.trace("vm/a-20261120-080000")
	f.trace("other/b-20261120-090000")
	ss, st := f.open("c")
	f.packet(st, 0)
	tests := []struct{ query, want string }{
		{"", "c b a"},
		{"?host=vm", "c a"},
		{"?name=b", "b"},
		{"?state=active", "c"},
		{"?state=closed", "b a"},
		{"?host=vm&state=closed", "a"},
		{"?host=nobody", ""},
		{"?limit=1", "c +"},
		{"?limit=3", "c b a"},
	}
	for _, tt := range tests {
		page := get[client.Page[client.Session]](f, "/api/v1/sessions"+tt.query)
		var got []string
		for _, s := range page.Items {
			got = append(got, s.Name)
		}
		if page.Next != "" {
			got = append(got, "+")
		}
		if got := strings.Join(got, " "); got != tt.want {
			t.Errorf("sessions%s = %s, want %s", tt.query, got, tt.want)
		}
	}
	got := get[client.Session](f, "/api/v1/sessions/"+f.id("c"))
	want := client.Session{
		ID: got.ID, Name: "c", Host: "vm", State: client.Active, Live: true, Directory: ss.Dir(), Created: f.clock,
		Stored:    client.Stored{Bytes: got.Stored.Bytes, Files: 3, Chunks: 1},
		Received:  &client.Received{Streams: 2, Packets: 1, Bytes: 100, DiscardedEvents: 9},
		Producers: []client.Peer{{ID: "1", Address: "127.0.0.1", Protocol: "2.11", LiveTimer: 1000000, Connected: f.clock}},
		Viewers:   2, MetadataErrors: []client.MetadataError{broken},
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(client.Session{}, "Modified")); diff != "" || got.Stored.Bytes <= 100 {
		t.Errorf("session (-want +got), %d bytes:\n%s", got.Stored.Bytes, diff)
	}
	closed := get[client.Session](f, "/api/v1/sessions/"+f.id("a"))
	if closed.State != client.Closed || closed.Received != nil || closed.Stored != (client.Stored{Bytes: 14, Files: 3, Chunks: 1}) ||
		!closed.Created.Equal(time.Date(2026, 11, 20, 8, 0, 0, 0, time.UTC)) {
		t.Errorf("closed session = %+v", closed)
	}
}

// Every item appears once although others come and go between the parts.
func TestPages(t *testing.T) {
	f := newFixture(t, nil)
	name := func(i int) string { return fmt.Sprintf("s%02d", i) }
	dir := func(i int) string { return fmt.Sprintf("vm/%s-20261120-08%02d00", name(i), i%60) }
	for i := range 23 {
		f.trace(dir(i))
	}
	seen := map[string]int{}
	query := url.Values{"limit": {"5"}}
	parts := 0
	for {
		page := get[client.Page[client.Session]](f, "/api/v1/sessions?"+query.Encode())
		parts++
		if parts == 2 { // one that was shown, one that was not, one that is new
			for _, i := range []int{22, 2} {
				if err := os.RemoveAll(filepath.Join(f.out, dir(i))); err != nil {
					t.Fatal(err)
				}
			}
			f.trace(dir(30))
		}
		f.clock = f.clock.Add(time.Minute) // lists may be a second old
		for _, s := range page.Items {
			seen[s.Name]++
		}
		if page.Next == "" {
			break
		}
		if len(page.Items) != 5 {
			t.Fatalf("part %d has %d items, want 5", parts, len(page.Items))
		}
		query.Set("cursor", page.Next)
	}
	for i := range 23 {
		want := 1
		if i == 2 {
			want = 0
		}
		if seen[name(i)] != want {
			t.Errorf("session %d was listed %d times, want %d", i, seen[name(i)], want)
		}
	}
	if parts != 5 {
		t.Errorf("%d parts, want 5", parts)
	}
}

func TestStreamsAndRates(t *testing.T) {
	f := newFixture(t, nil)
	_, st := f.open("s")
	f.packet(st, 0)
	path := "/api/v1/sessions/" + f.id("s")
	if s := get[client.Session](f, path); s.Received.Rate != nil {
		t.Errorf("rate without a sample = %+v, want none", s.Received.Rate)
	}
	f.api.rates.sample()
	if s := get[client.Session](f, path); s.Received.Rate != nil {
		t.Errorf("rate after one sample = %+v, want none", s.Received.Rate)
	}
	for seq := range uint64(3) {
		f.packet(st, seq+1)
	}
	st.Stats().LastArrival.Store(f.clock.UnixNano())
	f.clock = f.clock.Add(2 * time.Second)
	f.api.rates.sample()
	want := &client.Rate{Packets: 1.5, Bytes: 150, Seconds: 2}
	if diff := cmp.Diff(want, get[client.Session](f, path).Received.Rate); diff != "" {
		t.Errorf("rate of the session (-want +got):\n%s", diff)
	}
	page := get[client.Page[client.Stream]](f, path+"/streams")
	wantStreams := []client.Stream{
		{ID: "1", Peer: "1", Channel: "metadata", Trace: "ust/uid/0/64-bit", Metadata: true, LastTimestamp: "0", Rate: &client.Rate{Seconds: 2}},
		{
			ID: "2", Peer: "1", Channel: "ch_0", Trace: "ust/uid/0/64-bit", Packets: 4, Bytes: 400, Discarded: 9, LastTimestamp: "77",
			LastArrival: f.clock.Add(-2 * time.Second), Rate: want,
		},
	}
	if diff := cmp.Diff(wantStreams, page.Items, cmpopts.EquateApproxTime(0)); diff != "" {
		t.Errorf("streams (-want +got):\n%s", diff)
	}
	first := get[client.Page[client.Stream]](f, path+"/streams?limit=1")
	second := get[client.Page[client.Stream]](f, path+"/streams?limit=1&cursor="+first.Next)
	if len(first.Items) != 1 || len(second.Items) != 1 || second.Items[0].ID != "2" || second.Next != "" {
		t.Errorf("streams in two parts: %+v, %+v", first, second)
	}
	f.trace("vm/old-20261120-080000")
	if page := get[client.Page[client.Stream]](f, "/api/v1/sessions/"+f.idLater("old")+"/streams"); len(page.Items) != 0 {
		t.Errorf("streams of a closed session = %+v, want none", page.Items)
	}
}

// idLater is id after the list has aged.
func (f *fixture) idLater(name string) string {
	f.clock = f.clock.Add(time.Minute)
	return f.id(name)
}

func TestDelete(t *testing.T) {
	f := newFixture(t, nil)
	const archive = "20261120T080000+0000-20261120T080100+0000-0"
	f.trace("vm/a-20261120-080000")
	f.trace("vm/a-20261120-080000/archives/" + archive)
	ss, st := f.open("s")
	f.packet(st, 0)
	open := "/api/v1/sessions/" + f.id("s")
	f.refused("DELETE", open, codeSessionOpen, nil)
	f.refused("DELETE", open+"/chunks/.session", codeChunkOpen, nil)
	f.refused("DELETE", open+"/chunks/none", codeNoSuchChunk, nil)
	f.refused("DELETE", "/api/v1/sessions/none", codeNoSuchSession, nil)
	closed := "/api/v1/sessions/" + f.id("a")
	chunks := get[client.Page[client.Chunk]](f, closed+"/chunks").Items
	if len(chunks) != 2 || chunks[0].ID != ".session" || chunks[1].ID != archive || chunks[1].State != client.ChunkArchived ||
		chunks[1].Number == nil || *chunks[1].Number != 0 || chunks[0].Number != nil || chunks[1].Bytes != 14 {
		t.Errorf("chunks = %+v", chunks)
	}
	for _, path := range []string{closed + "/chunks/" + archive, closed} {
		if answer, body := f.do("DELETE", path, nil); answer.StatusCode != http.StatusNoContent || len(body) != 0 {
			t.Errorf("DELETE %s: %s %s", path, answer.Status, body)
		}
		f.refusedOneOf("GET", path)
	}
	if n := strings.Count(f.log.String(), "deleted"); n != 2 {
		t.Errorf("logged %d deletions, want 2:\n%s", n, &f.log)
	}
	id := f.id("s")
	ss.Close()
	if answer, _ := f.do("DELETE", "/api/v1/sessions/"+id, nil); answer.StatusCode != http.StatusNoContent {
		t.Errorf("DELETE after the session closed: %s", answer.Status)
	}
	if entries, err := os.ReadDir(f.out); err != nil || len(entries) != 0 {
		t.Errorf("output directory holds %v, %v, want nothing", entries, err)
	}
}

// refusedOneOf expects that a resource has gone.
func (f *fixture) refusedOneOf(method, path string) {
	f.t.Helper()
	if answer, body := f.do(method, path, nil); answer.StatusCode != http.StatusNotFound && answer.StatusCode != http.StatusMethodNotAllowed {
		f.t.Errorf("%s %s after its deletion: %s %s", method, path, answer.Status, body)
	}
}

func TestRetentionRun(t *testing.T) {
	f := newFixture(t, nil)
	f.clock = time.Now() // files are as old as they are
	old := f.clock.Add(-2 * time.Hour).UTC().Format("20060102T150405-0700")
	dir := "vm/a-20261120-080000/archives/" + old + "-" + old + "-3"
	f.trace(dir)
	f.trace("vm/new-20261120-080000")
	post := func(query string) client.RetentionReport {
		t.Helper()
		c, err := client.New(f.server.URL)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		r, err := c.RunRetention(t.Context(), query == "true")
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	for _, dry := range []string{"true", "true", "false"} {
		r := post(dry)
		if r.DryRun != (dry == "true") || r.Count != 1 || r.Bytes != 14 || len(r.Removed) != 1 || r.Limits.MaxAge != "1h0m0s" {
			t.Fatalf("report = %+v, want one chunk of 14 bytes", r)
		}
		m := r.Removed[0]
		if m.Directory != dir || m.Reason != "max_age" || !m.Last || m.Session == "" || m.Chunk == "" {
			t.Errorf("removal = %+v", m)
		}
	}
	if r := post("false"); r.Count != 0 || r.Removed == nil {
		t.Errorf("second run = %+v, want an empty list", r)
	}
}

// The client of this project reads all that the interface answers.
func TestClient(t *testing.T) {
	f := newFixture(t, nil)
	f.trace("vm/a-20261120-080000")
	ss, st := f.open("s")
	f.packet(st, 0)
	c, err := client.New(f.server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var names []string
	for s, err := range c.Sessions(t.Context(), client.Filter{Host: "vm"}) {
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, s.Name)
		one, err := c.Session(t.Context(), s.ID)
		if diff := cmp.Diff(s, one); diff != "" || err != nil {
			t.Errorf("session in the list and alone differ (%v):\n%s", err, diff)
		}
		for chunk, err := range c.Chunks(t.Context(), s.ID) {
			if err != nil || chunk.ID != ".session" || chunk.Directory != s.Directory {
				t.Errorf("chunk = %+v, %v", chunk, err)
			}
		}
		streams := 0
		for _, err := range c.Streams(t.Context(), s.ID) {
			if err != nil {
				t.Error(err)
			}
			streams++
		}
		if want := map[string]int{"s": 2, "a": 0}[s.Name]; streams != want {
			t.Errorf("session %s has %d streams, want %d", s.Name, streams, want)
		}
	}
	if got := strings.Join(names, " "); got != "s a" {
		t.Errorf("sessions are %s, want s a", got)
	}
	ss.Close()
	if err := c.DeleteSession(t.Context(), f.idLater("s")); err != nil {
		t.Error(err)
	}
}
