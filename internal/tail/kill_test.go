// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tail

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/peer"
)

// victim is a writer's process that was killed.
type victim struct {
	tableDir, tree string
	guard          int              // its process, 0 without
	committed      map[string]int64 // by the name of the file
}

// killWriter starts a writer and kills it after it said so many lines, or lets
// it kill itself at a step.
func killWriter(t *testing.T, guard string, step, lines int, seed uint64) victim {
	t.Helper()
	v := victim{tableDir: t.TempDir(), tree: t.TempDir(), committed: make(map[string]int64)}
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", roleWriter, v.tableDir, v.tree, fmt.Sprint(step), fmt.Sprint(seed), guard)
	cmd.Stderr = t.Output()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	scan := bufio.NewScanner(out)
	if !scan.Scan() {
		t.Fatalf("writer said nothing: %v, %v", scan.Err(), cmd.Wait())
	}
	fmt.Sscan(scan.Text(), &v.guard)
	for n := 1; scan.Scan(); n++ {
		if scan.Text() != tick {
			name, length, _ := strings.Cut(scan.Text(), " ")
			var at int64
			if _, err := fmt.Sscan(length, &at); err != nil {
				t.Fatalf("writer said %q: %v", scan.Text(), err)
			}
			v.committed[name] = at
		}
		if n == lines {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	err = cmd.Wait()
	if status := cmd.ProcessState.Sys().(interface{ Signal() unix.Signal }).Signal(); status != unix.SIGKILL {
		t.Fatalf("writer ended with %v, want it killed", err)
	}
	return v
}

// check walks the tree: each data file is made of whole packets and holds at
// least what was committed, each index file is made of records of its packets.
func (v victim) check(t *testing.T) {
	t.Helper()
	sizes := make(map[string]int64)
	err := filepath.WalkDir(v.tree, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || strings.HasSuffix(path, ".idx") {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		starts := checkPackets(t, path, b)
		sizes[e.Name()] = int64(len(b))
		index, err := os.ReadFile(filepath.Join(filepath.Dir(path), "index", e.Name()+".idx"))
		if err == nil {
			checkIndex(t, path, index, starts)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range v.committed {
		if sizes[name] < want {
			t.Errorf("%s has %d bytes, but %d were committed", name, sizes[name], want)
		}
	}
}

// checkPackets returns where the packets of a data file end, by their starts.
func checkPackets(t *testing.T, path string, b []byte) map[int64]int64 {
	t.Helper()
	ends := make(map[int64]int64)
	var at int64
	for rest := b; len(rest) > 0; {
		if len(rest) < packetHeader || binary.BigEndian.Uint32(rest) != packetMagic {
			t.Fatalf("%s: no packet at offset %d of %d", path, at, len(b))
		}
		n := int64(binary.BigEndian.Uint32(rest[4:]))
		if n > int64(len(rest)) {
			t.Fatalf("%s: packet at offset %d has %d of %d bytes", path, at, len(rest), n)
		}
		number := byte(binary.BigEndian.Uint64(rest[8:]))
		if body := rest[packetHeader:n]; !bytes.Equal(body, bytes.Repeat([]byte{number}, len(body))) {
			t.Fatalf("%s: packet at offset %d has another's bytes", path, at)
		}
		ends[at] = at + n
		at, rest = at+n, rest[n:]
	}
	return ends
}

// checkIndex checks an index file against the packets of its data file.
func checkIndex(t *testing.T, path string, index []byte, ends map[int64]int64) {
	t.Helper()
	if len(index) == 0 {
		return // killed before the header was written
	}
	records := index[indexHeaderLen:]
	if len(records)%72 != 0 {
		t.Errorf("index of %s ends with %d bytes of a record", path, len(records)%72)
	}
	for ; len(records) >= 72; records = records[72:] {
		off, bits := binary.BigEndian.Uint64(records), binary.BigEndian.Uint64(records[8:])
		if end, ok := ends[int64(off)]; !ok || end != int64(off+bits/8) {
			t.Errorf("index of %s has a packet at %d of %d bits, data ends at %d", path, off, bits, end)
		}
	}
}

// The writer dies at each of its first steps: within packets, index records,
// changes of file and renames. The next start repairs.
func TestKilledAtEveryStep(t *testing.T) {
	steps, seeds := 150, uint64(2)
	if testing.Short() {
		steps, seeds = 50, 1
	}
	cut := 0
	for seed := range seeds {
		for step := 1; step <= steps; step++ {
			v := killWriter(t, "none", step, 0, seed)
			reports, err := RecoverAll(v.tableDir, logger(t))
			if err != nil || len(reports) != 1 {
				t.Fatalf("step %d: RecoverAll = %v, %v, want one report", step, reports, err)
			}
			if rep := reports[0]; rep.Missing+rep.Short > 0 {
				t.Errorf("step %d: report = %+v, want each file found and whole", step, rep)
			}
			cut += len(reports[0].Repairs)
			v.check(t)
			wantNames(t, v.tableDir)
			if t.Failed() {
				t.Fatalf("seed %d, step %d", seed, step)
			}
		}
	}
	if cut < steps/4 {
		t.Errorf("%d files were cut in %d runs: the writer is not killed within packets", cut, steps)
	}
}

// The writer is killed from outside at any moment; its guard repairs at once.
func TestKilledUnderGuard(t *testing.T) {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		peer.Lack(t, "a kernel that lets it wait for a grandchild: %v", err)
	}
	runs := 40
	if testing.Short() {
		runs = 20
	}
	cut := 0
	for seed := range uint64(runs) {
		v := killWriter(t, "guard", 0, 1+rand.IntN(200), seed)
		var status unix.WaitStatus
		err := retry(func() error {
			_, err := unix.Wait4(v.guard, &status, 0, nil)
			return err
		})
		if err != nil || status != 0 {
			t.Fatalf("guard ended with %#x, %v, want 0", status, err)
		}
		v.check(t)
		reports, err := RecoverAll(v.tableDir, logger(t))
		if err != nil {
			t.Fatal(err)
		}
		for _, rep := range reports {
			cut += len(rep.Repairs)
		}
		wantNames(t, v.tableDir)
		if t.Failed() {
			t.Fatalf("seed %d, killed with %v committed", seed, v.committed)
		}
	}
	t.Logf("%d files cut in %d runs", cut, runs)
	if cut == 0 {
		t.Errorf("no file was cut in %d runs: the writer is never killed within a packet", runs)
	}
}
