// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package convert

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/ctf/schema"
	"github.com/weir-io/weir/internal/peer"
)

// A trace that is cut at a byte is converted up to there, to what viewers show
// of it.
func TestCutTraces(t *testing.T) {
	for _, choose := range []Selection{{}, where(t, "n < 50")} {
		dir := newDir(t)
		traceSpec{cpus: 1, packets: 3, parts: []part{stringPart("s")}, seed: 3}.write(t, dir)
		data, err := os.ReadFile(filepath.Join(dir, "chan_0"))
		check(t, err)
		for cut := len(data) - 1; cut > 0; cut -= 7 {
			check(t, os.Truncate(filepath.Join(dir, "chan_0"), int64(cut)))
			asViewed(t, fmt.Sprintf("cut at byte %d of %d", cut, len(data)), dir, choose)
		}
	}
}

const badBytes = "bad bytes"

// The same with bytes that are not what was written.
func TestBadBytes(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, version := range []schema.Version{schema.CTF1, schema.CTF2} {
		dir := newDir(t)
		traceSpec{version: version, cpus: 1, packets: 4, parts: []part{stringPart("s"), sequencePart("q", 16), variantPart("v")}, seed: 8}.write(t, dir)
		path := filepath.Join(dir, "chan_0")
		data, err := os.ReadFile(path)
		check(t, err)
		for range 60 {
			bad := append([]byte(nil), data...)
			for range 1 + r.IntN(3) {
				bad[r.IntN(len(bad))] ^= 1 << r.IntN(8)
			}
			check(t, os.WriteFile(path, bad, 0o666))
			for _, choose := range []Selection{{}, {Exclude: []string{"none"}}, between(origin+2e9, origin+4e9)} {
				asViewed(t, badBytes, dir, choose)
			}
		}
	}
}

// asViewed converts a trace that may be bad. Viewers show of the result what
// they show of the trace, when the conversion says that it is whole; the begin
// of that, when it says where it is not.
func asViewed(t *testing.T, what, in string, choose Selection) {
	t.Helper()
	out := filepath.Join(t.TempDir(), "out")
	defer os.RemoveAll(out)
	r, err := (&Job{Inputs: []string{in}, Output: out, Select: choose, Jobs: 1}).Run(t.Context())
	var input *InputError
	if err != nil && !errors.As(err, &input) {
		gone(t, out)
		if show(t, nil, in).err == nil {
			t.Errorf("%s: %v", what, err)
		}
		return
	}
	got := show(t, nil, out)
	if got.err != nil {
		t.Errorf("%s: the result is bad: %v", what, got.err)
	}
	if n := strings.Count(got.text, "\n"); int64(n) != r.EventsWritten {
		t.Errorf("%s: %d events, want %d by the result", what, n, r.EventsWritten)
	}
	if choose.Window == nil && choose.Where == nil {
		want := show(t, nil, in)
		if err == nil && want.err == nil {
			if what == badBytes { // the bounds of packets may be wrong, and are mended
				got.losses, want.losses = "", ""
			}
			equal(t, what, got, want)
		}
		if !strings.HasPrefix(want.text, got.text) {
			t.Errorf("%s: events %s", what, firstDifference(got.text, want.text))
		}
		if want.err != nil && err == nil {
			t.Errorf("%s: no error, viewers have %v", what, want.err)
		}
	}
}

func TestTimeGoesBackwards(t *testing.T) {
	in := newDir(t)
	b := ctf.NewBuilder(ctf.BuilderOptions{})
	sb, err := b.Stream(ctf.LargeHeader)
	check(t, err)
	plainHeader(b.Trace())
	ev, err := sb.Event("e", schema.NoLogLevel)
	check(t, err)
	w, err := ctf.CreateTrace(in, b.Trace(), ctf.TraceOptions{Stream: ctf.StreamOptions{PadBytes: 1}})
	check(t, err)
	sw, err := w.Stream(sb.Class(), "chan", 0)
	check(t, err)
	for i := range uint64(3) {
		check(t, sw.Event(ev, 1000+i).End())
	}
	check(t, w.Close())
	path := filepath.Join(in, "chan_0")
	data, err := os.ReadFile(path)
	check(t, err)
	data[len(data)-7]-- // of the last time
	check(t, os.WriteFile(path, data, 0o666))
	for _, choose := range []Selection{{}, {Exclude: []string{"none"}}} {
		out := filepath.Join(t.TempDir(), "out")
		r, err := (&Job{Inputs: []string{in}, Output: out, Select: choose}).Run(t.Context())
		if r == nil || r.EventsWritten != 2 || err == nil || !strings.Contains(err.Error(), "backwards") {
			t.Errorf("Run = %+v, %v, want two events and that time goes backwards", r, err)
		}
		if got := show(t, nil, out); got.err != nil || strings.Count(got.text, "\n") != 2 {
			t.Errorf("shown: %+v", got)
		}
	}
}

func TestNoOutput(t *testing.T) {
	in := newDir(t)
	traceSpec{}.write(t, in)
	full := t.TempDir()
	check(t, os.WriteFile(filepath.Join(full, "file"), nil, 0o666))
	file := filepath.Join(full, "file")
	links, empty := t.TempDir(), t.TempDir()
	check(t, os.Symlink(empty, filepath.Join(links, "link")))
	check(t, os.Symlink("nowhere", filepath.Join(links, "dangling")))
	tests := []struct {
		name string
		job  Job
		want string
	}{
		{"in use", Job{Inputs: []string{in}, Output: full}, "want a new or an empty directory"},
		{"a file", Job{Inputs: []string{in}, Output: file}, "file"},
		{"a link", Job{Inputs: []string{full}, Output: filepath.Join(links, "link")}, "a symbolic link"},
		{"a link to nothing", Job{Inputs: []string{full}, Output: filepath.Join(links, "dangling/")}, "a symbolic link"},
		{"no parent", Job{Inputs: []string{in}, Output: filepath.Join(full, "a/b")}, "no such file"},
		{"no input", Job{Inputs: []string{full}, Output: filepath.Join(full, "out")}, "no trace found"},
		{"no host", Job{Inputs: []string{in}, Output: filepath.Join(full, "out"), Select: Selection{Host: "web*"}}, "no trace of a host web*"},
		{"no stream", Job{Inputs: []string{in}, Output: filepath.Join(full, "out"), Select: Selection{Streams: []string{"k"}}}, "no stream of a channel k: want one of chan"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, err := tt.job.Run(t.Context())
			if err == nil || !strings.Contains(err.Error(), tt.want) || r != nil {
				t.Errorf("Run = %+v, %v, want an error with %q", r, err, tt.want)
			}
			names, err := os.ReadDir(full)
			if err != nil || len(names) != 1 {
				t.Errorf("left: %v, %v", names, err)
			}
		})
	}
}

func TestEmptyDirectoryIsTaken(t *testing.T) {
	in, out := newDir(t), t.TempDir()
	traceSpec{}.write(t, in)
	if _, err := (&Job{Inputs: []string{in}, Output: out + "/"}).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	equal(t, "weir view", show(t, nil, out), show(t, nil, in))
}

func TestUnsupported(t *testing.T) {
	in := newDir(t)
	b := ctf.NewBuilder(ctf.BuilderOptions{})
	sb, err := b.Stream(ctf.LargeHeader)
	check(t, err)
	b.Trace().Version = schema.CTF2
	for _, name := range []string{"one", "two", "three"} {
		e, err := sb.Event(name, schema.NoLogLevel, ctf.Struct("m", ctf.Uint("n", 8)))
		check(t, err)
		if m := &e.Payload.Members[0].Class.(*schema.Struct).Members[0]; name != "two" {
			m.Class = &schema.Blob{Length: 4}
		}
	}
	w, err := ctf.CreateTrace(in, b.Trace(), ctf.TraceOptions{})
	check(t, err)
	check(t, w.Close())
	out := filepath.Join(t.TempDir(), "out")
	_, err = (&Job{Inputs: []string{in}, Output: out, Format: schema.CTF1}).Run(t.Context())
	u, ok := errors.AsType[*UnsupportedError](err)
	if !ok || len(u.Declarations) != 2 || !strings.Contains(u.Declarations[1], "event three: event.fields.m.n") {
		t.Errorf("Run = %v, want fields of two events", err)
	}
	gone(t, out)
	converted(t, Job{Format: schema.CTF2}, in)
}

// A conversion that is interrupted leaves nothing.
func TestInterrupted(t *testing.T) {
	in := newDir(t)
	traceSpec{packets: 50}.write(t, in)
	for _, jobs := range []int{1, 4} {
		ctx, cancel := context.WithCancelCause(t.Context())
		var n atomic.Int64
		enough := errors.New("enough")
		choose := Selection{Where: func() func(*ctf.Event) bool {
			return func(*ctf.Event) bool {
				if n.Add(1) == 20 {
					cancel(enough)
				}
				return true
			}
		}}
		out := filepath.Join(t.TempDir(), "out")
		r, err := (&Job{Inputs: []string{in}, Output: out, Select: choose, Jobs: jobs}).Run(ctx)
		if !errors.Is(err, enough) || r != nil {
			t.Errorf("Run = %+v, %v, want an interruption", r, err)
		}
		gone(t, out)
	}
}

// smallDisk is set for the process of a test that has a small disk.
const smallDisk = "WEIR_TEST_SMALL_DISK"

// A disk that is full is an error and leaves nothing.
func TestDiskFull(t *testing.T) {
	if dir := os.Getenv(smallDisk); dir != "" {
		testDiskFull(t, dir)
		return
	}
	cmd := exec.Command("/proc/self/exe", "-test.run=^TestDiskFull$", "-test.v")
	cmd.Env = append(os.Environ(), smallDisk+"="+t.TempDir())
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWNS | syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	out, err := cmd.CombinedOutput()
	if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.ENOSPC) {
		peer.Lack(t, "namespaces, for a small disk: %v", err)
	}
	if err != nil || !strings.Contains(string(out), "PASS: TestDiskFull") {
		t.Errorf("with a small disk: %v\n%s", err, out)
	}
}

func testDiskFull(t *testing.T, dir string) {
	in := newDir(t)
	traceSpec{packets: 100, parts: []part{textPart("t", 3000)}}.write(t, in)
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=256k"); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(dir, "out")
	r, err := (&Job{Inputs: []string{in}, Output: out}).Run(t.Context())
	if !errors.Is(err, syscall.ENOSPC) || r != nil {
		t.Errorf("Run = %+v, %v, want ENOSPC", r, err)
	}
	if err != nil && !strings.Contains(err.Error(), "chan_") {
		t.Errorf("%v does not name the file", err)
	}
	gone(t, out)
}
