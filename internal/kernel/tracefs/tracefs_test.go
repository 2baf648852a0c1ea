// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracefs

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/weir-io/weir/internal/peer"
)

// prefix begins the names of the instances that the tests of this process make.
var prefix = fmt.Sprintf("weirtest-tracefs-%d-", os.Getpid())

// mounted returns the machine's tracefs.
func mounted(t testing.TB) *FS {
	t.Helper()
	peer.Root(t, "to use tracefs")
	found, err := Find()
	if err != nil {
		peer.Lack(t, "tracefs: %v", err)
	}
	found.Close()
	fs, err := open(found.Path(), &double{t: t, own: instancesDir + "/" + prefix, paths: make(map[int]string)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { fs.Close() })
	return fs
}

// create makes an instance that is removed at the end of the test.
func create(t testing.TB, fs *FS, o InstanceOptions) *Instance {
	t.Helper()
	in, err := fs.Create(freeName(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { remove(t, in) })
	return in
}

func remove(t testing.TB, in *Instance) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := in.Remove(ctx); err != nil {
		t.Errorf("Remove: %v", err)
	}
}

func freeName() string {
	b := make([]byte, 4)
	rand.Read(b)
	return prefix + hex.EncodeToString(b)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func BenchmarkCreateAndRemove(b *testing.B) {
	fs := mounted(b)
	for b.Loop() {
		in, err := fs.Create(freeName(), InstanceOptions{Clock: "mono", RingBytes: 4 << 20, WakePercent: 10})
		must(b, err)
		b.StopTimer()
		remove(b, in)
		b.StartTimer()
	}
}
