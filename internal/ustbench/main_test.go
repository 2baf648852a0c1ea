// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ustbench

import (
	"testing"

	"go.uber.org/goleak"
)

// TestMain checks that no goroutine outlives the tests: each has an owner that
// waits for it.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
