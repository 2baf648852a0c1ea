// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"errors"
	"fmt"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/feed/journal"
)

// stateError tells that the mirror's state cannot be read or written, in words of the target
// that it is on: the store's own are those of an agent.
type stateError struct {
	what string
	err  error
}

func (e *stateError) Error() string { return e.what }

func (e *stateError) Unwrap() error { return e.err }

// explain says of an error of the store below a mirror's own directory what is the matter with
// the target.
func explain(own string, err error) error {
	target := filepath.Dir(own)
	var corrupt *journal.CorruptError
	var room *journal.RoomError
	var number syscall.Errno
	what := err
	switch {
	case err == nil:
		return nil
	case errors.As(err, &room):
		return &stateError{fmt.Sprintf("target %s is full: %d bytes are free, and %d are kept for what the mirror stores there: %v", target, room.Free, room.Least, unix.ENOSPC), err}
	case errors.As(err, &corrupt): // whose advice is for the agent's store
		return &stateError{fmt.Sprintf("mirror's state: %s: %v; remove %s and begin anew with --begin-anew --adopt --take-over, which replaces what is in the target", corrupt.Path, corrupt.Err, own), err}
	case errors.Is(err, journal.ErrLocked):
		return &stateError{fmt.Sprintf("target %s: another mirror runs there: it has locked %s", target, filepath.Join(own, stateDir)), err}
	case errors.As(err, &number):
		what = number
	default:
		return err
	}
	return &stateError{fmt.Sprintf("target %s: mirror's state in %s: %v", target, filepath.Join(own, stateDir), what), err}
}

// stateOptions are those of the state's store. A small target has room for its copies: the
// store reserves some megabytes for what it collects in memory.
func stateOptions(own string) journal.Options {
	o := journal.Options{CacheBytes: 96 << 20, MemTableBytes: 16 << 20, ReserveBytes: 64 << 20}
	var fs unix.Statfs_t
	if err := unix.Statfs(own, &fs); err == nil {
		size := int64(fs.Blocks) * fs.Bsize
		o.MemTableBytes = int(min(max(size/128, 1<<20), 16<<20))
		o.ReserveBytes = min(size/32, 64<<20)
	}
	return o
}

// openStore opens the state's store. What was freed since is not free on btrfs until it is
// synced.
func openStore(own string) (journal.Store, error) {
	store, err := journal.OpenStore(filepath.Join(own, stateDir), stateOptions(own))
	if !errors.Is(err, unix.ENOSPC) || syncAt(own) != nil {
		return store, err
	}
	return journal.OpenStore(filepath.Join(own, stateDir), stateOptions(own))
}

// syncAt has the file system at a path synced.
func syncAt(path string) error {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Syncfs(fd)
}
