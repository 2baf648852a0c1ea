// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"flag"
	"testing"
	"time"

	"github.com/weir-io/weir/internal/feed/fstest"
)

var lasting = flag.Duration("lasting", 700*time.Millisecond, "how long a storm of another program lasts")

// Programs that were not made for weir change all that they can.
func TestReplayOfOthersStormsIsTheDisk(t *testing.T) {
	for name := range fstest.Storms {
		for _, kind := range fstest.Kinds {
			t.Run(name+"/"+kind, func(t *testing.T) {
				fs := fstest.New(t, kind)
				s := watch(t, memory(t), fs.Dir)
				before := onDisk(t, fs.Dir)
				<-fstest.Storm(t, name, fs.Dir, *lasting)
				all := s.replayed(before)
				if reasons := gaps(all); reasons != nil || len(all) < 50 {
					t.Errorf("got %d records and gaps %q, want many and none", len(all), reasons)
				}
				t.Logf("%d records", len(all))
			})
		}
	}
}
