// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"

	"github.com/weir-io/weir/changelog"
)

// Repair makes what differs equal. What the mirror knows of those paths is taken from the
// disk first: what others have put there is removed.
func (m *Mirror) Repair(ctx context.Context, differences []Difference) error {
	defer func(was bool) { m.opts.TakeOver = was }(m.opts.TakeOver)
	m.opts.TakeOver = true
	for some := range slices.Chunk(differences, chunk) {
		if err := m.doubt(ctx, some); err != nil {
			return err
		}
		if err := m.takingOver(ctx, func() error { return m.Reconcile(ctx) }); err != nil {
			return err
		}
	}
	return nil
}

// doubt has what differs looked at.
func (m *Mirror) doubt(ctx context.Context, differences []Difference) error {
	var names []name
	for _, d := range differences {
		n, f, err := m.find(d.Path)
		if isOfSource(err) {
			continue // it stays a difference
		}
		if err != nil {
			return err
		}
		if !f.IsZero() {
			m.again[f] = m.again[f] || d.contents
		}
		if n != (name{}) {
			names = append(names, n)
		}
	}
	if err := m.st.intend(ctx, names); err != nil {
		return err
	}
	left, err := m.recover(ctx)
	if err != nil {
		return err
	}
	m.left = append(m.left, left...)
	return nil
}

// find returns the name that a path of the source is, the zero name for the root and for
// one that has no directory any more or that lies on another mount, and what it stands for.
func (m *Mirror) find(path string) (n name, f changelog.FID, err error) {
	f = m.src.topFID()
	path = filepath.Clean(path)
	if path == "." {
		return n, f, nil
	}
	for i, part := range strings.Split(path, "/") {
		if f.IsZero() || i == 0 && isLeftOut(part) {
			return name{}, changelog.FID{}, nil
		}
		n = name{f, part}
		f, err = m.src.lookUp(n)
		if errors.Is(err, errCovered) {
			return name{}, changelog.FID{}, nil // it stays as it was
		}
		if err != nil {
			return n, f, err
		}
	}
	return n, f, nil
}
