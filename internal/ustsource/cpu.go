// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ustsource

import (
	"runtime"
	"strconv"
	"strings"

	"github.com/weir-io/weir/internal/ust/ring"
)

// lastCPU is the highest number in a list of processors such as 0-3,8; -1 for none.
func lastCPU(list string) int {
	list = strings.TrimSpace(list)
	n, err := strconv.Atoi(list[strings.LastIndexAny(list, "-,")+1:])
	if err != nil || n < 0 || n >= ring.MaxStreams {
		return -1
	}
	return n
}

func onlineCPUs() int { return runtime.NumCPU() }
