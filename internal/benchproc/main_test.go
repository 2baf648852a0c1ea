// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package benchproc

import (
	"fmt"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/goleak"
)

// asRelay makes this program a relay that only listens, see [listen].
const asRelay = "relay"

// TestMain checks that no goroutine outlives the tests: each has an owner that
// waits for it.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == asRelay {
		os.Exit(listen(os.Args[2:]))
	}
	goleak.VerifyTestMain(m)
}

// listen listens on all ports among the arguments until SIGTERM.
func listen(args []string) int {
	end := make(chan os.Signal, 1)
	signal.Notify(end, syscall.SIGTERM)
	for _, a := range args {
		if port, ok := strings.CutPrefix(a, "tcp://"); ok {
			l, err := net.Listen("tcp4", port)
			if err != nil {
				fmt.Fprintln(os.Stderr, err)
				return 1
			}
			defer l.Close()
		}
	}
	<-end
	return 0
}
