// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// stateDir is where the state is in the mirror's own directory.
const stateDir = "state"

// Begin marks a target as a mirror's, before its feed is made: from then on a feed whose target
// has no mark says that the target is elsewhere, as where it is not mounted. It refuses what
// cannot be a target.
func Begin(o Options) error {
	if err := checkPlaces(&o); err != nil {
		return err
	}
	if err := checkEmpty(&o); err != nil {
		return err
	}
	return os.MkdirAll(filepath.Join(o.Target, ownDir), 0o700)
}

// Begun reports whether a target has been marked as a mirror's.
func Begun(target string) bool {
	_, err := os.Lstat(filepath.Join(target, ownDir))
	return !errors.Is(err, os.ErrNotExist)
}

// hasState reports whether a mirror has been opened at a target.
func hasState(target string) bool {
	_, err := os.Lstat(filepath.Join(target, ownDir, stateDir))
	return !errors.Is(err, os.ErrNotExist)
}

// checkEmpty refuses a target that has something else than a mirror in it.
func checkEmpty(o *Options) error {
	if o.Adopt || hasState(o.Target) {
		return nil
	}
	entries, err := os.ReadDir(o.Target)
	if errors.Is(err, os.ErrNotExist) {
		return os.MkdirAll(o.Target, 0o755)
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !isLeftOut(e.Name()) {
			return fmt.Errorf("target %s is not empty (%s): empty it, or take it as it is with --adopt", o.Target, e.Name())
		}
	}
	return nil
}
