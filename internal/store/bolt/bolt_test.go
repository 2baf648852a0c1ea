// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package bolt_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/weir-io/weir/internal/store"
	"github.com/weir-io/weir/internal/store/bolt"
	"github.com/weir-io/weir/internal/store/storetest"
)

// openDB opens a store in a file that is closed after the test.
func openDB(t testing.TB, file string) *bolt.DB {
	t.Helper()
	d, err := bolt.Open(file, bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return d
}

func TestConformance(t *testing.T) {
	d := openDB(t, filepath.Join(t.TempDir(), "control.db"))
	storetest.Run(t, storetest.Backend{
		Store: d,
		Expiring: func(t *testing.T) (store.Session, func()) {
			const timeout = time.Second
			s, err := d.Open(timeout)
			if err != nil {
				t.Fatal(err)
			}
			return s, func() { <-s.Done() }
		},
	})
}
