// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package journal

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/weir-io/weir/internal/feed/fstest"
)

var kills = flag.Int("kills", 5, "how often TestKilled kills the process that writes")

// childDir tells the process that TestKilled starts which store to write to.
const childDir = "WEIR_JOURNAL_CHILD"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		if err := writeUntilKilled(dir); err != nil {
			fmt.Println(err)
		}
		os.Exit(1)
	}
	fstest.Main(m)
}

// writeUntilKilled appends batches, trims, and prints what is acknowledged.
func writeUntilKilled(dir string) error {
	d, err := openDatabase(dir, Options{MemTableBytes: 256 << 10})
	if err != nil {
		return err
	}
	j, err := d.Open(sourceA)
	if err != nil {
		return err
	}
	r := rand.New(rand.NewPCG(uint64(os.Getpid()), 1))
	var b Batch
	for ctx := context.Background(); ; {
		_, last := j.Bounds()
		b.Reset(last + 1)
		fillIndexed(&b, 1+r.IntN(200))
		b.Serial = b.Next()
		if err := j.Apply(ctx, &b); err != nil {
			return err
		}
		fmt.Println(b.Next() - 1)
		if r.IntN(20) == 0 {
			if err := j.Trim(ctx, last/2); err != nil {
				return err
			}
		}
	}
}

// Everything that was acknowledged is there after the process was killed, without a
// hole, and objects and names are those of the records.
func TestKilled(t *testing.T) {
	dir := t.TempDir()
	r := rand.New(rand.NewPCG(9, uint64(time.Now().UnixNano())))
	acked := uint64(0)
	for n := range *kills {
		acked = max(acked, killOnce(t, dir, time.Duration(5+r.IntN(200))*time.Millisecond))
		if n%10 != 9 && n != *kills-1 {
			continue // all have to be right at the end: what is lost does not come back
		}
		d, j := openTest(t, dir, Options{})
		agrees(t, j, acked)
		if _, last := j.Bounds(); j.Serial() != last+1 {
			t.Errorf("serial %d is not that of the batch that ends with %d", j.Serial(), last)
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if acked == 0 {
		t.Error("nothing was acknowledged")
	}
}

// killOnce lets a child write for a while and returns what it has acknowledged.
func killOnce(t *testing.T, dir string, after time.Duration) (acked uint64) {
	t.Helper()
	c := exec.Command("/proc/self/exe")
	c.Env = append(os.Environ(), childDir+"="+dir)
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	var timer *time.Timer
	for lines.Scan() {
		if timer == nil { // it writes: the time begins
			timer = time.AfterFunc(after, func() { c.Process.Kill() })
			if _, err := OpenStore(dir, Options{}); !errors.Is(err, ErrLocked) {
				t.Errorf("OpenStore of what another process writes: %v, want ErrLocked", err)
			}
		}
		n, err := strconv.ParseUint(lines.Text(), 10, 64)
		if err != nil {
			// Only what was printed in full is known to be acknowledged.
			t.Errorf("child says %q", strings.TrimSpace(lines.Text()))
			continue
		}
		acked = n
	}
	if err := c.Wait(); err == nil || acked == 0 {
		t.Errorf("child ended by itself: %v", err)
	}
	return acked
}
