// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package fanotify

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/feed/fstest"
)

// An object that was removed is gone, also while its number is being given to another:
// then ext4 answers that there is no memory, for as long as that takes.
func TestOpenWhileTheNumberIsGivenAgain(t *testing.T) {
	fs := fstest.New(t, "ext4")
	root, err := OpenRoot(fs.Dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	var storm sync.WaitGroup
	over := make(chan struct{})
	for thread := range 4 { // more than there are processors: some wait with a file half made
		storm.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-over:
					return
				default:
				}
				path := filepath.Join(fs.Dir, fmt.Sprintf("%d-%d", thread, i%7))
				if os.WriteFile(path, nil, 0o600) == nil {
					os.Remove(path)
				}
			}
		})
	}
	defer storm.Wait()
	defer close(over)
	gone := 0
	for i := range 2000 {
		name := fmt.Sprintf("seen%d", i)
		if err := os.WriteFile(filepath.Join(fs.Dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		h, err := HandleAt(root.FD(), name)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(filepath.Join(fs.Dir, name)); err != nil {
			t.Fatal(err)
		}
		for range 20 {
			fd, err := root.Open(h, unix.O_PATH)
			if err == nil {
				unix.Close(fd)
				continue
			}
			if !errors.Is(err, unix.ESTALE) {
				t.Fatalf("file %d, removed: got %v, want that it is gone", i, err)
			}
			gone++
		}
	}
	if gone == 0 {
		t.Error("no file was gone: nothing was tested")
	}
}
