// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"fmt"
	"os"
	"testing"

	"github.com/weir-io/weir/internal/feed/fstest"
)

// envStorm has the process make a storm instead: "SEED WORKERS TRIES DIR". The agent
// leaves out what its own process does.
const envStorm = "WEIR_MIRROR_STORM"

func TestMain(m *testing.M) {
	if text := os.Getenv(envStorm); text != "" {
		var seed uint64
		var workers, tries int
		var dir string
		if _, err := fmt.Sscan(text, &seed, &workers, &tries, &dir); err != nil {
			fmt.Fprintln(os.Stderr, envStorm, err)
			os.Exit(1)
		}
		storm(seed, dir, workers, tries)
		return
	}
	if text := os.Getenv(envMirror); text != "" {
		fmt.Fprintln(os.Stderr, "mirror:", mirrorMain(text))
		os.Exit(1)
	}
	fstest.Main(m)
}
