// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package match_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/weir-io/weir/changelog"
	"github.com/weir-io/weir/internal/feed/match"
)

const sampleDocument = `{"types":"CREAT,UNLNK","uid":[0,"1000-1999","!1005","unknown"],"gid":"staff","owner":["alice"],` +
	`"path":["home/**","!**/.cache/[a-z]?*"],"name":["*.c","\u00e9"],"kind":"fd","comm":["c*"],"job":["cp.*"],"pid":[1,2],"synth":"no","merged":"only"}`

// TestDocumentCut cuts a document at every byte: no part of it is a document.
func TestDocumentCut(t *testing.T) {
	if _, err := match.Parse([]byte(sampleDocument)); err != nil {
		t.Fatal(err)
	}
	for n := range sampleDocument {
		if _, err := match.Parse([]byte(sampleDocument[:n])); err == nil {
			t.Errorf("%d bytes of %d were read as a document", n, len(sampleDocument))
		}
	}
}

func FuzzDocument(f *testing.F) {
	f.Add([]byte(sampleDocument), []byte("home/u/a.c"))
	f.Add([]byte(`{}`), []byte(""))
	f.Add([]byte(`{"path":"**/a**/[!x]"}`), []byte("a/b"))
	f.Fuzz(func(t *testing.T, doc, path []byte) {
		filter, err := match.Parse(doc)
		if err != nil {
			placed(t, err, len(doc))
			return
		}
		if !json.Valid(doc) {
			t.Fatalf("not JSON: %q", doc)
		}
		checkFilter(t, filter, len(doc), path)
	})
}

func FuzzFlags(f *testing.F) {
	f.Add("uid=1,2-3,!4\npath=a/**\npath=!a/b", []byte("a/b/c"))
	f.Add("kind=f\nsynth=only", []byte(""))
	f.Fuzz(func(t *testing.T, text string, path []byte) {
		filter, err := match.ParseFlags(strings.Split(text, "\n"))
		if err != nil {
			placed(t, err, len(text))
			return
		}
		checkFilter(t, filter, len(text), path)
	})
}

func placed(t *testing.T, err error, size int) {
	t.Helper()
	e, ok := errors.AsType[*changelog.Error](err)
	if !ok || e.Offset < 0 || e.Offset > size || e.Got == "" || e.Want == "" {
		t.Fatalf("error without its place in %d bytes: %#v", size, err)
	}
}

// checkFilter compiles a filter and the one that its document is read as, and looks
// whether they agree on a record.
func checkFilter(t *testing.T, filter *match.Filter, size int, path []byte) {
	doc, err := filter.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	var again match.Filter
	if err := again.UnmarshalJSON(doc); err != nil {
		if len(doc) > match.DocumentMax {
			return
		}
		t.Fatalf("%s: %v", doc, err)
	}
	if second, err := again.MarshalJSON(); err != nil || !bytes.Equal(doc, second) {
		t.Fatalf("%s became %s, %v", doc, second, err)
	}
	m, err := filter.Compile(names)
	if err != nil {
		placed(t, err, size)
		return
	}
	other, err := again.Compile(names)
	if err != nil {
		t.Fatalf("%s: %v", doc, err)
	}
	r := rename("home/x", "home/y")
	r.Path = path
	if got, want := other.Match(&r), m.Match(&r); got != want {
		t.Fatalf("%s: %v of path %q, before %v", doc, got, path, want)
	}
}
