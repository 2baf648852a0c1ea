// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package sink

import (
	"fmt"
	"os"
	"testing"

	"github.com/weir-io/weir/internal/feed/fstest"
)

func TestMain(m *testing.M) {
	var err error
	switch {
	case os.Getenv(envSocket) != "":
		err = childMain()
	case os.Getenv(envDo) != "":
		err = doMain(os.Getenv(envDo))
	default:
		fstest.Main(m)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}
