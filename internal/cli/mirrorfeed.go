// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"

	"github.com/weir-io/weir/client/feed"
	"github.com/weir-io/weir/internal/feed/mirror"
)

// mirrorFeed is the feed of a mirror, which is opened after its target, and again when the
// agent has come back: what the mirror has done it has cancelled.
type mirrorFeed struct {
	*feed.Consumer
	call   *feedCall
	reopen feedOpener // nil: it ends with the agent
}

// Read reads a batch.
func (f *mirrorFeed) Read(ctx context.Context, o feed.ReadOptions) (b *feed.Batch, err error) {
	err = f.outlive(func() (err error) {
		b, err = f.Consumer.Read(ctx, o)
		return err
	})
	return b, err
}

// Cancel cancels what is done.
func (f *mirrorFeed) Cancel(ctx context.Context, through uint64) (cancelled uint64, err error) {
	err = f.outlive(func() (err error) {
		cancelled, err = f.Consumer.Cancel(ctx, through)
		return err
	})
	return cancelled, err
}

func (f *mirrorFeed) outlive(do func() error) error {
	for {
		err := do()
		if err == nil {
			return nil
		}
		if err := f.await(err); err != nil {
			return err
		}
	}
}

// await waits for an agent that is gone, and opens the feed again. The error is why where that
// is nothing to wait for.
func (f *mirrorFeed) await(why error) error {
	if f.reopen == nil || f.Consumer == nil || f.call.ctx.Err() != nil || !agentGone(why) {
		return why
	}
	f.Close()
	n, err := f.call.openAgain(why, f.reopen)
	if n == nil {
		return errors.Join(err, f.call.ctx.Err())
	}
	f.Consumer = n
	return nil
}

// feed finds the mirror's feed, or creates it.
func (m *mirrorFlags) feed(call *feedCall) (feed.Info, error) {
	id, err := mirror.StoredFeed(m.opts.Target)
	if err != nil {
		return feed.Info{}, err
	}
	if id != "" {
		info, err := call.api.Info(call.ctx, id)
		if !errors.Is(err, &feed.Error{Code: feed.CodeNotFound}) {
			return info, err
		}
	}
	name := mirrorName(call, m.opts.Target)
	info, err := call.api.Info(call.ctx, name) // of a mirror that was killed before it wrote that down
	if err != nil && !errors.Is(err, &feed.Error{Code: feed.CodeNotFound}) {
		return info, err
	}
	if err == nil && !m.anew && !mirror.Begun(m.opts.Target) {
		return info, fmt.Errorf("target %s: feed %s is that of a mirror of %s there, and no mirror is there: is its file system mounted? --begin-anew copies all again",
			m.opts.Target, feedLabel(&info), info.Place())
	}
	if beginErr := mirror.Begin(m.opts); beginErr != nil {
		return info, beginErr
	}
	if err == nil && !m.isOf(call, &info) {
		// Of another directory that was mirrored there, before the target was removed.
		if err := call.api.Destroy(call.ctx, info.ID); err != nil {
			return info, err
		}
		err = &feed.Error{Code: feed.CodeNotFound}
	}
	if errors.Is(err, &feed.Error{Code: feed.CodeNotFound}) {
		info, err = call.api.Create(call.ctx, feed.CreateOptions{Name: name, Source: m.opts.Source, Mode: feed.ModeExplicit})
	}
	return info, err
}

// mirrorName is that of a mirror's feed. Copies on other hosts have other names.
func mirrorName(call *feedCall, target string) string {
	if call.api.Remote() {
		if host, err := os.Hostname(); err == nil {
			target = host + ":" + target
		}
	}
	return fmt.Sprintf("mirror-%08x", crc32.ChecksumIEEE([]byte(target)))
}

// isOf reports whether a feed is of the source.
func (m *mirrorFlags) isOf(call *feedCall, info *feed.Info) bool {
	if call.api.Remote() { // another host's, where paths cannot be compared better
		return filepath.Clean(info.Place()) == m.opts.Source
	}
	return sameDirectory(info.Place(), m.opts.Source)
}

// sameDirectory reports whether two paths lead to the same directory.
func sameDirectory(a, b string) bool {
	x, err := os.Stat(a)
	if err != nil {
		return false
	}
	y, err := os.Stat(b)
	return err == nil && os.SameFile(x, y)
}
