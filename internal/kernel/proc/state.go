// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package proc

import "fmt"

// Options says what is read.
type Options struct {
	MaxThreads int // 0: 100 000
	MaxFiles   int // 0: 200 000; below 0: none
	// Interfaces tells the network's interfaces, which /proc does only in part;
	// nil: [SystemInterfaces].
	Interfaces func() ([]Interface, error)
}

const (
	defaultThreads = 100_000
	defaultFiles   = 200_000
)

// State is what there is on the host.
type State struct {
	Threads      []Thread // by process, the leader first
	Files        []File   // by process
	Interfaces   []Interface
	BlockDevices []BlockDevice
	Interrupts   []Interrupt
	LeftOut      LeftOut
}

// LeftOut says how much is not in a State that was there.
type LeftOut struct {
	Threads int // behind the limit
	Files   int // behind the limit
	Gone    int // threads and files that ended while they were read
	Refused int // processes of which this one may not see all
}

// State reads it all. An error is that of a part; the others are there.
func (fs *FS) State(o Options) (*State, error) {
	if o.MaxThreads == 0 {
		o.MaxThreads = defaultThreads
	}
	if o.MaxFiles == 0 {
		o.MaxFiles = defaultFiles
	}
	if o.Interfaces == nil {
		o.Interfaces = SystemInterfaces
	}
	w := walk{root: fs.root, o: o, s: new(State), parents: map[int32][]int32{}}
	var first error
	for _, part := range []struct {
		name string
		read func() error
	}{
		{"threads", w.processes},
		{"network interfaces", func() (err error) { w.s.Interfaces, err = o.Interfaces(); return err }},
		{"block devices", w.blockDevices},
		{"interrupts", w.interrupts},
	} {
		if err := part.read(); err != nil && first == nil {
			first = fmt.Errorf("read %s: %w", part.name, err)
		}
	}
	return w.s, first
}
