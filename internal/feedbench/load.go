// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package feedbench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Kind is what a load does.
type Kind string

// Kinds of loads.
const (
	Churn  Kind = "churn"  // each file is made, written, renamed and removed, by each thread in its directory
	Make   Kind = "make"   // files are made and stay, 1000 in a directory
	Stamp  Kind = "stamp"  // files are made whose names tell when
	Keep   Kind = "keep"   // files of ever new names, of which every other one is removed
	Random Kind = "random" // all that changes names, on few names, so that threads meet
)

// operations is how many changes each file of a kind is.
var operations = map[Kind]int{Churn: 4, Make: 1, Stamp: 1, Keep: 2, Random: 1}

// LoadKinds lists them.
func LoadKinds() []Kind { return []Kind{Churn, Make, Stamp, Keep, Random} }

// Load changes files. It runs in a process of its own.
type Load struct {
	Kind    Kind
	Dir     string
	Threads int
	Count   int // files in all; 0: until its input ends
	Rate    int // files a second in all; 0: as fast as may be
	Seed    uint64
}

// Loaded is what a load has done.
type Loaded struct {
	Files      int           `json:"files"`
	Operations int           `json:"operations"`
	Took       time.Duration `json:"took"`
	CPU        time.Duration `json:"cpu"`
}

// readyLine is what a load says when it waits for a byte of its input to begin.
const readyLine = "ready"

// Run waits for a byte, changes files and prints, as JSON, what it has done.
func (l *Load) Run(ctx context.Context, stdin io.Reader, stdout io.Writer) error {
	if _, err := fmt.Fprintln(stdout, readyLine); err != nil {
		return err
	}
	if _, err := io.ReadFull(stdin, make([]byte, 1)); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if l.Count == 0 {
		go func() { // ends with the input, which is the bench's
			defer cancel()
			_, _ = io.Copy(io.Discard, stdin)
		}()
	}
	before, err := ownCPU()
	if err != nil {
		return err
	}
	begun := time.Now()
	files, err := l.work(ctx, begun)
	if err != nil {
		return err
	}
	took := time.Since(begun)
	after, err := ownCPU()
	if err != nil {
		return err
	}
	return json.NewEncoder(stdout).Encode(Loaded{Files: files, Operations: files * operations[l.Kind], Took: took, CPU: after - before})
}

func ownCPU() (time.Duration, error) {
	var u unix.Rusage
	err := unix.Getrusage(unix.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), err
}

// work has the threads change files until all is done or ctx ends.
func (l *Load) work(ctx context.Context, begun time.Time) (files int, err error) {
	threads := max(l.Threads, 1)
	var next atomic.Int64
	done := make([]int, threads)
	errs := make([]error, threads)
	var group sync.WaitGroup
	for t := range threads {
		group.Go(func() {
			one, end, err := l.thread(t)
			if err != nil {
				errs[t] = err
				return
			}
			defer func() { errs[t] = errors.Join(errs[t], end()) }()
			for errs[t] == nil && ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if l.Count > 0 && i >= l.Count {
					return
				}
				if l.Rate > 0 {
					at := begun.Add(time.Duration(i) * time.Second / time.Duration(l.Rate))
					if pauseUntil(ctx, at) != nil {
						return
					}
				}
				errs[t] = one(i)
				done[t]++
			}
		})
	}
	group.Wait()
	for _, n := range done {
		files += n
	}
	return files, errors.Join(errs...)
}

func pauseUntil(ctx context.Context, at time.Time) error {
	d := time.Until(at)
	if d <= 0 {
		return nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// thread begins the t-th thread: one changes the i-th file.
func (l *Load) thread(t int) (one func(i int) error, end func() error, err error) {
	if l.Kind != Churn {
		r := rand.New(rand.NewPCG(l.Seed, uint64(t)))
		return func(i int) error { return l.one(i, r) }, func() error { return nil }, nil
	}
	c, err := newChurner(filepath.Join(l.Dir, "thread-"+strconv.Itoa(t)))
	if err != nil {
		return nil, nil, err
	}
	runtime.LockOSThread() // until the goroutine ends, and the thread with it
	return c.one, c.close, nil
}

// one changes the i-th file of a kind that all threads make in the same directories.
func (l *Load) one(i int, r *rand.Rand) error {
	path := func(prefix string) string { return filepath.Join(l.Dir, prefix+strconv.Itoa(i)) }
	switch l.Kind {
	case Make:
		dir := filepath.Join(l.Dir, "d"+strconv.Itoa(i/perDirectory))
		if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		return makeFile(filepath.Join(dir, "file-"+strconv.Itoa(i)), "")
	case Stamp:
		return makeFile(filepath.Join(l.Dir, stampPrefix+strconv.FormatInt(time.Now().UnixNano(), 10)), "")
	case Keep:
		c := path(keepPrefix)
		if err := makeFile(c, "x"); err != nil || i%2 != 0 {
			return err
		}
		return unix.Unlink(c)
	case Random:
		tryOne(r, l.Dir)
		return nil
	}
	return fmt.Errorf("load: kind %q, want one of %v", l.Kind, LoadKinds())
}

const (
	perDirectory = 1000
	stampPrefix  = "at-" // nanoseconds since 1970 follow
	keepPrefix   = "c"   // the number of the file follows
)

// makeFile makes a file by as few calls as there are.
func makeFile(path, content string) error {
	fd, err := unix.Open(path, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC, 0o644)
	if err != nil {
		return &fs.PathError{Op: "open", Path: path, Err: err}
	}
	if content != "" {
		_, err = unix.Write(fd, []byte(content))
	}
	return errors.Join(err, unix.Close(fd))
}

// tryOne tries one operation; most fail for want of names.
func tryOne(r *rand.Rand, dir string) {
	pick := func() string {
		p := dir
		for range r.IntN(3) {
			p = filepath.Join(p, "d"+strconv.Itoa(r.IntN(3)))
		}
		return filepath.Join(p, string("df"[r.IntN(2)])+strconv.Itoa(r.IntN(4)))
	}
	a, b := pick(), pick()
	switch r.IntN(11) {
	case 0, 1:
		_ = os.WriteFile(a, []byte("x"), 0o600)
	case 2, 3:
		_ = os.Mkdir(a, 0o700)
	case 4:
		_ = os.Remove(a)
	case 5, 6:
		_ = os.Rename(a, b)
	case 7:
		_ = os.Link(a, b)
	case 8:
		_ = os.Symlink("x", a)
	case 9:
		_ = unix.Renameat2(unix.AT_FDCWD, a, unix.AT_FDCWD, b, unix.RENAME_EXCHANGE)
	case 10:
		_ = os.Chmod(a, fs.FileMode(0o700|r.IntN(64)))
	}
}
