// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package service

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// Where there is no store, none is made to be found in order.
func TestStoreThatIsNotThere(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	_, checked := Check(t.Context(), dir, func(int64) {})
	_, repaired := Repair(t.Context(), dir)
	_, begun := BeginAnew(dir)
	for what, err := range map[string]error{"check": checked, "repair": repaired, "repair --anew": begun} {
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: got %v, want %v", what, err, fs.ErrNotExist)
		}
	}
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the state directory: got %v, want none", err)
	}
}
