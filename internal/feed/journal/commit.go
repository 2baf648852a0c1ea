// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package journal

import (
	"context"
	"fmt"
	"sync"

	"github.com/cockroachdb/pebble/v2"
)

// change is a batch on its way to the disk.
type change struct {
	*pebble.Batch
	enter func() error       // called before the batch enters the database, when its place in the order is known; may be nil
	done  func(order uint64) // called when it is written
	end   func()             // called when it is, or never will be; may be nil
}

// commit writes a batch durably, and calls done when it is written. The batch is there
// as a whole or not at all. Who gets an error of start knows that it is not; otherwise
// await tells, or gives up when the disk refuses or ctx ends, and then nobody knows.
func (d *database) commit(ctx context.Context, pb *pebble.Batch, done func(order uint64)) error {
	return d.commitChange(ctx, change{Batch: pb, done: done})
}

func (d *database) commitChange(ctx context.Context, c change) error {
	result, err := d.startChange(c)
	if err != nil {
		return err
	}
	return d.await(ctx, result)
}

// start lets a goroutine write a batch and call done with its place in the order of
// commits.
func (d *database) start(pb *pebble.Batch, done func(order uint64)) (result <-chan error, err error) {
	return d.startChange(change{Batch: pb, done: done})
}

func (d *database) startChange(c change) (<-chan error, error) {
	if c.end == nil {
		c.end = func() {}
	}
	if _, err := d.disk.health(); err != nil {
		c.end()
		c.Close()
		return nil, err
	}
	result := make(chan error, 1)
	d.writers.Add(1)
	go func() { // ends with the commit; Close waits for it, or abandons it
		defer d.writers.Done()
		order, err := d.write(&c)
		if err == nil {
			c.done(order)
		}
		c.end()
		result <- err
	}()
	return result, nil
}

// await waits for what start has started.
func (d *database) await(ctx context.Context, result <-chan error) error {
	for {
		trouble, err := d.disk.health()
		if err != nil {
			select {
			case err := <-result:
				return err
			default:
				return err
			}
		}
		select {
		case err := <-result:
			return err
		case <-trouble: // perhaps over already
		case <-ctx.Done():
			return fmt.Errorf("feed store %s: commit: %w", d.dir, context.Cause(ctx))
		}
	}
}

// write is the commit itself.
func (d *database) write(c *change) (order uint64, err error) {
	order, err = d.enqueue(c)
	if err != nil {
		return 0, err
	}
	err = c.SyncWait()
	if failed := d.disk.failed(); failed != nil {
		return 0, failed
	}
	if err != nil {
		d.disk.fail(err)
		return 0, err
	}
	return order, c.Close()
}

// enqueue hands a batch to the database. Whatever that chokes on is the end of the
// store: its locks are not released any more.
func (d *database) enqueue(c *change) (order uint64, err error) {
	d.commitMu.Lock()
	defer d.commitMu.Unlock()
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("feed store %s: commit: %v", d.dir, r)
			d.disk.fail(err)
		}
	}()
	if err := d.disk.failed(); err != nil {
		return 0, err
	}
	if c.enter != nil {
		if err := c.enter(); err != nil {
			return 0, err
		}
	}
	d.commits++
	return d.commits, d.db.ApplyNoSyncWait(c.Batch, pebble.Sync)
}

// put commits one value.
func (d *database) put(ctx context.Context, key, value []byte, done func(order uint64)) error {
	pb := d.db.NewBatch()
	if err := pb.Set(key, value, nil); err != nil {
		return err
	}
	if done == nil {
		done = func(uint64) {}
	}
	return d.commit(ctx, pb, done)
}

// room refuses batches while there is less room than what is kept for trimming.
func (d *database) room() error { return d.leave(d.opts.ReserveBytes, 8, "trimming") }

// roomToOpen refuses to open without room for the files that opening writes.
func (d *database) roomToOpen() error {
	if d.opts.salvage {
		return nil
	}
	return d.leave(int64(d.opts.MemTableBytes), 32, "opening")
}

// leave tells that less than keep bytes are free, or less than one part of the file
// system if that is less.
func (d *database) leave(keep int64, part uint64, what string) error {
	usage, err := d.opts.FS.GetDiskUsage(d.dir)
	if err != nil {
		return nil // not every file system knows
	}
	least := min(uint64(max(keep, 0)), usage.TotalBytes/part)
	if usage.AvailBytes >= least {
		return nil
	}
	return &RoomError{Dir: d.dir, Free: usage.AvailBytes, Least: least, What: what}
}

// users counts who is inside of a store, so that Close waits for them.
type users struct {
	mu      sync.Mutex
	n       int
	closing bool
	none    sync.Cond
}

func (u *users) init() { u.none.L = &u.mu }

func (u *users) enter() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.closing {
		return ErrClosed
	}
	u.n++
	return nil
}

func (u *users) isClosing() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.closing
}

func (u *users) exit() {
	u.mu.Lock()
	if u.n--; u.n == 0 && u.closing {
		u.none.Broadcast()
	}
	u.mu.Unlock()
}

// close lets nobody in any more and waits until all are out. It returns false if it
// was called before.
func (u *users) close() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.closing {
		return false
	}
	u.closing = true
	for u.n > 0 {
		u.none.Wait()
	}
	return true
}
