// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/changelog"
)

// RefusedError tells that a target cannot have a name, or what stands at it: the rest of
// the mirror goes on.
type RefusedError struct {
	Path string
	What string // as "the target does not tell it from \"a\""; empty: Err says it
	Err  error
}

func (e *RefusedError) Error() string {
	if e.What != "" {
		return fmt.Sprintf("target %s: %s", e.Path, e.What)
	}
	return fmt.Sprintf("target %s: it cannot be there: %v", e.Path, e.Err)
}

func (e *RefusedError) Unwrap() error { return e.Err }

// nameErrors are what file systems say to names, and to objects, that they cannot have.
var nameErrors = []syscall.Errno{
	unix.ENAMETOOLONG, unix.EINVAL, unix.EILSEQ, unix.EMLINK, unix.EOPNOTSUPP, unix.ENOSYS, unix.EOVERFLOW,
}

// kindErrors are what they say, too, to kinds of objects that they do not have, or that
// this process may not make: devices, pipes, sockets, links.
var kindErrors = []syscall.Errno{unix.EPERM, unix.EACCES, unix.ENODEV, unix.ENXIO}

// objectErrors are errors of one object, which say nothing about the others.
var objectErrors = slices.Concat(nameErrors, kindErrors, []syscall.Errno{
	unix.EFBIG, unix.E2BIG, unix.ERANGE, unix.EIO, unix.EBUSY, unix.ETXTBSY, unix.EUCLEAN, unix.EBADMSG, unix.ENODATA,
})

// isOneOf reports whether an error is, or wraps, one of some.
func isOneOf(err error, of []syscall.Errno) bool {
	var is syscall.Errno
	return errors.As(err, &is) && slices.Contains(of, is)
}

// refusal explains why a name could not be made for f in an open directory. Ordinary says
// that f is a file or a directory and this its first name: every target has those.
func (t *target) refusal(dir int, n name, ordinary bool, err error) error {
	switch {
	case errors.Is(err, unix.EEXIST) && t.folds:
		other, clash, listErr := t.clash(dir, n)
		if listErr != nil {
			return listErr
		}
		if clash {
			return &RefusedError{t.path(n), fmt.Sprintf("the target does not tell it from %q", other), err}
		}
	case isOneOf(err, nameErrors), !ordinary && isOneOf(err, kindErrors):
		return &RefusedError{Path: t.path(n), Err: err}
	}
	return t.surprise(n, err)
}

// clash reports whether what is found at a name is one of the mirror's objects at another
// name that the target takes for the same. Some targets list names in another case than
// they were made in.
func (t *target) clash(dir int, n name) (other string, is bool, err error) {
	h, err := t.handleAt(dir, n.name)
	if err != nil {
		return "", false, t.surprise(n, err)
	}
	f, ok, err := t.state.originOf(h)
	if err != nil || !ok {
		return "", false, err
	}
	links, err := t.state.someLinks(f, math.MaxInt)
	for _, l := range links {
		if l.parent != n.parent {
			continue
		}
		if strings.EqualFold(l.name, n.name) {
			return l.name, true, err
		}
		exact, err := hasExactly(dir, n.name)
		return l.name, !exact, err
	}
	return "", false, err
}

// hasExactly reports whether a directory lists a name, letter by letter.
func hasExactly(dir int, n string) (bool, error) {
	fd, err := unix.Openat(dir, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return false, err
	}
	f := os.NewFile(uintptr(fd), "directory")
	defer f.Close()
	names, err := f.Readdirnames(-1)
	return slices.Contains(names, n), err
}

// foldsNames reports whether a directory takes names for the same that differ in the case
// of letters only.
func foldsNames(dir int) (bool, error) {
	const probe = "Fold"
	fd, err := unix.Openat(dir, probe, unix.O_WRONLY|unix.O_CREAT|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return false, err
	}
	unix.Close(fd)
	var st unix.Stat_t
	err = unix.Fstatat(dir, "fOLD", &st, unix.AT_SYMLINK_NOFOLLOW)
	return err == nil, unix.Unlinkat(dir, probe, 0)
}

// renameNew renames to a name that nothing has.
func renameNew(fromDir int, from string, toDir int, to string) error {
	err := unix.Renameat2(fromDir, from, toDir, to, unix.RENAME_NOREPLACE)
	if !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOSYS) {
		return err
	}
	// The name is refused, or the file system does not know the flag.
	var st unix.Stat_t
	switch err := unix.Fstatat(toDir, to, &st, unix.AT_SYMLINK_NOFOLLOW); {
	case err == nil:
		return unix.EEXIST
	case !errors.Is(err, unix.ENOENT):
		return err
	}
	return unix.Renameat(fromDir, from, toDir, to)
}

// isOrdinary reports whether every file system has objects of a mode.
func isOrdinary(mode uint32) bool {
	kind := mode & unix.S_IFMT
	return kind == unix.S_IFREG || kind == unix.S_IFDIR
}

// isFolded reports whether f, found at a name in an open directory, is what the target has
// at another one that it takes for the same. Names that differ in more than the case of
// letters may be that, too: then the directory does not list the one that was asked for.
func (t *target) isFolded(dir int, n name, f changelog.FID) (bool, error) {
	if !t.folds || f.IsZero() {
		return false, nil
	}
	links, err := t.state.someLinks(f, math.MaxInt)
	if err != nil || slices.Contains(links, n) {
		return false, err
	}
	links = slices.DeleteFunc(links, func(l name) bool { return l.parent != n.parent })
	if len(links) == 0 {
		return false, nil
	}
	if slices.ContainsFunc(links, func(l name) bool { return strings.EqualFold(l.name, n.name) }) {
		return true, nil
	}
	exact, err := hasExactly(dir, n.name)
	return !exact, err
}
