// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package convert

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/ctf/schema"
	"github.com/weir-io/weir/internal/view"
)

func TestPlaces(t *testing.T) {
	trace := func(host string, dirs ...string) *ctf.Trace {
		sch := &schema.Trace{}
		if host != "" {
			sch.Env = []schema.EnvEntry{{Name: "hostname", String: host}}
		}
		return &ctf.Trace{Schema: sch, Dirs: dirs}
	}
	tests := []struct {
		name   string
		traces []*ctf.Trace
		inputs string
		want   string
	}{
		{"itself", []*ctf.Trace{trace("a", "/t/x")}, "/t/x", "."},
		{"below", []*ctf.Trace{trace("a", "/t/x/kernel"), trace("a", "/t/x/ust/uid/0/64-bit")}, "/t/x", "kernel ust/uid/0/64-bit"},
		{"hosts", []*ctf.Trace{trace("a", "/x/kernel"), trace("b", "/y/kernel")}, "/x /y", "a/kernel b/kernel"},
		{"hosts apart in one tree", []*ctf.Trace{trace("a", "/x/a/s/kernel"), trace("b", "/x/b/s/kernel")}, "/x", "a/s/kernel b/s/kernel"},
		{"traces themselves", []*ctf.Trace{trace("a", "/x"), trace("b", "/y/ust")}, "/x /y", "a b/ust"},
		{"one host", []*ctf.Trace{trace("a", "/x/kernel"), trace("a", "/y/kernel")}, "/x /y", "a/x/kernel a/y/kernel"},
		{"no host", []*ctf.Trace{trace("", "/x/kernel"), trace("", "/y/kernel")}, "/x /y", "host/x/kernel host/y/kernel"},
		{"nothing tells them apart", []*ctf.Trace{trace("a", "/x/s/kernel"), trace("a", "/y/s/kernel")}, "/x/s /y/s", "a/s/kernel a/s/kernel-2"},
		{
			"rotated",
			[]*ctf.Trace{trace("a", "/x/archives/1/ust/64-bit", "/x/archives/2/ust/64-bit", "/x/ust/64-bit"), trace("a", "/x/kernel")},
			"/x", "ust/64-bit kernel",
		},
		{"names of strangers", []*ctf.Trace{trace("../../etc", "/x/k"), trace("a/b\n", "/y/k")}, "/x /y", "_._.._etc/k a_b_/k"},
		{"within another input", []*ctf.Trace{trace("a", "/x/k"), trace("a", "/x/s/k")}, "/x /x/s", "a/x/k a/s/k"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := strings.Join(places(tt.traces, strings.Fields(tt.inputs)), " "); got != tt.want {
				t.Errorf("places = %s, want %s", got, tt.want)
			}
		})
	}
}

func TestFileOf(t *testing.T) {
	tests := []struct{ files, want string }{
		{"/x/chan_0", "chan_0"},
		{"/a/chan_0 /b/chan_0", "chan_0"},
		{"/x/chan_0_0 /x/chan_0_1", "chan_0"},
		{"/x/one /x/two", "one"},
		{"/x/chan_0_7", "chan_0_7"},
	}
	for _, tt := range tests {
		if got := fileOf(&ctf.Stream{Files: strings.Fields(tt.files)}); got != tt.want {
			t.Errorf("fileOf(%s) = %s, want %s", tt.files, got, tt.want)
		}
	}
}

// Traces of several hosts become one tree and stay one time line.
func TestHosts(t *testing.T) {
	a, b := newDir(t), newDir(t)
	traceSpec{host: "web1", uuid: 1, seed: 1}.write(t, filepath.Join(a, "ust"))
	traceSpec{host: "web2", uuid: 2, seed: 2, version: schema.CTF2, cpus: 3}.write(t, filepath.Join(b, "ust"))
	out, r := converted(t, Job{Format: schema.CTF1}, a, b)
	want := show(t, nil, a, b)
	equal(t, "weir view", show(t, nil, out), want)
	equal(t, "babeltrace2", babeltrace2(t, out), want)
	if len(r.Traces) != 2 || r.Traces[0].Path != "web1/ust" || r.Traces[1].Path != "web2/ust" || len(r.Traces[1].Streams) != 3 {
		t.Errorf("result %+v", r)
	}
	one, r := converted(t, Job{Select: Selection{Host: "*2"}}, a, b)
	equal(t, "one host", show(t, nil, one), show(t, func(j *view.Job) { j.Host = "*2" }, a, b))
	if len(r.Traces) != 1 || r.Traces[0].UUID != "01020300-0000-0000-0000-000000000209" {
		t.Errorf("result %+v, want the uuid of the whole trace", r)
	}
}

// The chunks of a rotated session become one trace.
func TestRotatedSession(t *testing.T) {
	in := newDir(t)
	traceSpec{host: "h", seed: 5}.write(t, filepath.Join(in, "archives/1/ust"))
	traceSpec{host: "h", seed: 6, base: origin + 900e9}.write(t, filepath.Join(in, "archives/2/ust"))
	traceSpec{host: "h", seed: 7, base: origin + 1800e9, cpus: 3}.write(t, filepath.Join(in, "ust"))
	for _, choose := range []Selection{{}, where(t, "n > 30")} {
		out, r := converted(t, Job{Select: choose}, in)
		want := show(t, func(j *view.Job) { j.Where = choose.WhereText }, in)
		equal(t, "weir view", show(t, nil, out), want)
		if len(r.Traces) != 1 || r.Traces[0].Path != "ust" || len(r.Traces[0].Inputs) != 3 || len(r.Traces[0].Streams) != 3 {
			t.Errorf("result %+v", r)
		}
		names, err := os.ReadDir(filepath.Join(out, "ust"))
		check(t, err)
		var files []string
		for _, n := range names {
			files = append(files, n.Name())
		}
		if want := []string{"chan_0", "chan_1", "chan_2", "index", "metadata"}; !slices.Equal(files, want) {
			t.Errorf("files %v, want %v", files, want)
		}
	}
}

// A whole trace is the same recording: read with the input it changes nothing.
// Parts of one are recordings of their own.
func TestIdentity(t *testing.T) {
	in := newDir(t)
	traceSpec{seed: 3}.write(t, in)
	want := show(t, nil, in)
	same, _ := converted(t, Job{Format: schema.CTF2}, in)
	equal(t, "with itself", show(t, nil, in, same), want)
	ids := map[string]string{}
	for name, choose := range map[string]Selection{
		"a": where(t, "n < 50"), "b": where(t, "n < 51"), "c": {Events: []string{"*"}}, "d": {Exclude: []string{"*"}},
		"e": {Intersection: true}, "f": between(origin, origin+1), "g": {Streams: []string{"chan"}},
	} {
		out, r := converted(t, Job{Select: choose}, in)
		id := r.Traces[0].UUID
		if other, ok := ids[id]; ok || !strings.HasPrefix(id, "01020300-0000-0000-0000-") {
			t.Errorf("choices %s and %s have the uuid %s", name, other, id)
		}
		ids[id] = name
		got := show(t, nil, in, out)
		if n := strings.Count(want.text, "\n") + int(r.EventsWritten); got.err != nil || strings.Count(got.text, "\n") != n {
			t.Errorf("%s with the input: %d lines, want %d, %v", name, strings.Count(got.text, "\n"), n, got.err)
		}
		again, r := converted(t, Job{Select: choose}, in)
		if r.Traces[0].UUID != id {
			t.Errorf("the same choice has the uuid %s, then %s", id, r.Traces[0].UUID)
		}
		sameFiles(t, out, again)
	}
}
