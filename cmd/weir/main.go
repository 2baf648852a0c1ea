// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Command weir observes a cluster of Linux hosts from one place. Called by the
// name lttng-relayd it is a drop-in replacement of that daemon.
package main

import (
	"os"

	"github.com/weir-io/weir/internal/cli"
)

func main() {
	os.Exit(cli.Main(os.Args, os.Stdout, os.Stderr))
}
