// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relaytest_test

import (
	"os"
	"testing"

	"github.com/weir-io/weir/internal/tail"
)

// TestMain answers for the guard process too: a relay that is started with one
// starts this executable, which must never run the tests again instead.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == "guard" {
		os.Exit(tail.GuardMain(os.Args[2]))
	}
	os.Exit(m.Run())
}
