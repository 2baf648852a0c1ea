// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"os"
	"path/filepath"

	"github.com/weir-io/weir/client/agent"
)

// currentOutput returns the directory of the current session's trace, or "."
// where there is none: without a session, a daemon, or with a trace elsewhere.
func currentOutput(ctx context.Context) string {
	const here = "."
	name, err := readCurrentSession(os.Getenv)
	if err != nil || name == "" {
		return here
	}
	if ctx == nil {
		ctx = context.Background()
	}
	ctx, cancel := context.WithTimeout(ctx, completeTimeout)
	defer cancel()
	api := agent.New("")
	defer api.Close()
	s, err := api.Session(ctx, name)
	if err != nil || !filepath.IsAbs(s.Output) {
		return here
	}
	return s.Output
}
