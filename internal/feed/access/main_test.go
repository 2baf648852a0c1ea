// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package access

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/weir-io/weir/internal/feed/fstest"
)

// lookerEnv is set in the process that tells what a user sees.
const lookerEnv = "WEIR_ACCESS_LOOK"

func TestMain(m *testing.M) {
	if os.Getenv(lookerEnv) != "" {
		look()
		return
	}
	fstest.Main(m)
}

// sight is what ls and stat show a user of a directory.
type sight struct {
	List   bool     // ls works
	Search bool     // stat of what is in it works
	Names  []string // that ls shows
}

// look reads paths of directories, and prints what the user who runs it sees of them.
func look() {
	seen := map[string]sight{}
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		dir := in.Text()
		var s sight
		if entries, err := os.ReadDir(dir); err == nil {
			s.List = true
			for _, e := range entries {
				s.Names = append(s.Names, e.Name())
			}
		}
		_, err := os.Lstat(filepath.Join(dir, probe))
		s.Search = err == nil
		seen[dir] = s
	}
	if err := json.NewEncoder(os.Stdout).Encode(seen); err != nil {
		os.Exit(1)
	}
}
