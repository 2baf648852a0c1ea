// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package fstest

import (
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"
)

// Change changes the object at a path, if there is one.
type Change func(r *rand.Rand, path string)

// Scramble has several workers do all that changes names, modes and contents below a
// directory, and more, at random and on few names, so that they meet. Each tries so many
// operations; most fail for want of names.
func Scramble(seed uint64, dir string, workers, tries int, more ...Change) {
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(seed, uint64(w)))
			for range tries {
				scrambleOne(r, dir, more)
			}
		})
	}
	wg.Wait()
}

func scrambleOne(r *rand.Rand, dir string, more []Change) {
	pick := func() string {
		p := dir
		for range r.IntN(3) {
			p = filepath.Join(p, fmt.Sprintf("d%d", r.IntN(3)))
		}
		return filepath.Join(p, fmt.Sprintf("%c%d", "df"[r.IntN(2)], r.IntN(4)))
	}
	a, b := pick(), pick()
	switch i := r.IntN(11 + len(more)); i {
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
	default:
		more[i-11](r, a)
	}
}

// Truncate gives a file another length.
func Truncate(r *rand.Rand, path string) { _ = os.Truncate(path, int64(r.IntN(5000))) }
