// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package convert

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
)

// output is a directory that is built beside its place: nothing has its name
// before it is complete.
type output struct {
	place  string
	hidden string // directory of the work, nobody else's
	root   string // in it, what becomes the output
}

// newOutput begins a directory whose place must be free, or an empty directory.
func newOutput(place string) (*output, error) {
	place = filepath.Clean(place)
	if err := checkFree(place); err != nil {
		return nil, err
	}
	hidden, err := os.MkdirTemp(filepath.Dir(place), "."+filepath.Base(place)+".*")
	if err != nil {
		return nil, err
	}
	o := &output{place, hidden, filepath.Join(hidden, "new")}
	if err := os.Mkdir(o.root, 0o777); err != nil {
		return nil, errors.Join(err, o.remove())
	}
	return o, nil
}

// checkFree refuses a place where something is.
func checkFree(place string) error {
	d, err := os.Open(place)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer d.Close()
	if _, err := d.Readdirnames(1); !errors.Is(err, io.EOF) {
		return fmt.Errorf("output %s: %w: want a new or an empty directory", place, os.ErrExist)
	}
	return nil
}

// finish moves the directory to its place.
func (o *output) finish() error {
	// os.Rename refuses to take the place of an empty directory.
	if err := syscall.Rename(o.root, o.place); err != nil {
		return errors.Join(&os.LinkError{Op: "rename", Old: o.root, New: o.place, Err: err}, o.remove())
	}
	return os.Remove(o.hidden)
}

// remove gives up.
func (o *output) remove() error { return os.RemoveAll(o.hidden) }
