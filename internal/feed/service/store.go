// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package service

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/weir-io/weir/changelog"
	"github.com/weir-io/weir/internal/feed/journal"
)

// Check reads all that a store holds and returns how many journals it has, or the first
// fault. progress is told how many entries of a journal were read.
func Check(ctx context.Context, stateDir string, progress func(done int64)) (journals int, err error) {
	if err := storeIsThere(stateDir); err != nil {
		return 0, err
	}
	store, err := journal.OpenStore(StoreDir(stateDir), journal.Options{Verify: verify})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	ids, err := store.Sources()
	if err != nil {
		return 0, err
	}
	for _, id := range ids {
		j, err := store.Open(id)
		if err != nil {
			return 0, err
		}
		if err := j.Check(ctx, progress); err != nil {
			return 0, fmt.Errorf("journal %s: %w", id, err)
		}
	}
	return len(ids), nil
}

// Repair writes a store anew with what of it is good, and returns what became of it, a
// line a journal. In the place of a record that is not good stands a gap.
func Repair(ctx context.Context, stateDir string) (string, error) {
	if err := storeIsThere(stateDir); err != nil {
		return "", err
	}
	old, all, err := journal.Repair(ctx, StoreDir(stateDir), journal.Options{Verify: verify}, gap)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for i := range all {
		r := &all[i]
		fmt.Fprintf(&b, "journal %s: records %d to %d (was %d)", r.Source, r.First, r.Last, r.WasLast)
		if r.Lost > 0 {
			fmt.Fprintf(&b, ", %d lost: gaps say so in their places", r.Lost)
		}
		if r.IndexDropped {
			b.WriteString(", names and objects are to be read from the disk again")
		}
		if r.Fault != nil {
			fmt.Fprintf(&b, "; first fault: %v", r.Fault)
		}
		b.WriteByte('\n')
	}
	if len(all) == 0 {
		b.WriteString("no journal could be read\n")
	}
	kept, err := feedsOf(stateDir)
	if err != nil {
		return "", err
	}
	fmt.Fprintf(&b, "feeds that are left: %s; those that are missing must be created anew\n", kept)
	fmt.Fprintf(&b, "the old store is in %s\n", old)
	return b.String(), nil
}

// storeIsThere refuses a state directory without a store: opening would make one.
func storeIsThere(stateDir string) error {
	_, err := os.Stat(StoreDir(stateDir))
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("no store of feeds in %s; --state-dir says where the agent has its state: %w", stateDir, fs.ErrNotExist)
	}
	return err
}

// feedsOf lists the feeds that a store has.
func feedsOf(stateDir string) (text string, err error) {
	store, err := journal.OpenStore(StoreDir(stateDir), journal.Options{Verify: verify})
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	feeds, err := store.Feeds()
	if err != nil || len(feeds) == 0 {
		return "none", err
	}
	slices.SortFunc(feeds, func(a, b journal.Feed) int { return cmp.Compare(a.ID, b.ID) })
	var names []string
	for _, f := range feeds {
		names = append(names, fmt.Sprintf("cl%d", f.ID))
	}
	return strings.Join(names, ", "), nil
}

// BeginAnew puts an empty store in the place of one that cannot be repaired, and returns where
// the old one is.
func BeginAnew(stateDir string) (old string, err error) {
	if err := storeIsThere(stateDir); err != nil {
		return "", err
	}
	return journal.SetAside(StoreDir(stateDir), journal.Options{})
}

// gap makes the record that stands in the place of one that cannot be read. All beside each
// other are the same gap: whoever reads the first of them gets no other.
func gap(_ journal.UUID, index, from, to uint64) []byte {
	r := changelog.Record{Index: index, Type: changelog.Mark, Mark: &changelog.Marker{
		Kind: changelog.MarkGap, Reason: changelog.GapReadError, From: from, To: to, Lost: to - from + 1,
	}}
	return changelog.AppendNative(nil, &r)
}
