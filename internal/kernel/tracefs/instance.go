// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracefs

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

const (
	instancesDir  = "instances"
	subbufferFile = "buffer_subbuf_size_kb"
	ringFile      = "buffer_size_kb"
	percentFile   = "buffer_percent"
	tracingFile   = "tracing_on"
)

// Instance is a set of rings, one for each CPU, with a selection of events, a
// clock and options of its own.
type Instance struct {
	fs   *FS
	name string
	dir  string // below the mount point
}

// InstanceOptions are what an instance is created with.
type InstanceOptions struct {
	// Clock is a word of Capabilities.Clocks; "" keeps the kernel's choice.
	Clock string
	// SubbufferBytes is the size of a sub-buffer, what Ring.Read reads at once.
	// The kernel rounds it up to a power of two of pages; 0 is one page, which
	// is all that kernels before 6.8 have.
	SubbufferBytes int
	// RingBytes is the size of the ring of each CPU, rounded up by the kernel
	// to whole sub-buffers; 0 keeps the kernel's choice, about 1.4 MiB.
	RingBytes int
	// WakePercent is how full a ring has to be for Ring.Wait to return; 0 is
	// at once. Kernels without buffer_percent always wake at once.
	WakePercent int
	// Overwrite lets new events overwrite the oldest ones of a full ring. They
	// are dropped otherwise.
	Overwrite bool
	// Options are further files of options/, such as event-fork.
	Options map[string]bool
}

// Create makes an instance with no event enabled and tracing off. After an
// error there is none. A name that is taken is an error that is fs.ErrExist.
func (fs *FS) Create(name string, o InstanceOptions) (*Instance, error) {
	in, err := fs.named(name)
	if err != nil {
		return nil, err
	}
	if fs.closed.Load() {
		return nil, &FileError{Op: "make", Path: in.dir, Err: os.ErrClosed}
	}
	if err := fs.system.mkdirat(fs.dir, in.dir); err != nil {
		return nil, &FileError{Op: "make", Path: in.dir, Err: err}
	}
	if err := in.configure(o); err != nil {
		err = fmt.Errorf("create instance %s: %w", name, err)
		if rerr := fs.system.rmdirat(fs.dir, in.dir); rerr != nil {
			err = errors.Join(err, &FileError{Op: "remove", Path: in.dir, Err: rerr})
		}
		return nil, err
	}
	return in, nil
}

// Instance returns an instance that is there, from whomever. Without it the
// error is ErrNoInstance.
func (fs *FS) Instance(name string) (*Instance, error) {
	in, err := fs.named(name)
	if err != nil {
		return nil, err
	}
	switch ok, err := fs.exists(in.dir); {
	case err != nil:
		return nil, err
	case !ok:
		return nil, fmt.Errorf("%w: %s", ErrNoInstance, name)
	}
	return in, nil
}

func (fs *FS) named(name string) (*Instance, error) {
	if err := CheckName("instance", name); err != nil {
		return nil, err
	}
	return &Instance{fs: fs, name: name, dir: instancesDir + "/" + name}, nil
}

// configure sets a new instance up, in an order in which nothing is recorded
// before all is set and no setting undoes another: clock and sub-buffer size
// empty the rings.
func (in *Instance) configure(o InstanceOptions) error {
	if err := in.SetTracing(false); err != nil {
		return err
	}
	if o.Clock != "" {
		if err := in.SetClock(o.Clock); err != nil {
			return err
		}
	}
	if err := in.setSubbuffer(o.SubbufferBytes); err != nil {
		return err
	}
	if err := in.setRing(o.RingBytes); err != nil {
		return err
	}
	if err := in.setPercent(o.WakePercent); err != nil {
		return err
	}
	if err := in.SetOption("overwrite", o.Overwrite); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(o.Options)) {
		if err := in.SetOption(name, o.Options[name]); err != nil {
			return err
		}
	}
	return nil
}

// Name returns the name of the instance.
func (in *Instance) Name() string { return in.name }

// SetTracing turns recording on or off. Events that are enabled cost something
// while it is off, too.
func (in *Instance) SetTracing(on bool) error { return in.set(tracingFile, flag(on)) }

// Tracing reports whether recording is on.
func (in *Instance) Tracing() (bool, error) {
	s, err := in.get(tracingFile)
	return s == "1", err
}

// SetClock chooses the clock of the time stamps and empties the rings.
func (in *Instance) SetClock(name string) error {
	if err := CheckName("clock", name); err != nil {
		return err
	}
	err := in.set(clockFile, name)
	if errors.Is(err, unix.EINVAL) {
		clocks, _ := in.get(clockFile)
		return fmt.Errorf("clock %s: %w (the kernel has %s)", name, errors.ErrUnsupported, clocks)
	}
	return err
}

// SetOption sets a file of options/.
func (in *Instance) SetOption(name string, on bool) error {
	if err := CheckName("option", name); err != nil {
		return err
	}
	file := "options/" + name
	err := in.set(file, flag(on))
	if missing(err) && in.there() {
		return &MissingError{File: file, Need: "that option in instances"}
	}
	return err
}

// Clear empties the rings. A reader may still hold a page of before.
func (in *Instance) Clear() error {
	return in.lost(in.fs.write(in.dir+"/trace", "\n", unix.O_TRUNC))
}

// SubbufferBytes returns the size of the sub-buffers: what a Ring reads at once.
func (in *Instance) SubbufferBytes() (int, error) {
	kb, err := in.number(subbufferFile)
	if missing(err) && in.there() {
		return os.Getpagesize(), nil
	}
	return kb << 10, err
}

// RingBytes returns the size of the ring of a CPU.
func (in *Instance) RingBytes(cpu int) (int, error) {
	kb, err := in.number(perCPU(cpu) + "/" + ringFile)
	return kb << 10, err
}

// HeaderPage returns the text that describes a page of this instance's rings.
func (in *Instance) HeaderPage() ([]byte, error) {
	b, err := in.fs.read(in.dir+"/"+eventsDir+"/header_page", nil)
	return b, in.lost(err)
}

// Remove takes the instance away: it stops recording, disables events if that is
// needed, and removes the directory. While somebody has a file of it open that
// is impossible: it is tried again until ctx is done, and the error is ErrBusy
// then. An instance that is gone already is no error.
func (in *Instance) Remove(ctx context.Context) error {
	// A recording instance that cannot be removed would go on to cost time.
	_ = in.SetTracing(false)
	err := in.rmdir()
	if errors.Is(err, ErrBusy) {
		_ = in.DisableAll()
	}
	for pause := 5 * time.Millisecond; errors.Is(err, ErrBusy); pause = min(2*pause, 100*time.Millisecond) {
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("remove instance %s: %w (%w)", in.name, err, context.Cause(ctx))
		case <-timer.C:
		}
		err = in.rmdir()
	}
	return err
}

func (in *Instance) rmdir() error {
	if in.fs.closed.Load() {
		return &FileError{Op: "remove", Path: in.dir, Err: os.ErrClosed}
	}
	switch err := in.fs.system.rmdirat(in.fs.dir, in.dir); err {
	case nil, unix.ENOENT:
		return nil
	case unix.EBUSY:
		return fmt.Errorf("%w: %w", ErrBusy, err)
	default:
		return &FileError{Op: "remove", Path: in.dir, Err: err}
	}
}

// setSubbuffer asks for a size of sub-buffers, if it is not what there is.
func (in *Instance) setSubbuffer(bytes int) error {
	if bytes == 0 {
		bytes = os.Getpagesize()
	}
	switch now, err := in.SubbufferBytes(); {
	case err != nil:
		return err
	case now == bytes:
		return nil
	}
	err := in.set(subbufferFile, kibibytes(bytes))
	if missing(err) {
		return &MissingError{File: subbufferFile, Need: "Linux 6.8, for sub-buffers of " + size(bytes)}
	}
	return in.memory(err, bytes)
}

func (in *Instance) setRing(bytes int) error {
	if bytes == 0 {
		return nil
	}
	return in.memory(in.set(ringFile, kibibytes(bytes)), bytes)
}

func (in *Instance) setPercent(percent int) error {
	err := in.set(percentFile, strconv.Itoa(percent))
	if missing(err) && in.there() {
		return nil
	}
	return err
}

// memory turns a refusal for want of memory into words.
func (in *Instance) memory(err error, bytes int) error {
	if !errors.Is(err, unix.ENOMEM) {
		return err
	}
	cpus, _ := in.CPUs()
	return &MemoryError{RingBytes: bytes, CPUs: len(cpus), Err: err}
}

// there reports whether the instance still exists.
func (in *Instance) there() bool {
	ok, err := in.fs.exists(in.dir)
	return ok && err == nil
}

func (in *Instance) set(file, value string) error {
	return in.lost(in.fs.write(in.dir+"/"+file, value, 0))
}

func (in *Instance) get(file string) (string, error) {
	s, err := in.fs.line(in.dir + "/" + file)
	return s, in.lost(err)
}

// lost tells an instance that was removed from a file that is missing.
func (in *Instance) lost(err error) error {
	if (missing(err) || errors.Is(err, unix.ENODEV)) && !in.there() {
		return fmt.Errorf("%w: %w", ErrNoInstance, err)
	}
	return err
}

func (in *Instance) number(file string) (int, error) {
	n, err := in.fs.number(in.dir + "/" + file)
	return n, in.lost(err)
}

// kibibytes returns a size rounded up to KiB, the unit of the files.
func kibibytes(bytes int) string { return strconv.Itoa((bytes + 1<<10 - 1) >> 10) }
