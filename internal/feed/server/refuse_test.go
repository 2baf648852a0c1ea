// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/weir-io/weir/changelog"
	client "github.com/weir-io/weir/client/feed"
	"github.com/weir-io/weir/internal/feed"
)

func TestHostileJSON(t *testing.T) {
	a := start(t)
	api := a.dial()
	_, err := api.Create(t.Context(), client.CreateOptions{Name: "f", Source: a.fs.Dir})
	must(t, err)
	before, err := api.List(t.Context())
	must(t, err)
	ops := []client.Op{
		client.OpCreate, client.OpDestroy, client.OpInfo, client.OpOpen, client.OpReset, client.OpResolve,
		client.OpTail, client.OpSet, client.OpFIFO, client.OpRescan,
	}
	r := a.greeted(client.FormatNative)
	for _, payload := range []string{
		"", "{", "}", "null", "[]", "0", `"f"`, `{"feed":1}`, `{"feed":null}`, `{"feed":["f"]}`, `{"feed":"\ud800"}`, `{"feed":"f"}x`,
		`{"feed":"` + strings.Repeat("x", 60_000) + `"}`, strings.Repeat("[", 60_000), strings.Repeat(`{"a":`, 10_000),
		`{"source":1e999}`, `{"source":"` + "\x00" + `"}`, `{"source":"/","abort_size":-1}`, `{"source":"/","abort_timeout":"x"}`,
		`{"options":{"owner":4294967296},"feed":"g"}`, "\xff\xfe", `{"source":{"source":{}}}`, `{"fid":"[0x1:0x2]"}`,
	} {
		for _, op := range ops {
			if code, answer := r.ask(op, payload); code != client.CodeBadArgument && code != client.CodeNotFound {
				t.Errorf("op %d with %.40q: got error %q %.80q, want %q or %q", op, payload, code, answer, client.CodeBadArgument, client.CodeNotFound)
			}
		}
	}
	after, err := api.List(t.Context())
	must(t, err)
	before[0].Rate, after[0].Rate = 0, 0
	if b, c := fmt.Sprintf("%+v", before), fmt.Sprintf("%+v", after); len(after) != 1 || b != c {
		t.Errorf("feeds were changed: got %s, want %s", c, b)
	}
}

func TestRefusedOptions(t *testing.T) {
	a := start(t)
	api := a.dial()
	if err := os.WriteFile(a.fs.Path("file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := api.Create(t.Context(), client.CreateOptions{Name: "taken", Source: a.fs.Dir})
	must(t, err)
	negative := client.Seconds(-time.Second)
	for _, c := range []struct {
		name    string
		o       client.CreateOptions
		code    client.Code
		message string
	}{
		{"name begins with a digit", client.CreateOptions{Name: "1x"}, client.CodeBadArgument, `"1x"`},
		{"name of 64 letters", client.CreateOptions{Name: strings.Repeat("a", 64)}, client.CodeBadArgument, "63"},
		{"name with a slash", client.CreateOptions{Name: "a/b"}, client.CodeBadArgument, "letter"},
		{"name as an id", client.CreateOptions{Name: "cl7"}, client.CodeBadArgument, "ids"},
		{"name as an id with a name", client.CreateOptions{Name: "cl7-x"}, client.CodeBadArgument, "ids"},
		{"name taken", client.CreateOptions{Name: "taken"}, client.CodeExists, "cl1"},
		{"mask", client.CreateOptions{Mask: "+foo"}, client.CodeBadArgument, `offset 1: got "foo"`},
		{"mask empty word", client.CreateOptions{Mask: "CREAT+"}, client.CodeBadArgument, "offset 6"},
		{"mode batch", client.CreateOptions{Mode: "batch"}, client.CodeBadArgument, "AC_BATCH is not built"},
		{"mode", client.CreateOptions{Mode: "x"}, client.CodeBadArgument, `"x"`},
		{"index", client.CreateOptions{Index: "some"}, client.CodeBadArgument, `"some"`},
		{"start in the future", client.CreateOptions{Start: "1000000"}, client.CodeBadArgument, `"1000000"`},
		{"start no number", client.CreateOptions{Start: "-1"}, client.CodeBadArgument, `"-1"`},
		{"timeout", client.CreateOptions{AbortTimeout: &negative}, client.CodeBadArgument, "-1s"},
		{"filter field", client.CreateOptions{Filter: json.RawMessage(`{"path":["a"],"colour":["x"]}`)}, client.CodeBadArgument, "offset 14"},
		{"filter value", client.CreateOptions{Filter: json.RawMessage(`{"uid":["0-"]}`)}, client.CodeBadArgument, "uid"},
		{"filter no object", client.CreateOptions{Filter: json.RawMessage(`[1]`)}, client.CodeBadArgument, "offset 0"},
		{"source relative", client.CreateOptions{Source: "."}, client.CodeBadArgument, "absolute"},
		{"source not there", client.CreateOptions{Source: a.fs.Path("none")}, client.CodeNotFound, "none"},
		{"source UUID", client.CreateOptions{Source: "00000000-0000-0000-0000-000000000001"}, client.CodeNotFound, "UUID"},
		{"source without changes", client.CreateOptions{Source: "/proc"}, client.CodeUnsupported, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.o.Source == "" {
				c.o.Source = a.fs.Dir
			}
			_, err := api.Create(t.Context(), c.o)
			if !errors.Is(err, &client.Error{Code: c.code}) || !strings.Contains(err.Error(), c.message) {
				t.Errorf("got %v, want %s with %q in it", err, c.code, c.message)
			}
		})
	}
	feeds, err := api.List(t.Context())
	must(t, err)
	if len(feeds) != 1 || feeds[0].ID != "cl1" {
		t.Errorf("feeds after refusals: got %+v, want the first alone", feeds)
	}
}

func TestRefusedRequests(t *testing.T) {
	a := start(t)
	api := a.dial()
	_, err := api.Create(t.Context(), client.CreateOptions{Name: "f", Source: a.fs.Dir})
	must(t, err)
	other := feed.Caller{UID: 3001, GID: 3001}
	_, attachErr := a.Attach(other, "f", false)
	_, stealErr := a.Attach(other, "f", true)
	_, infoErr := a.Manager.Info(other, "f")
	_, createErr := a.Manager.Create(t.Context(), other, client.CreateOptions{Source: a.fs.Dir})
	_, resetErr := a.Manager.Reset(t.Context(), other, "f", "now", false)
	_, setErr := a.Manager.Set(t.Context(), other, "f", client.CreateOptions{})
	_, sourcesErr := a.Manager.Sources(other)
	_, pathsErr := a.Manager.Paths(t.Context(), other, a.fs.Dir, changelog.FID{Seq: 1})
	_, tailErr := a.Manager.Tail(t.Context(), other, client.CreateOptions{Source: a.fs.Dir}) // this agent cannot check
	for name, err := range map[string]error{
		"attach": attachErr, "steal": stealErr, "info": infoErr, "create": createErr, "reset": resetErr, "set": setErr,
		"sources": sourcesErr, "paths": pathsErr, "tail": tailErr, "destroy": a.Manager.Destroy(t.Context(), other, "f"),
		"rescan": a.Manager.Rescan(t.Context(), other, a.fs.Dir), "fifo": a.server.fifo(a.Manager, other, client.FIFORequest{Feed: "f", Path: "/x"}),
	} {
		if !errors.Is(err, &client.Error{Code: client.CodeDenied}) {
			t.Errorf("%s by another user: got %v, want %s", name, err, client.CodeDenied)
		}
	}
	if l := a.List(other); len(l) != 0 {
		t.Errorf("LIST by another user: got %+v, want nothing", l)
	}
	r := a.greeted(client.FormatNative)
	for _, c := range []struct {
		name    string
		op      client.Op
		payload string
		code    client.Code
	}{
		{"READ without a feed", client.OpRead, readPayload(1, 4096, 0, 0), client.CodeBadArgument},
		{"CANCEL without a feed", client.OpCancel, "12345678", client.CodeDenied},
		{"CLOSE without a feed", client.OpClose, "", client.CodeBadArgument},
		{"PIPE without a feed", client.OpPipe, "", client.CodeBadArgument},
		{"unknown feed", client.OpOpen, `{"feed":"g"}`, client.CodeNotFound},
		{"half of a name", client.OpOpen, `{"feed":"cl1-g"}`, client.CodeNotFound},
		{"FID with garbage", client.OpResolve, fmt.Sprintf(`{"source":%q,"fid":"[0x1:0x2:0x3]x"}`, a.fs.Dir), client.CodeBadArgument},
		{"OPEN", client.OpOpen, `{"feed":"f"}`, ""},
		{"OPEN again", client.OpOpen, `{"feed":"f"}`, client.CodeBadArgument},
		{"TAIL too", client.OpTail, `{"source":"/"}`, client.CodeBadArgument},
		{"no records", client.OpRead, readPayload(0xFFFFFFFF, 4096, 0, 0), client.CodeBadArgument},
		{"too many records", client.OpRead, readPayload(65_537, 4096, 0, 0), client.CodeBadArgument},
		{"too few bytes", client.OpRead, readPayload(1, 4095, 0, 0), client.CodeBadArgument},
		{"too many bytes", client.OpRead, readPayload(1, 16<<20+1, 0, 0), client.CodeBadArgument},
		{"linger", client.OpRead, readPayload(1, 4096, 0, 1001), client.CodeBadArgument},
		{"CANCEL behind the last", client.OpCancel, "\xff\xff\xff\xff\xff\xff\xff\xff", client.CodeBadArgument},
		{"and all goes on", client.OpRead, readPayload(1, 4096, 0, 0), ""},
	} {
		if code, _ := r.ask(c.op, c.payload); code != c.code {
			t.Errorf("%s: got error %q, want %q", c.name, code, c.code)
		}
	}
}
