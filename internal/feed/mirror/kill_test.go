// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"testing"
	"time"

	client "github.com/weir-io/weir/client/feed"
	"github.com/weir-io/weir/internal/wait"
)

var kills = flag.Int("kills", 6, "how often a mirror is killed during a storm")

// envMirror has the process mirror until it is killed: a JSON of mirrorJob.
const envMirror = "WEIR_MIRROR"

// mirrorJob is what a mirror's process does.
type mirrorJob struct{ Source, Target, UUID, Feed, Socket string }

func mirrorMain(text string) error {
	var j mirrorJob
	if err := json.Unmarshal([]byte(text), &j); err != nil {
		return err
	}
	ctx := context.Background()
	api, err := client.Dial(ctx, j.Socket)
	if err != nil {
		return err
	}
	defer api.Close()
	n, err := api.Open(ctx, j.Feed, client.OpenOptions{})
	for i := 0; err != nil && i < 1000; i++ { // until the agent has seen the end of the one before
		n, err = api.Open(ctx, j.Feed, client.OpenOptions{})
	}
	if err != nil {
		return err
	}
	m, err := Open(ctx, Options{
		Source: j.Source, Target: j.Target, UUID: j.UUID, FeedID: j.Feed, Feed: n,
		Log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
	if err != nil {
		return err
	}
	return m.Run(ctx, false)
}

func TestMirrorIsEqualAfterKills(t *testing.T) {
	for _, kind := range []string{"ext4", "xfs", "btrfs", "tmpfs"} {
		t.Run(kind, func(t *testing.T) {
			m := newMirrored(t, kind)
			stormed := m.storm(1, 2, *tries*4)
			r := rand.New(rand.NewPCG(1, 2))
			for range *kills {
				c := m.process()
				pause(t, time.Duration(5+r.IntN(100))*time.Millisecond)
				must(t, c.Process.Kill())
				if err := c.Wait(); c.ProcessState.Exited() {
					t.Fatalf("mirror ended by itself: %v", err)
				}
			}
			wait.Until(t, "the storm's end", func() bool {
				select {
				case <-stormed:
					return true
				default:
					return false
				}
			})
			mi := m.start()
			m.equal(mi)
		})
	}
}

// process starts a process that mirrors until it is killed.
func (m *mirrored) process() *exec.Cmd {
	m.t.Helper()
	job, err := json.Marshal(mirrorJob{m.src.Dir, m.target, m.info.Source, m.info.ID, m.agent.Socket})
	must(m.t, err)
	c := exec.Command("/proc/self/exe")
	c.Env = append(os.Environ(), fmt.Sprintf("%s=%s", envMirror, job))
	c.Stderr = m.t.Output()
	must(m.t, c.Start())
	return c
}

// pause lets a mirror work for a while: when a kill hits is to be left to chance.
func pause(t *testing.T, d time.Duration) {
	t.Helper()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-t.Context().Done():
	}
}
