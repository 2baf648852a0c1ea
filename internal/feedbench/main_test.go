// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package feedbench

import (
	"testing"

	"github.com/weir-io/weir/internal/feed/fstest"
)

func TestMain(m *testing.M) { fstest.Main(m) }
