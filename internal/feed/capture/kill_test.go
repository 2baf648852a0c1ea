// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/weir-io/weir/changelog"
	"github.com/weir-io/weir/internal/feed/fstest"
	"github.com/weir-io/weir/internal/feed/holder"
	"github.com/weir-io/weir/internal/feed/journal"
)

var kills = flag.Int("kills", 6, "how often a worker is killed during a storm")

// worker process: run by the tests as a child, with these variables.
const (
	envDir    = "WEIR_CAPTURE_DIR"
	envStore  = "WEIR_CAPTURE_STORE"
	envHolder = "WEIR_CAPTURE_HOLDER"
)

// workerMain is the child: it watches until it is killed.
func workerMain() error {
	store, err := journal.OpenStore(os.Getenv(envStore), journal.Options{})
	if err != nil {
		return err
	}
	defer store.Close()
	held, err := holder.Dial(os.Getenv(envHolder))
	if err != nil {
		return err
	}
	defer held.Close()
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	s, err := Open(context.Background(), Options{Dir: os.Getenv(envDir), Store: store, Holder: held, Log: log})
	if err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Run(context.Background()) }() // until it is killed
	if err := s.Ready(context.Background()); err != nil {
		return errors.Join(err, <-ended)
	}
	fmt.Println("watching")
	return <-ended
}

// child starts a worker process and returns once it watches.
func child(t *testing.T, dir, store, socket string) *exec.Cmd {
	t.Helper()
	c := exec.Command("/proc/self/exe", "-test.run", "^$")
	c.Env = append(os.Environ(), envDir+"="+dir, envStore+"="+store, envHolder+"="+socket)
	c.Stderr = t.Output()
	out, err := c.StdoutPipe()
	must(t, err, c.Start())
	line := make([]byte, len("watching\n"))
	if _, err := out.Read(line); err != nil {
		t.Fatalf("worker process: %v: %v", err, c.Wait())
	}
	return c
}

// hold runs a holder until the test ends.
func hold(t *testing.T) (socket string) {
	t.Helper()
	socket = filepath.Join(t.TempDir(), "holder.sock")
	l, err := net.ListenUnix("unixpacket", &net.UnixAddr{Name: socket, Net: "unixpacket"})
	must(t, err)
	h := holder.New(holder.Options{Log: slog.New(slog.NewTextHandler(t.Output(), nil))})
	done := make(chan error, 1)
	go func() { done <- h.Run(l) }()
	t.Cleanup(func() {
		l.Close()
		must(t, <-done)
	})
	return socket
}

func TestNothingIsLostToKills(t *testing.T) {
	for _, kind := range fstest.Kinds {
		t.Run(kind, func(t *testing.T) {
			fs := fstest.New(t, kind)
			storeDir, socket := t.TempDir(), hold(t)
			c := child(t, fs.Dir, storeDir, socket)
			before := onDisk(t, fs.Dir)
			stop, stormed := make(chan struct{}), make(chan int)
			go func() { stormed <- churn(fs.Dir, stop) }()
			r := rand.New(rand.NewPCG(1, uint64(len(kind))))
			for range *kills {
				pause(t, time.Duration(r.IntN(60))*time.Millisecond)
				must(t, c.Process.Kill())
				_ = c.Wait()
				c = child(t, fs.Dir, storeDir, socket)
			}
			close(stop)
			made := <-stormed
			must(t, c.Process.Kill())
			_ = c.Wait()

			store, err := journal.OpenStore(storeDir, journal.Options{})
			must(t, err)
			t.Cleanup(func() { must(t, store.Close()) }) // behind the source
			held, err := holder.Dial(socket)
			must(t, err)
			t.Cleanup(func() { must(t, held.Close()) })
			s := watchWith(t, Options{Dir: fs.Dir, Store: store, Holder: held})
			s.from = 1
			p := &replay{names: before}
			all := s.records()
			files := map[string]int{}
			for i := range all {
				if err := p.apply(&all[i]); err != nil {
					t.Fatal(err)
				}
				switch {
				case all[i].Type == changelog.Create:
					files[string(all[i].Path)]++
				case all[i].Type == changelog.Mark:
					t.Errorf("record %d: got a mark, %s", all[i].Index, brief(&all[i]))
				}
			}
			for i := range made {
				if n := files[fmt.Sprintf("c%d", i)]; n != 1 {
					t.Errorf("file c%d: got %d records of its making, want 1", i, n)
				}
			}
			compareNames(t, p.names, onDisk(t, fs.Dir))
			t.Logf("%d files, %d records, %+v", made, len(all), s.Status())
		})
	}
}

// churned is how many files churn makes at most: some file systems take them faster than
// their events can be taken over.
const churned = 8_000

// churn makes files of ever new names, and removes every other one, until stop is
// closed. It returns how many it made.
func churn(dir string, stop <-chan struct{}) int {
	for i := 0; ; i++ {
		if i == churned {
			<-stop
			return i
		}
		select {
		case <-stop:
			return i
		default:
		}
		path := filepath.Join(dir, fmt.Sprintf("c%d", i))
		if os.WriteFile(path, []byte("x"), 0o600) != nil {
			return i
		}
		if i%2 == 0 {
			_ = os.Remove(path)
		}
	}
}

// pause lets a storm go on for a while: when a kill hits is to be left to chance.
func pause(t *testing.T, d time.Duration) {
	t.Helper()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-t.Context().Done():
	}
}
