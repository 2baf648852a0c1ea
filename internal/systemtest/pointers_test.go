// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package systemtest

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// timerPointers finds the two pointers of the kernel's in the start of a timer.
var timerPointers = regexp.MustCompile(`timer_hrtimer_start: .* hrtimer = (0x[0-9A-F]+), function = (0x[0-9A-F]+)`)

// TestKernelHashPointers records timers with two sessions at once: where one has an
// address of the kernel's the other has a number that is always the same for it,
// and tells nothing else.
func TestKernelHashPointers(t *testing.T) {
	isolated(t, func(m *machine) {
		a := m.startAgent()
		w := m.writer("weirhash")
		outs := make(map[string]string)
		for _, name := range []string{"plain", "hashed"} {
			outs[name] = filepath.Join(m.dir, name)
			args := []string{"create", name, "-o", outs[name]}
			if name == "hashed" {
				args = append(args, "--hash-pointers")
			}
			a.do(args...)
			a.do("enable-event", "-k", "timer:hrtimer_start", "-f", fmt.Sprintf(`$ctx.procname == "%s"`, filepath.Base(w)))
		}
		for name := range outs {
			a.do("start", name)
		}
		m.run(w, "if=/dev/zero", "of=/dev/null", "bs=64k", "count=20000") // long enough for the timer of the scheduler's tick
		for name := range outs {
			a.do("stop", name)
			a.do("destroy", name)
		}
		found := make(map[string][][]string)
		for name, out := range outs {
			for line := range strings.Lines(m.run("babeltrace2", out)) {
				if match := timerPointers.FindStringSubmatch(line); match != nil {
					found[name] = append(found[name], match[1:])
				}
			}
		}
		plain, hashed := found["plain"], found["hashed"]
		if len(plain) < 2 || len(plain) != len(hashed) {
			m.Fatalf("%d timers started with pointers, %d with hashes; want the same, 2 at least", len(plain), len(hashed))
		}
		hashOf, ofHash := make(map[string]string), make(map[string]string)
		for i := range plain {
			for j, address := range plain[i] {
				hash := hashed[i][j]
				switch {
				case !strings.HasPrefix(address, "0xFFFF"):
					m.Errorf("pointer %s: want an address of the kernel's", address)
				case hash == address:
					m.Errorf("pointer %s is not hashed", address)
				case hashOf[address] != "" && hashOf[address] != hash, ofHash[hash] != "" && ofHash[hash] != address:
					m.Errorf("pointer %s has hash %s, before %s of %s", address, hash, hashOf[address], ofHash[hash])
				}
				hashOf[address], ofHash[hash] = hash, address
			}
		}
		a.end()
	})
}
