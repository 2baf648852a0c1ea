// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bufio"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/weir-io/weir/internal/peer"
)

// Tasks that wait for a processor raise an alarm while nobody is asked: the period
// is longer than the patience of tests.
func TestStallAlarm(t *testing.T) {
	if _, err := os.ReadFile("/proc/pressure/cpu"); err != nil {
		peer.Lack(t, "a kernel with pressure stall information")
	}
	daemon := command(t, "weir", "xmlsysd", "--listen", "127.0.0.1:0")
	address := strings.TrimPrefix(started(t, daemon, "xmlsysd at ")[0], "xmlsysd at ")
	file := filepath.Join(t.TempDir(), "wulfhosts")
	text := "<wulfstat><hostlist>" + address + "</hostlist><alarm id='crowded'><psi>cpu some 0.005 0.5</psi><level>warn</level></alarm></wulfstat>"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	stat := command(t, "weir", "stat", "-f", file, "-d", "60", "-v")
	out, err := stat.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := stat.Start(); err != nil {
		t.Fatal(err)
	}
	var end atomic.Bool
	var crowd sync.WaitGroup
	before := runtime.GOMAXPROCS(4 * runtime.NumCPU())
	for range 3 * runtime.NumCPU() {
		crowd.Go(func() { // ends with the flag
			runtime.LockOSThread()
			for !end.Load() {
				_ = time.Now()
			}
		})
	}
	told := false
	for in := bufio.NewScanner(out); !told && in.Scan(); {
		told = strings.Contains(in.Text(), "msg=alarm host="+address+" alarm=crowded level=warn")
	}
	end.Store(true)
	crowd.Wait()
	runtime.GOMAXPROCS(before)
	if !told {
		t.Error("no alarm")
	}
	if err := stat.Process.Signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	_ = stat.Wait() // what it has to say was read
}
