// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracefs

import (
	"context"
	"errors"
	"slices"
	"strings"
)

// Instances lists the instances whose names begin with a prefix, in order.
func (fs *FS) Instances(prefix string) ([]string, error) {
	names, err := fs.names(instancesDir)
	if err != nil {
		return nil, err
	}
	names = slices.DeleteFunc(names, func(name string) bool { return !strings.HasPrefix(name, prefix) })
	slices.Sort(names)
	return names, nil
}

// Sweep removes the instances that were left behind: those whose names begin
// with a prefix and which keep does not want. One that is in use is turned off,
// and an error that is ErrBusy, once ctx is done; the others are removed all the
// same. There is no sweeping without a prefix.
func (fs *FS) Sweep(ctx context.Context, prefix string, keep func(name string) bool) (removed []string, err error) {
	if err := CheckName("prefix of instance", prefix); err != nil {
		return nil, err
	}
	names, err := fs.Instances(prefix)
	if err != nil {
		return nil, err
	}
	var busy []*Instance
	var errs []error
	for _, name := range names {
		if keep != nil && keep(name) {
			continue
		}
		in, err := fs.named(name)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		// Those that can go go before any of them is waited for.
		_ = in.SetTracing(false)
		switch err := in.rmdir(); {
		case err == nil:
			removed = append(removed, name)
		case errors.Is(err, ErrBusy):
			busy = append(busy, in)
		default:
			errs = append(errs, err)
		}
	}
	for _, in := range busy {
		if err := in.Remove(ctx); err != nil {
			errs = append(errs, err)
			continue
		}
		removed = append(removed, in.name)
	}
	return removed, errors.Join(errs...)
}
