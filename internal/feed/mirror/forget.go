// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/weir-io/weir/changelog"
)

// Forget removes what a mirror keeps in its target, which becomes an ordinary copy. What
// others have put in directories that are parked there goes with it: see Foreign.
func Forget(target string) error {
	own := filepath.Join(target, ownDir)
	return removeAll(own, own)
}

// Foreign returns the path of something that others have put in a directory which the source
// does not have any more, and which is parked in the mirror's own; empty if there is none.
func Foreign(target string) (path string, err error) {
	own := filepath.Join(target, ownDir)
	s, err := openState(own)
	if err != nil {
		return "", err
	}
	path, err = s.foreign(filepath.Join(own, "staged"))
	return path, errors.Join(err, s.close())
}

// foreign looks for names below what is parked that the state does not know.
func (s *state) foreign(stage string) (path string, err error) {
	parked, err := listDir(stage)
	for _, e := range parked {
		if path != "" || err != nil {
			break
		}
		var f changelog.FID
		if _, scanErr := fmt.Sscanf(e.Name(), "%x.%x.%x", &f.Seq, &f.OID, &f.Ver); scanErr != nil {
			return filepath.Join(stage, e.Name()), nil
		}
		path, err = s.foreignBelow(filepath.Join(stage, e.Name()), f, e.IsDir())
	}
	return path, err
}

func (s *state) foreignBelow(dir string, f changelog.FID, isDir bool) (path string, err error) {
	if !isDir {
		return "", nil
	}
	below, err := listDir(dir)
	for _, e := range below {
		if path != "" || err != nil {
			break
		}
		n := name{f, e.Name()}
		at := filepath.Join(dir, e.Name())
		var child changelog.FID
		child, err = s.dirent(n)
		if err == nil && child.IsZero() && !s.intents[n] { // what a batch was cut at is the mirror's
			return at, nil
		}
		if err == nil {
			path, err = s.foreignBelow(at, child, e.IsDir())
		}
	}
	return path, err
}

// listDir lists a directory, which may be gone.
func listDir(dir string) ([]os.DirEntry, error) {
	all, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		err = nil
	}
	return all, err
}
