// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"
)

// storm has a process make a storm on the source, and returns what is closed at its end.
func (m *mirrored) storm(seed uint64, workers, tries int) <-chan struct{} {
	m.t.Helper()
	c := exec.Command("/proc/self/exe")
	c.Env = append(os.Environ(), fmt.Sprintf("%s=%d %d %d %s", envStorm, seed, workers, tries, m.src.Dir))
	c.Stderr = m.t.Output()
	must(m.t, c.Start())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := c.Wait(); err != nil {
			m.t.Errorf("storm: %v", err)
		}
	}()
	return done
}

// storm has several workers do all that changes a file system, at random and on few
// names, so that they meet.
func storm(seed uint64, dir string, workers, tries int) {
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(seed, uint64(w)))
			for range tries {
				tryOne(r, dir)
			}
		})
	}
	wg.Wait()
}

// tryOne tries one operation; most fail for want of names.
func tryOne(r *rand.Rand, dir string) {
	pick := func() string {
		p := dir
		for range r.IntN(3) {
			p = filepath.Join(p, fmt.Sprintf("d%d", r.IntN(3)))
		}
		return filepath.Join(p, fmt.Sprintf("%c%d", "df"[r.IntN(2)], r.IntN(4)))
	}
	a, b := pick(), pick()
	switch r.IntN(13) {
	case 0, 1:
		_ = os.WriteFile(a, fmt.Append(nil, r.Uint64()), 0o600)
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
	case 11:
		_ = unix.Setxattr(a, "user.x", fmt.Append(nil, r.IntN(3)), 0)
	case 12:
		_ = os.Truncate(a, int64(r.IntN(5000)))
	}
}
