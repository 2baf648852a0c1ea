// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package version says which weir this is.
package version

import (
	"runtime"
	"runtime/debug"
)

// Number is the version of this source tree. CHANGELOG.md has an entry for it.
const Number = "0.1.0"

// Info describes the running program.
type Info struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"` // commit; absent when built without version control
	Modified bool   `json:"modified,omitempty"` // the work tree differed from the commit
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

// Get returns the description of the running program.
func Get() Info {
	info := Info{Version: Number, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	build, ok := debug.ReadBuildInfo()
	if !ok {
		return info
	}
	for _, s := range build.Settings {
		switch s.Key {
		case "vcs.revision":
			info.Revision = s.Value
		case "vcs.modified":
			info.Modified = s.Value == "true"
		}
	}
	return info
}
