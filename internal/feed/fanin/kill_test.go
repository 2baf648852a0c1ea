// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package fanin

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
	"github.com/weir-io/weir/internal/feed/feedtest"
	"github.com/weir-io/weir/internal/feed/fstest"
	"github.com/weir-io/weir/internal/wait"
)

var kills = flag.Int("kills", 6, "how often a publisher is killed during a storm")

// The publisher's process: run by the tests as a child, with these variables.
const (
	envSocket = "WEIR_FANIN_SOCKET"
	envURL    = "WEIR_FANIN_URL"
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

// openAgent opens a publisher of an agent's feed.
func openAgent(ctx context.Context, socket, url string) (*Publisher, error) {
	api, err := client.Dial(ctx, socket)
	if err != nil {
		return nil, err
	}
	n, err := api.Open(ctx, "cl1", client.OpenOptions{})
	for ; err != nil && ctx.Err() == nil; n, err = api.Open(ctx, "cl1", client.OpenOptions{}) {
		if e, ok := err.(*client.Error); !ok || e.Code != client.CodeBusy {
			return nil, err
		}
	}
	if err != nil {
		return nil, err
	}
	return OpenPublisher(ctx, PublishOptions{
		Server: Server{URL: url, Log: slog.New(slog.NewTextHandler(os.Stderr, nil))}, Feed: n, Info: n.Info(), Host: "h",
	})
}

// childMain is the child: it publishes until it is killed.
func childMain() error {
	p, err := openAgent(context.Background(), os.Getenv(envSocket), os.Getenv(envURL))
	if err != nil {
		return err
	}
	said := false
	p.published = func() {
		if !said {
			said = true
			fmt.Println("published")
		}
	}
	return p.Run(context.Background(), false)
}

// A publisher that is killed anywhere, between publication and cancellation too.
func TestExactlyOnceOverKills(t *testing.T) {
	source := fstest.New(t, "tmpfs").Dir
	url := newServer(t).ClientURL()
	a := feedtest.Start(t)
	info := a.Create(client.CreateOptions{Source: source})
	storm := exec.Command("sh", "-c", "i=0; while :; do i=$((i+1)); echo x >f$i; mv f$i g$i; rm g$i; done")
	storm.Dir = source
	must(t, storm.Start())
	r := rand.New(rand.NewPCG(5, 5))
	for range *kills {
		c := exec.Command("/proc/self/exe", "-test.run", "^$")
		c.Env = append(os.Environ(), envSocket+"="+a.Socket, envURL+"="+url)
		c.Stderr = t.Output()
		out, err := c.StdoutPipe()
		must(t, err, c.Start())
		if _, err := out.Read(make([]byte, len("published\n"))); err != nil {
			t.Fatalf("publisher's process: %v: %v", err, c.Wait())
		}
		pause(t.Context(), time.Duration(r.IntN(60))*time.Millisecond) // when a kill hits is left to chance
		must(t, c.Process.Kill())
		_ = c.Wait()
	}
	must(t, storm.Process.Kill())
	_ = storm.Wait()
	p, err := openAgent(t.Context(), a.Socket, url)
	must(t, err)
	defer p.Close()
	wait.Until(t, "all to be published", func() bool {
		must(t, p.Run(t.Context(), true))
		now, err := a.API.Info(t.Context(), "cl1")
		must(t, err)
		return now.Cancelled == now.Last && p.Through() == now.Last
	})
	all := everything(t, url, info.Source)
	checkOnce(t, all, info.Cancelled+1, p.Through())
	t.Logf("%d records", len(all))
}
