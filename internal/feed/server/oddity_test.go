// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/weir-io/weir/changelog"
	client "github.com/weir-io/weir/client/feed"
	"github.com/weir-io/weir/internal/feed/fstest"
	"github.com/weir-io/weir/internal/feed/journal"
)

// TestNamesOfAnyBytes has names that no text can hold go through all forms of records.
func TestNamesOfAnyBytes(t *testing.T) {
	a := start(t)
	names := []string{
		"a\nb", "-rf", "..b64", " ", "\xff\xfe\x80", "tab\tquote\"back\\slash", "\x01\x7f", strings.Repeat("n", 255),
		strings.Repeat("\xf0", 255), "é", "e\u0301", "name_b64", "\r",
	}
	api := a.dial()
	_, err := api.Create(t.Context(), client.CreateOptions{Name: "f", Source: a.fs.Dir, Mask: "MKDIR,RENME"})
	must(t, err)
	a.mkdirs(names)
	for _, f := range []client.Format{client.FormatNative, client.FormatJSON, client.FormatLustre, client.FormatText} {
		t.Run(f.String(), func(t *testing.T) {
			n := a.reopened("f", f)
			defer n.Close()
			got := map[string]bool{}
			for len(got) < len(names) {
				b, err := n.Raw(t.Context(), client.ReadOptions{Wait: -1, Keep: true}, func(b []byte) error {
					name, err := nameIn(f, b)
					got[name] = true
					return err
				})
				must(t, err)
				if b.Through == 0 {
					t.Fatal("batch without an end")
				}
			}
			for _, name := range names {
				if !got[name] {
					t.Errorf("%q did not come through", name)
				}
			}
		})
	}
}

// nameIn is the name of a record in a form.
func nameIn(f client.Format, b []byte) (string, error) {
	var r changelog.Record
	switch f {
	case client.FormatNative:
		err := changelog.DecodeNative(b, &r)
		return string(r.Name), err
	case client.FormatJSON:
		err := changelog.DecodeJSON(b[:len(b)-1], &r)
		return string(r.Name), err
	case client.FormatLustre:
		err := changelog.DecodeLustre(b, &r)
		return string(r.Name), err
	}
	err := changelog.ParseText(b[:len(b)-1], &r)
	return string(r.Name), err
}

// TestOwnWritesMakeNoLoop has the store on the file system that is watched.
func TestOwnWritesMakeNoLoop(t *testing.T) {
	fs := fstest.New(t, "ext4")
	must(t, os.Mkdir(fs.Path("state"), 0o700))
	store, err := journal.OpenStore(fs.Path("state"), journal.Options{})
	must(t, err)
	t.Cleanup(func() { store.Close() })
	a := startOn(t, fs, store)
	api := a.dial()
	_, err = api.Create(t.Context(), client.CreateOptions{Name: "f", Source: fs.Dir})
	must(t, err)
	n := a.reopened("f", client.FormatNative)
	for i := range 20 { // each cancel and each commit writes to the store
		name := fmt.Sprintf("d%d", i)
		a.sh("mkdir " + name)
		if got := strings.Join(take(t, n, 1, client.ReadOptions{}), ", "); got != "MKDIR "+name {
			t.Errorf("got %q, want MKDIR %s alone", got, name)
		}
	}
	must(t, n.Commit(t.Context()))
	i, err := api.Info(t.Context(), "f")
	must(t, err)
	if i.Available != 0 {
		t.Errorf("after all: %d records are available, want none", i.Available)
	}
}

// TestTwoAgentsOnOneStore has the second one refused.
func TestTwoAgentsOnOneStore(t *testing.T) {
	dir := t.TempDir()
	store, err := journal.OpenStore(dir, journal.Options{})
	must(t, err)
	defer store.Close()
	if _, err := journal.OpenStore(dir, journal.Options{}); !errors.Is(err, journal.ErrLocked) {
		t.Errorf("second store: got %v, want %v", err, journal.ErrLocked)
	}
}
