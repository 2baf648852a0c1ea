// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracefs

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// CPUs lists the CPUs that have a ring, in order. A CPU that is added while the
// system runs gets its ring then: who waits for that asks again.
func (in *Instance) CPUs() ([]int, error) {
	names, err := in.fs.names(in.dir + "/per_cpu")
	if err != nil {
		return nil, in.lost(err)
	}
	cpus := make([]int, 0, len(names))
	for _, name := range names {
		digits, ok := strings.CutPrefix(name, "cpu")
		if n, err := strconv.Atoi(digits); ok && err == nil && n >= 0 {
			cpus = append(cpus, n)
		}
	}
	slices.Sort(cpus)
	return cpus, nil
}

// OpenPipe opens the trace_pipe_raw of a CPU for a Ring, here or in a process to
// which the file is passed. One reader has it at a time: a second one takes
// events away from the first.
func (in *Instance) OpenPipe(cpu int) (*os.File, error) {
	f, err := in.openCPU(cpu, "trace_pipe_raw")
	if err != nil {
		return nil, err
	}
	// Non-blocking, but unknown to Go: its poller would be woken by each page,
	// in this process, whoever reads.
	if err := unix.SetNonblock(int(f.Fd()), true); err != nil {
		return nil, errors.Join(&FileError{Op: "open", Path: f.Name(), Err: err}, f.Close())
	}
	return f, nil
}

// OpenStats opens the counters of a CPU's ring.
func (in *Instance) OpenStats(cpu int) (*os.File, error) { return in.openCPU(cpu, "stats") }

// OpenRing opens the ring of a CPU for this process.
func (in *Instance) OpenRing(cpu int) (*Ring, error) {
	bytes, err := in.SubbufferBytes()
	if err != nil {
		return nil, err
	}
	pipe, err := in.OpenPipe(cpu)
	if err != nil {
		return nil, err
	}
	stats, err := in.OpenStats(cpu)
	if err != nil {
		return nil, errors.Join(err, pipe.Close())
	}
	return NewRing(pipe, stats, bytes)
}

func (in *Instance) openCPU(cpu int, file string) (*os.File, error) {
	path := in.dir + "/" + perCPU(cpu) + "/" + file
	fd, err := in.fs.open(path, unix.O_RDONLY)
	if err != nil {
		return nil, in.lost(err)
	}
	return os.NewFile(uintptr(fd), path), nil
}

// perCPU returns the directory of a CPU in an instance.
func perCPU(cpu int) string { return fmt.Sprintf("per_cpu/cpu%d", cpu) }
