// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/feed/fstest"
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

// storm has several workers do all that changes what a mirror copies.
func storm(seed uint64, dir string, workers, tries int) {
	fstest.Scramble(seed, dir, workers, tries, func(r *rand.Rand, path string) {
		_ = unix.Setxattr(path, "user.x", fmt.Append(nil, r.IntN(3)), 0)
	}, fstest.Truncate)
}
