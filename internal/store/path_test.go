// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestCheckPath(t *testing.T) {
	for path, good := range map[string]bool{
		"/": true, "/a": true, "/a/b.c": true, "/.../..a": true, "/ä €": true, "/" + strings.Repeat("n", maxPath-1): true,
		"": false, "a": false, "a/b": false, "//": false, "/a/": false, "/a//b": false, "/.": false, "/a/..": false, "/./a": false,
		"/a\x00": false, "/\x7f": false, "/\u0085": false, "/\ue000": false, "/\uffff": false, "/𝄞": false, "/\xff": false,
		"/" + strings.Repeat("n", maxPath): false,
	} {
		if err := CheckPath(path); (err == nil) != good || err != nil && !errors.Is(err, ErrBadPath) {
			t.Errorf("CheckPath(%.40q) = %v, want good %v", path, err, good)
		}
	}
	for path, good := range map[string]bool{"/a/": true, "/": true, "/a/b-": true, "/a//": false, "//": false, "a/": false} {
		if err := CheckOps([]Op{Create(path, nil, Sequential)}); (err == nil) != good {
			t.Errorf("sequential node %q: got %v, want good %v", path, err, good)
		}
	}
}

func FuzzCheckPath(f *testing.F) {
	f.Add("/a/b")
	f.Add("/")
	f.Fuzz(func(t *testing.T, path string) {
		if CheckPath(path) != nil || path == "/" {
			return
		}
		if got := strings.TrimSuffix(Parent(path), "/") + "/" + Name(path); got != path || Name(path) == "" {
			t.Errorf("%q has the parent %q and the name %q", path, Parent(path), Name(path))
		}
		if err := CheckPath(Parent(path)); err != nil {
			t.Errorf("the parent of %q: %v", path, err)
		}
	})
}

func TestErrors(t *testing.T) {
	ops := []Op{Check("/a", 1), Set("/b", nil, 7)}
	for _, c := range []struct {
		err  error
		want string
	}{
		{OpError(ops, 1, ErrBadVersion), "operation 2 of 2: set /b: the node is of another version, not 7"},
		{OpError(ops[:1], 0, ErrNoNode), "check /a: no such node"},
		{CheckOps([]Op{Create("/x", make([]byte, MaxRequest), Persistent)}), "transaction on /x: larger than a transaction may be: 1000074 bytes in 1 operations, want at most 1000000"},
	} {
		if got := c.err.Error(); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}

func TestWatcher(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := NewWatcher()
		a, b := Event{Changed, "/a"}, Event{Deleted, "/b"}
		w.Post(a)
		w.Post(b)
		if got := w.Take(); !slices.Equal(got, []Event{a, b}) {
			t.Errorf("got %v", got)
		}
		go func() { // ends by itself, before Next returns
			<-time.After(time.Second)
			w.Post(b)
		}()
		begin := time.Now()
		got, err := w.Next(t.Context()) // also where Take has left a token
		if err != nil || !slices.Equal(got, []Event{b}) || time.Since(begin) != time.Second {
			t.Errorf("got %v, %v after %v", got, err, time.Since(begin))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := w.Next(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want %v", err, context.DeadlineExceeded)
		}
	})
}
