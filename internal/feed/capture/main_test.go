// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"fmt"
	"os"
	"testing"

	"github.com/weir-io/weir/internal/feed/fstest"
)

func TestMain(m *testing.M) {
	if os.Getenv(envDir) != "" {
		fmt.Fprintln(os.Stderr, "worker:", workerMain())
		os.Exit(1)
	}
	fstest.Main(m)
}
