// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracefs

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// place makes a directory with files; a name that ends in a slash is another
// directory.
func place(t *testing.T, files ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range files {
		must(t, os.WriteFile(filepath.Join(dir, name), []byte("[local]\n"), 0o600))
	}
	return dir
}

func TestFindExplains(t *testing.T) {
	nowhere := filepath.Join(t.TempDir(), "kernel", "tracing") // without a parent
	noDir := filepath.Join(t.TempDir(), "tracing")
	empty := func(dirs ...string) []string { return dirs }
	confidential := "none integrity [confidentiality]\n"
	for name, tt := range map[string]struct {
		places   []string
		mounted  bool
		refuse   error // of opening
		mount    error
		lockdown string
		want     error
		cause    error
		path     int // of places, when found
	}{
		"first":                       {places: []string{place(t, clockFile), place(t, clockFile)}},
		"second":                      {places: []string{place(t), place(t, clockFile)}, path: 1},
		"second, first missing":       {places: []string{nowhere, place(t, clockFile)}, path: 1},
		"may not mount":               {places: empty(place(t), nowhere), mount: unix.EPERM, want: ErrNotMounted, cause: unix.EPERM},
		"may not mount the second":    {places: empty(nowhere, place(t)), mount: unix.EPERM, want: ErrNotMounted, cause: unix.EPERM},
		"no such file system":         {places: empty(place(t), nowhere), mount: unix.ENODEV, want: ErrNoTracing, cause: unix.ENODEV},
		"mounted, empty":              {places: empty(place(t), nowhere), mounted: true, want: ErrNoTracing, cause: unix.ENOENT},
		"mounted, empty, locked down": {places: empty(place(t), nowhere), mounted: true, lockdown: confidential, want: ErrLockdown},
		"locked down later":           {places: empty(place(t, clockFile), nowhere), mounted: true, refuse: unix.EPERM, lockdown: confidential, want: ErrLockdown, cause: unix.EPERM},
		"integrity is no hindrance":   {places: empty(place(t, clockFile), nowhere), mounted: true, refuse: unix.EPERM, lockdown: "none [integrity] confidentiality\n", want: ErrPermission},
		"no permission":               {places: empty(place(t, clockFile), nowhere), mounted: true, refuse: unix.EACCES, want: ErrPermission, cause: unix.EACCES},
		"no permission, locked down":  {places: empty(place(t, clockFile), nowhere), mounted: true, refuse: unix.EACCES, lockdown: confidential, want: ErrPermission},
		"no directory":                {places: empty(noDir, nowhere), want: ErrNoTracing, cause: unix.ENOENT},
		"no sysfs":                    {places: empty(nowhere, nowhere), want: ErrNotMounted, cause: unix.ENOENT},
	} {
		t.Run(name, func(t *testing.T) {
			keepsDescriptors(t)
			lockdown := filepath.Join(t.TempDir(), "lockdown")
			if tt.lockdown != "" {
				must(t, os.WriteFile(lockdown, []byte(tt.lockdown), 0o600))
			}
			d := &double{t: t, paths: make(map[int]string), refuse: func(string, string) error { return tt.refuse }}
			f := finder{
				places: tt.places, lockdown: lockdown, system: d,
				mount:   func(string) error { return tt.mount },
				isMount: func(dir string) bool { return tt.mounted && dir == tt.places[0] },
			}
			fs, err := f.find()
			if tt.want == nil {
				must(t, err)
				defer fs.Close()
				if fs.Path() != tt.places[tt.path] {
					t.Errorf("found at %s, want %s", fs.Path(), tt.places[tt.path])
				}
				return
			}
			var u *UnavailableError
			if !errors.As(err, &u) || !errors.Is(err, tt.want) || tt.cause != nil && !errors.Is(err, tt.cause) {
				t.Fatalf("find: %v, want %v because of %v", err, tt.want, tt.cause)
			}
			if !strings.Contains(err.Error(), tt.places[0]) {
				t.Errorf("%v does not name the place", err)
			}
			for _, other := range []error{ErrNotMounted, ErrPermission, ErrLockdown, ErrNoTracing} {
				if other != tt.want && errors.Is(err, other) {
					t.Errorf("%v is %v as well", err, other)
				}
			}
		})
	}
}

func TestFindMounts(t *testing.T) {
	dir := place(t)
	f := finder{
		places: []string{dir}, system: kernel{},
		mount:   func(dir string) error { return os.WriteFile(filepath.Join(dir, clockFile), nil, 0o600) },
		isMount: func(string) bool { return false },
	}
	fs, err := f.find()
	must(t, err)
	must(t, fs.Close())
}

// childFind says what Find finds. Given a directory in descriptor 3 it takes
// tracefs away first, in its own mount namespace, and becomes the directory's owner.
func childFind() error {
	var st unix.Stat_t
	if unix.Fstat(3, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFDIR {
		if err := unix.Unmount("/sys/kernel/tracing", unix.MNT_DETACH); err != nil {
			return err
		}
		// Where debugfs is mounted, tracefs is in it as well.
		if err := unix.Unmount("/sys/kernel/debug", unix.MNT_DETACH); err != nil && err != unix.EINVAL {
			return err
		}
		if err := syscall.Setuid(int(st.Uid)); err != nil {
			return err
		}
	}
	fs, err := Find()
	switch {
	case err == nil:
		fmt.Print("found ", fs.Path())
		return fs.Close()
	case errors.Is(err, ErrPermission):
		fmt.Print("no permission")
	case errors.Is(err, ErrNotMounted):
		fmt.Print("not mounted")
	default:
		fmt.Print(err)
	}
	return nil
}

func TestFindInOtherWorlds(t *testing.T) {
	mounted(t)
	roots, nobodys := place(t), place(t)
	must(t, os.Chown(nobodys, 65534, 65534))
	private := &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	for name, tt := range map[string]struct {
		attr *syscall.SysProcAttr
		file string
		want string
	}{
		"unmounted":                  {private, roots, "found /sys/kernel/tracing"},
		"unmounted and unprivileged": {private, nobodys, "not mounted"},
		"unprivileged":               {&syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}, os.DevNull, "no permission"},
	} {
		f, err := os.Open(tt.file)
		must(t, err)
		if got := child(t, "find", tt.attr, f); got != tt.want {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
		must(t, f.Close())
	}
	// The machine's own mount is still there.
	fs, err := Find()
	must(t, err)
	must(t, fs.Close())
}
