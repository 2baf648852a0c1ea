// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracepoint

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// The code of the guide is that of the example, which runs.
func TestGuide(t *testing.T) {
	guide, err := os.ReadFile("../docs/guide/add-tracepoints-to-a-go-service.md")
	if err != nil {
		t.Fatal(err)
	}
	example, err := os.ReadFile("example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(string(guide), -1)
	if len(blocks) < 3 {
		t.Errorf("%d blocks of code in the guide, want 3 at least", len(blocks))
	}
	for _, b := range blocks {
		if !strings.Contains(string(example), b[1]) {
			t.Errorf("code of the guide that is not the example's:\n%s", b[1])
		}
	}
}
