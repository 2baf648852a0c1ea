// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package sink

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"testing"
	"time"

	client "github.com/weir-io/weir/client/feed"
	"github.com/weir-io/weir/internal/feed/fstest"
)

var kills = flag.Int("kills", 6, "how often a sink is killed during a storm")

// sink process: run by the tests as a child, with these variables.
const (
	envSocket = "WEIR_SINK_SOCKET"
	envFeed   = "WEIR_SINK_FEED"
	envDir    = "WEIR_SINK_DIR"
	envTo     = "WEIR_SINK_TO"
)

// childMain is the child: it follows the feed until it is killed.
func childMain() error {
	ctx := context.Background()
	api, err := client.Dial(ctx, os.Getenv(envSocket))
	if err != nil {
		return err
	}
	n, err := api.Open(ctx, os.Getenv(envFeed), client.OpenOptions{})
	if err != nil {
		return err
	}
	tree, err := OpenTree(os.Getenv(envDir))
	if err != nil {
		return err
	}
	said := false
	s, err := Open(ctx, Options{
		Feed: n, Info: n.Info(), Tree: tree, To: os.Getenv(envTo), Audit: true, Batch: 50,
		Log: slog.New(slog.NewTextHandler(os.Stderr, nil)),
		Progress: func(Progress) {
			if !said {
				said = true
				fmt.Println("writing")
			}
		},
	})
	if err != nil {
		return err
	}
	return s.Run(ctx, false)
}

// child starts a sink process and returns once it has made a transaction.
func (k *sunk) child() *exec.Cmd {
	k.t.Helper()
	take(k.t, k.api, k.info.ID).Close() // the agent has seen the end of the one before
	c := exec.Command("/proc/self/exe", "-test.run", "^$")
	c.Env = append(os.Environ(), envSocket+"="+k.socket, envFeed+"="+k.info.ID, envDir+"="+k.dir, envTo+"="+k.to)
	c.Stderr = k.t.Output()
	out, err := c.StdoutPipe()
	must(k.t, err, c.Start())
	line := make([]byte, len("writing\n"))
	if _, err := out.Read(line); err != nil {
		k.t.Fatalf("sink process: %v: %v", err, c.Wait())
	}
	return c
}

// A sink that is killed anywhere, in a transaction too, loses nothing and does nothing
// twice.
func TestExactlyOnceOverKills(t *testing.T) {
	databases(t, func(t *testing.T, to string) {
		k := newSunk(t, fstest.New(t, "tmpfs").Dir, to)
		stop, stormed := make(chan struct{}), make(chan struct{})
		go func() { // ends with stop; the test waits for stormed
			defer close(stormed)
			for seed := uint64(0); ; seed++ {
				select {
				case <-stop:
					return
				default:
					elsewhere(t, "storm", k.dir, seed, 2, 100)
				}
			}
		}()
		r := rand.New(rand.NewPCG(7, 7))
		for range *kills {
			c := k.child()
			pause := time.NewTimer(time.Duration(r.IntN(150)) * time.Millisecond) // when a kill hits is left to chance
			<-pause.C
			must(t, c.Process.Kill())
			_ = c.Wait()
		}
		close(stop)
		<-stormed
		s, done := k.open()
		defer done()
		k.follow(s)
		k.checkLog(s)
	})
}
