// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package version

import (
	"regexp"
	"runtime"
	"testing"
)

func TestGet(t *testing.T) {
	info := Get()
	if !regexp.MustCompile(`^\d+\.\d+\.\d+$`).MatchString(info.Version) {
		t.Errorf("Version = %q, want three numbers", info.Version)
	}
	if info.Go != runtime.Version() || info.Platform != runtime.GOOS+"/"+runtime.GOARCH {
		t.Errorf("Get() = %+v, want this Go release and platform", info)
	}
}
