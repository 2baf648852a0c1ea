// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package kernelsource

import (
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"github.com/weir-io/weir/internal/kernel/tracefs"
)

// maxCPUs bounds what a list of processors may say.
const maxCPUs = 1 << 16

// cpus returns the processors whose rings can be read. The kernel has a directory
// for each that could ever be plugged in, but a ring only for those that have been
// online since the instance was made: the others cannot even be waited for. Who is
// known stays: its ring does when it goes offline.
func (s *Source) cpus(in *tracefs.Instance, known func(cpu int) bool) ([]int, error) {
	all, err := in.CPUs()
	if err != nil {
		return nil, err
	}
	text, err := fs.ReadFile(s.processors, "online")
	if err != nil {
		return all, nil // none can come or go where that is not told
	}
	online, err := parseCPUs(string(text))
	if err != nil {
		return nil, fmt.Errorf("processors that are online: %w", err)
	}
	return slices.DeleteFunc(all, func(cpu int) bool { return !known(cpu) && !slices.Contains(online, cpu) }), nil
}

// cpus are those whose rings of the channel can be read.
func (c *channel) cpus() ([]int, error) {
	return c.t.s.cpus(c.instance, func(cpu int) bool { return c.ledgers[cpu] != nil })
}

// parseCPUs reads a list such as "0-3,5".
func parseCPUs(text string) (cpus []int, err error) {
	for word := range strings.SplitSeq(strings.TrimSpace(text), ",") {
		low, high, isRange := strings.Cut(word, "-")
		if !isRange {
			high = low
		}
		from, err1 := strconv.Atoi(low)
		to, err2 := strconv.Atoi(high)
		if err1 != nil || err2 != nil || from < 0 || to < from || to >= maxCPUs {
			return nil, fmt.Errorf("list of processors %q: want numbers and ranges", text)
		}
		for n := from; n <= to; n++ {
			cpus = append(cpus, n)
		}
	}
	return cpus, nil
}
