// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package bolt_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/weir-io/weir/internal/store"
	"github.com/weir-io/weir/internal/store/bolt"
)

// childFile is the environment variable that has this program write to a store until
// it is killed.
const childFile = "WEIR_STORE_CHILD"

func TestMain(m *testing.M) {
	if file := os.Getenv(childFile); file != "" {
		if err := write(file); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(1)
	}
	goleak.VerifyTestMain(m)
}

// writers is how many write at once, each to nodes of its own.
const writers = 4

// write writes transactions without end, and prints each when it was answered. A
// transaction of writer w makes /w-n-a, /w-n-b and an ephemeral node, deletes
// /w-n-1-b, and counts n in /w.
func write(file string) error {
	d, err := bolt.Open(file, bolt.Options{})
	if err != nil {
		return err
	}
	var all sync.WaitGroup
	var out sync.Mutex
	for w := range writers {
		s, err := d.Session(context.Background())
		if err != nil {
			return err
		}
		all.Go(func() { // ended by the kill
			ctx := context.Background()
			own := fmt.Sprint("/", w)
			s.Create(ctx, own, []byte("0"), store.Persistent) // there since the last life
			for {
				data, stat, err := s.Get(ctx, own, nil)
				if err != nil {
					return
				}
				last, _ := strconv.Atoi(string(data))
				n := last + 1
				ops := []store.Op{
					store.Create(fmt.Sprintf("%s-%d-a", own, n), make([]byte, length()), store.Persistent),
					store.Create(fmt.Sprintf("%s-%d-b", own, n), nil, store.Persistent),
					store.Create(fmt.Sprintf("%s-%d-e", own, n), nil, store.Ephemeral),
					store.Set(own, fmt.Append(nil, n), stat.Version),
				}
				if last > 0 {
					ops = append(ops, store.Delete(fmt.Sprintf("%s-%d-b", own, last), store.AnyVersion))
				}
				if _, err := s.Multi(ctx, ops...); err != nil {
					return
				}
				out.Lock()
				fmt.Println(w, n)
				out.Unlock()
			}
		})
	}
	all.Wait()
	return errors.New("a transaction failed")
}

// length returns a length of data. Some are so long that the journal is often full, and
// some too long for it.
func length() int {
	if rand.IntN(10) == 0 {
		return rand.IntN(320 << 10)
	}
	return rand.IntN(5000)
}

// A process that is killed amid transactions leaves whole ones only, and all that were
// answered.
func TestKill(t *testing.T) {
	file := filepath.Join(t.TempDir(), "control.db")
	var answered [writers]int
	for life := range 10 {
		cmd := exec.Command("/proc/self/exe", "-test.run", "^$")
		cmd.Env = append(os.Environ(), childFile+"="+file)
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		left := 20 + rand.IntN(200)
		for lines := bufio.NewScanner(out); lines.Scan(); left-- {
			var w, n int
			if _, err := fmt.Sscan(lines.Text(), &w, &n); err != nil {
				t.Fatalf("the child says %q", lines.Text())
			}
			answered[w] = max(answered[w], n)
			if left == 0 {
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		cmd.Wait() // it was killed
		if left > 0 {
			t.Fatalf("life %d: the child ended by itself", life)
		}
		checkWhole(t, file, answered)
	}
	t.Logf("answered: %v", answered)
}

// checkWhole checks a store that write has written to.
func checkWhole(t *testing.T, file string, answered [writers]int) {
	t.Helper()
	d, err := bolt.Open(file, bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	s, err := d.Session(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	names, err := s.Children(t.Context(), "/", nil)
	if err != nil {
		t.Fatal(err)
	}
	there := make(map[string]bool)
	for _, name := range names {
		there[name] = true
		if strings.HasSuffix(name, "-e") {
			t.Errorf("ephemeral node %s has outlived its process", name)
		}
	}
	for w := range writers {
		data, stat, err := s.Get(t.Context(), fmt.Sprint("/", w), nil)
		if errors.Is(err, store.ErrNoNode) && answered[w] == 0 {
			continue // killed before its first
		}
		if err != nil {
			t.Fatal(err)
		}
		n, _ := strconv.Atoi(string(data))
		if n < answered[w] || int(stat.Version) != n {
			t.Errorf("writer %d: transaction %d was answered, the store has %d in version %d", w, answered[w], n, stat.Version)
		}
		for i := 1; i <= n+1; i++ {
			a, b := there[fmt.Sprintf("%d-%d-a", w, i)], there[fmt.Sprintf("%d-%d-b", w, i)]
			if a != (i <= n) || b != (i == n) {
				t.Fatalf("writer %d: of transaction %d of %d: a %v, b %v", w, i, n, a, b)
			}
		}
	}
}
