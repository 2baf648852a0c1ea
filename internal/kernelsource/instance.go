// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package kernelsource

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/weir-io/weir/internal/kernel/tracefs"
	"github.com/weir-io/weir/internal/source"
	"github.com/weir-io/weir/internal/traceclock"
)

// instancePrefix begins the names of all instances of weir.
const instancePrefix = "weir."

// owner is what is written down of an instance before it is made.
type owner struct {
	PID     int       `json:"pid"`
	Start   uint64    `json:"start"` // of the process, in ticks since boot
	Boot    string    `json:"boot"`
	Session string    `json:"session"`
	Time    time.Time `json:"time"`
}

// create makes an instance of the daemon's own.
func (s *Source) create(f *tracefs.FS, info source.SessionInfo, channel string, o tracefs.InstanceOptions) (*tracefs.Instance, error) {
	var random [3]byte
	rand.Read(random[:])
	name := fmt.Sprintf("%s%d.%s.%x", instancePrefix, info.ID, plain(channel), random)
	if err := s.note(name, info.Name); err != nil {
		return nil, fmt.Errorf("instance %s: %w", name, err)
	}
	in, err := f.Create(name, o)
	if err != nil {
		return nil, errors.Join(err, s.forget(name))
	}
	return in, nil
}

// plain is a channel's name as a part of a directory's.
func plain(channel string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '-' {
			return r
		}
		return '_'
	}, channel[:min(len(channel), 64)])
}

// note writes an instance down.
func (s *Source) note(name, session string) error {
	if err := os.MkdirAll(s.instances, 0o700); err != nil {
		return err
	}
	start, err := processStart(os.Getpid())
	if err != nil {
		return err
	}
	boot := traceclock.BootID()
	b, err := json.Marshal(owner{os.Getpid(), start, fmt.Sprintf("%x", boot[:]), session, time.Now()})
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(s.instances, name), b, 0o600)
}

func (s *Source) forget(name string) error {
	if err := os.Remove(filepath.Join(s.instances, name)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// remove takes an instance away, and what was written down of it.
func (s *Source) remove(ctx context.Context, in *tracefs.Instance) error {
	if err := in.Remove(ctx); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return s.forget(in.Name())
}

// Sweep removes the instances and probes that a daemon that is gone has left
// behind: those that are written down in the directory of runtime files. Those of others, also
// of other weirs, stay.
func (s *Source) Sweep(ctx context.Context) error {
	entries, err := os.ReadDir(s.instances)
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(entries) == 0 {
		return nil
	}
	if err != nil {
		return err
	}
	f, err := s.open()
	if err != nil {
		return err
	}
	gone := make(map[string]bool)
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), instancePrefix) && !s.owned(e.Name()) {
			gone[e.Name()] = true
		}
	}
	removed, err := f.Sweep(ctx, instancePrefix, func(name string) bool { return !gone[name] })
	for _, name := range removed {
		s.log.Info("instance that was left behind is removed", "instance", name)
	}
	left, lerr := f.Instances(instancePrefix)
	for _, name := range left {
		delete(gone, name) // still busy
	}
	errs := []error{err, lerr}
	for name := range gone {
		errs = append(errs, s.forget(name))
	}
	// Probes can go once nothing records them.
	return errors.Join(append(errs, s.sweepProbes(ctx))...)
}

// Leftover is an instance, or a group of probes, of a daemon that is gone.
type Leftover struct {
	Name    string
	Session string // that it was made for
	PID     int    // of the daemon
	Since   time.Time
}

// Leftovers lists what Sweep would remove.
func (s *Source) Leftovers() ([]Leftover, error) {
	entries, err := os.ReadDir(s.instances)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var all []Leftover
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), instancePrefix) && !strings.HasPrefix(e.Name(), tracefs.ProbeGroupPrefix) || s.owned(e.Name()) {
			continue
		}
		var o owner
		b, err := os.ReadFile(filepath.Join(s.instances, e.Name()))
		if err == nil {
			_ = json.Unmarshal(b, &o) // cut while it was written: its name is all
		}
		all = append(all, Leftover{Name: e.Name(), Session: o.Session, PID: o.PID, Since: o.Time})
	}
	return all, nil
}

// owned reports whether the process that made an instance still runs.
func (s *Source) owned(name string) bool {
	b, err := os.ReadFile(filepath.Join(s.instances, name))
	if err != nil {
		return true
	}
	var o owner
	if json.Unmarshal(b, &o) != nil {
		return false // cut while it was written: nothing was made yet
	}
	boot := traceclock.BootID()
	if o.Boot != fmt.Sprintf("%x", boot[:]) {
		return false
	}
	start, err := processStart(o.PID)
	return err == nil && start == o.Start
}

// processStart is when a process began, in ticks since boot: with its number it
// is unique.
func processStart(pid int) (uint64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	// The name, in parentheses, may hold anything.
	_, rest, ok := strings.Cut(string(b[max(strings.LastIndexByte(string(b), ')'), 0):]), " ")
	fields := strings.Fields(rest)
	if !ok || len(fields) < 20 {
		return 0, fmt.Errorf("/proc/%d/stat: got %d fields behind the name, want 20", pid, len(fields))
	}
	var start uint64
	_, err = fmt.Sscan(fields[19], &start)
	return start, err
}
