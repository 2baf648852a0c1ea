// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package feedbench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/weir-io/weir/client/feed"
	"github.com/weir-io/weir/internal/benchproc"
	"github.com/weir-io/weir/internal/procstat"
)

// cleanupTimeout is how long making up for what a bench has made may take.
const cleanupTimeout = 30 * time.Second

// stand is a file system that an agent watches.
type stand struct {
	b      *Bench
	dir    string // of the agent
	fs     *fileSystem
	agent  *benchproc.Process
	client *feed.Client
	feed   feed.Info
	ends   int // how many times durable was called
}

// setting says what is watched, and how.
type setting struct {
	kind  string
	index string // "" is full
	files int    // that there is to be room for
	mask  string
	// before is called when the file system is mounted and not watched yet.
	before func(dir string) error
}

// with does something with a stand.
func (b *Bench) with(ctx context.Context, set setting, do func(*stand) error) (err error) {
	fs, err := b.mount(ctx, set.kind, set.files)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, fs.unmount()) }()
	if set.before != nil {
		if err := set.before(fs.dir); err != nil {
			return err
		}
	}
	dir, err := os.MkdirTemp(b.scratch, "agent-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	s := &stand{b: b, dir: dir, fs: fs}
	defer func() { err = errors.Join(err, s.end()) }()
	if err := s.start(ctx); err != nil {
		return err
	}
	if s.feed, err = s.client.Create(ctx, feed.CreateOptions{Source: fs.dir, Mode: feed.ModeExplicit, Index: set.index, Mask: set.mask}); err != nil {
		return s.agent.Explain(err)
	}
	if err := s.indexed(ctx); err != nil {
		return err
	}
	return s.agent.Explain(do(s))
}

// start starts the agent and waits until it answers.
func (s *stand) start(ctx context.Context) (err error) {
	s.agent, err = benchproc.Program{
		Name: "weir agent", Dir: s.dir,
		Command: []string{s.b.Weir, "agent", "--socket", filepath.Join(s.dir, "agent.sock"), "--state-dir", filepath.Join(s.dir, "state"), "--log-level", "warn"},
	}.Start()
	if err != nil {
		return err
	}
	return s.agent.Await(ctx, "it answers", func() bool {
		s.client, err = feed.Dial(ctx, filepath.Join(s.dir, "feed.sock"))
		return err == nil
	})
}

// indexed waits until the first scan has ended: only then it answers for paths.
func (s *stand) indexed(ctx context.Context) error { return s.durable(ctx) }

// durable returns when all that was done before it is in the journal: a directory
// that it makes is there, too.
func (s *stand) durable(ctx context.Context) error {
	s.ends++
	path := s.fs.path(fmt.Sprintf("end-%d", s.ends))
	if err := os.Mkdir(path, 0o700); err != nil {
		return err
	}
	fid, err := fidAt(path)
	if err != nil {
		return err
	}
	for {
		paths, err := s.client.Resolve(ctx, s.fs.dir, fid.String())
		if len(paths) > 0 {
			return nil
		}
		var refused *feed.Error
		if err != nil && !errors.As(err, &refused) {
			return s.agent.Explain(err)
		}
		if err := benchproc.Pause(ctx, time.Millisecond); err != nil {
			return err
		}
	}
}

// records is the index of the last record.
func (s *stand) records(ctx context.Context) (uint64, error) {
	i, err := s.client.Info(ctx, s.feed.ID)
	return i.Last, err
}

// clock reads what the agent has run.
func (s *stand) clock() (procstat.Clock, error) {
	return procstat.ReadClock(procstat.Host(), s.agent.PID())
}

// resident reads what the agent has in memory, now and at most so far, in MB.
func (s *stand) resident() (now, peak float64, err error) {
	m, err := procstat.ReadMemory(procstat.Host(), s.agent.PID())
	return float64(m.Resident) / 1e6, float64(m.Peak) / 1e6, err
}

// end destroys the feeds, so that nothing holds the file system, and stops the agent.
func (s *stand) end() error {
	if s.agent == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), cleanupTimeout)
	defer cancel()
	var err error
	if s.client != nil && s.agent.Alive() {
		all, lerr := s.client.List(ctx)
		err = lerr
		for i := range all {
			err = errors.Join(err, s.client.Destroy(ctx, all[i].ID))
		}
		err = errors.Join(err, s.client.Close())
	}
	return errors.Join(err, s.agent.End(syscall.SIGTERM))
}

// consumer opens a feed and reads it until ctx ends, batch by batch.
func (s *stand) consume(ctx context.Context, id string, batch func(*feed.Consumer, *feed.Batch) error) error {
	n, err := s.client.Open(ctx, id, feed.OpenOptions{Format: feed.FormatNative})
	if err != nil {
		return err
	}
	defer n.Close()
	for {
		got, err := n.Read(ctx, feed.ReadOptions{Wait: -1, MaxRecords: 4000})
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		if err := batch(n, got); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
	}
}
