// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package statbench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/bench"
	"github.com/weir-io/weir/internal/benchproc"
	"github.com/weir-io/weir/xmlsysd"
)

// hungPause is between two messages, so that the slow readers get on.
const hungPause = 5 * time.Millisecond

// hung measures how much later messages come while a file system is mounted that
// never answers, and how long it takes until that is said to be stale. It needs the
// rights to mount.
func (b *Bench) hung(ctx context.Context) (_ []bench.Row, err error) {
	late := bench.Row{Name: "hung mount, added latency", Unit: "ms", Bar: &bench.Bar{Most: true, Must: 10, Aim: 10}}
	stale := bench.Row{Name: "hung mount, until stale", Unit: "s", Bar: &bench.Bar{Most: true, Must: 2, Aim: 2}}
	without, _, err := b.latency(ctx, "")
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(b.Dir, "hung-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.Remove(dir)) }()
	unmount, err := mountDead(dir)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(unmount(), err) }()
	with, after, err := b.latency(ctx, dir)
	if err != nil {
		return nil, err
	}
	late.Set([]float64{max(0, slices.Max(with)-slices.Max(without))})
	late.Note = fmt.Sprintf("slowest of %d messages: %.2f ms, without %.2f; median %.2f, without %.2f",
		len(with), slices.Max(with), slices.Max(without), bench.Median(with), bench.Median(without))
	stale.Set([]float64{after.Seconds()})
	return []bench.Row{late, stale}, nil
}

// mountDead mounts a file system whose program never answers.
func mountDead(dir string) (unmount func() error, err error) {
	fd, err := unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open /dev/fuse: %w", err)
	}
	if err := unix.Mount("dead", dir, "fuse.dead", 0, fmt.Sprintf("fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other", fd)); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("mount a file system of FUSE at %s: %w", dir, err)
	}
	return func() error {
		unix.Close(fd) // whoever hangs gets an error
		return unix.Unmount(dir, unix.MNT_DETACH)
	}, nil
}

// latency starts a daemon and asks it for the default set. It returns how long each
// message took in ms, and after how long the mount was said to be stale; "": none.
func (b *Bench) latency(ctx context.Context, mount string) (took []float64, stale time.Duration, err error) {
	err = b.using(func(d *daemon) error {
		c, err := d.dial(ctx, "default")
		if err != nil {
			return err
		}
		defer c.Close()
		began := time.Now()
		for len(took) < b.sizes.hung || mount != "" && stale == 0 {
			at := time.Now()
			body, err := c.Sample(ctx)
			if err != nil {
				return err
			}
			if took = append(took, float64(time.Since(at))/1e6); mount != "" && stale == 0 {
				if isStale(body, mount) {
					stale = time.Since(began)
				}
			}
			if time.Since(began) > scrapeTime {
				return fmt.Errorf("%s is not stale after %v", mount, scrapeTime)
			}
			if err := benchproc.Pause(ctx, hungPause); err != nil {
				return err
			}
		}
		return nil
	})
	return took, stale, err
}

// isStale tells whether a message says so of a mount.
func isStale(body []byte, mount string) bool {
	d, err := xmlsysd.ParseDocument(body)
	if err != nil {
		return false
	}
	text, err := d.Text(fmt.Sprintf("system/filesystems/fs[@id=%q]/stale", mount))
	return err == nil && text == "1"
}
