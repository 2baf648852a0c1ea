// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	client "github.com/weir-io/weir/client/feed"
	"github.com/weir-io/weir/internal/feed/feedtest"
	"github.com/weir-io/weir/internal/feed/fstest"
	"github.com/weir-io/weir/internal/wait"
)

var kills = flag.Int("kills", 8, "how often a log's writer is killed during a storm")

// The writer's process: run by the tests as a child, with these variables.
const (
	envSocket = "WEIR_AUDIT_SOCKET"
	envDir    = "WEIR_AUDIT_DIR"
)

func TestMain(m *testing.M) {
	if os.Getenv(envSocket) == "" {
		fstest.Main(m)
		return
	}
	if err := childMain(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// childMain is the child: it writes until it is killed.
func childMain() error {
	ctx := context.Background()
	api, err := client.Dial(ctx, os.Getenv(envSocket))
	if err != nil {
		return err
	}
	n, err := api.Open(ctx, "cl1", client.OpenOptions{})
	if err != nil {
		return err
	}
	said := false
	l, err := Open(Options{
		Feed: n, Info: n.Info(), Dir: os.Getenv(envDir), Size: 20_000, Batch: 20, Log: slog.New(slog.NewTextHandler(os.Stderr, nil)),
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
	return l.Run(ctx, false)
}

// agent serves a feed of a directory until the test ends.
func agent(t *testing.T, dir string) (socket string, api *client.Client) {
	t.Helper()
	a := feedtest.Start(t)
	a.Create(client.CreateOptions{Source: dir, Mode: client.ModeExplicit})
	return a.Socket, a.API
}

// take takes the feed, as soon as nobody has it.
func take(t *testing.T, api *client.Client) (n *client.Consumer) {
	t.Helper()
	wait.Until(t, "the feed to be free", func() bool {
		var err error
		n, err = api.Open(t.Context(), "cl1", client.OpenOptions{})
		if errors.Is(err, &client.Error{Code: client.CodeBusy}) {
			return false
		}
		must(t, err)
		return true
	})
	return n
}

// A writer that is killed anywhere, while it writes too, loses nothing and writes
// nothing twice.
func TestExactlyOnceOverKills(t *testing.T) {
	source := fstest.New(t, "tmpfs").Dir
	socket, api := agent(t, source)
	dir := filepath.Join(t.TempDir(), "log")
	storm := exec.Command("sh", "-c", "i=0; while :; do i=$((i+1)); echo x >f$i; mv f$i g$i; rm g$i; done")
	storm.Dir = source
	must(t, storm.Start())
	r := rand.New(rand.NewPCG(3, 3))
	for range *kills {
		take(t, api).Close() // the agent has seen the end of the one before
		c := exec.Command("/proc/self/exe", "-test.run", "^$")
		c.Env = append(os.Environ(), envSocket+"="+socket, envDir+"="+dir)
		c.Stderr = t.Output()
		out, err := c.StdoutPipe()
		must(t, err, c.Start())
		if _, err := out.Read(make([]byte, len("writing\n"))); err != nil {
			t.Fatalf("writer's process: %v: %v", err, c.Wait())
		}
		pause := time.NewTimer(time.Duration(r.IntN(80)) * time.Millisecond) // when a kill hits is left to chance
		<-pause.C
		must(t, c.Process.Kill())
		_ = c.Wait()
	}
	must(t, storm.Process.Kill())
	_ = storm.Wait()
	n := take(t, api)
	defer n.Close()
	l, err := Open(Options{Feed: n, Info: n.Info(), Dir: dir, Log: slog.New(slog.DiscardHandler)})
	must(t, err)
	defer l.Close()
	var last uint64
	wait.Until(t, "the log to have all records", func() bool {
		must(t, l.Run(t.Context(), true))
		i, err := api.Info(t.Context(), "cl1")
		must(t, err)
		last = i.Last
		return l.Through() == last && i.Cancelled == last
	})
	report, err := Verify(dir, l.chain.hash.String())
	must(t, err)
	// The first record of the journal is a mark from before the feed began.
	if report.Records != last-1 || report.Notes != 0 || !report.Anchored {
		t.Errorf("got %+v, want %d records", report, last-1)
	}
	t.Logf("%+v", report)
}
