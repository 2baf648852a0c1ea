// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracepoint

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/ust/wire"
)

// maxContexts bounds the contexts of a channel.
const maxContexts = 32

// procnameLen is how many bytes the name of a process has in events.
const procnameLen = 17

// contextWriter writes what all events of a channel tell, before their fields.
type contextWriter struct {
	kind    wire.ContextType
	name    string // of a counter, or of a context of the program's own
	size    uint64
	sign    bool
	now     func(processor int) uint64 // nil: fixed
	word    uint64
	text    *[procnameLen]byte // procname
	counter *counter           // or nil
}

// Numbers of contexts.
const (
	contextThread    = 0
	contextPID       = 1
	contextPthread   = 2
	contextProcname  = 3
	contextIP        = 4
	contextCPU       = 6
	contextFirstNS   = 8
	contextLastNS    = 14
	contextFirstUser = 15
	contextLastUser  = 20
	contextTimeNS    = 21
)

// newContext makes what writes a context that is known by its kind alone. It reports false
// for those that Go programs do not have: contexts of other languages' agents.
func newContext(kind wire.ContextType) (contextWriter, bool) {
	c := contextWriter{kind: kind, size: 4}
	switch {
	case kind == contextThread:
		c.sign, c.now = true, func(int) uint64 { return uint64(unix.Gettid()) }
	case kind == contextPID:
		c.sign, c.word = true, uint64(os.Getpid())
	case kind == contextPthread:
		c.size = 8 // there are no POSIX threads: 0
	case kind == contextProcname:
		c.size, c.text = procnameLen, new([procnameLen]byte)
		copy(c.text[:procnameLen-1], processName())
	case kind == contextIP:
		c.size, c.now = 8, func(int) uint64 { return caller() }
	case kind == contextCPU:
		c.sign, c.now = true, func(p int) uint64 { return uint64(p) }
	case kind >= contextFirstNS && kind <= contextLastNS, kind == contextTimeNS:
		c.size, c.word = 8, namespace(kind)
	case kind >= contextFirstUser && kind <= contextLastUser:
		c.word = user(kind)
	default:
		return c, false
	}
	return c, true
}

func (c *contextWriter) value(processor int) uint64 {
	if c.now == nil {
		return c.word
	}
	return c.now(processor)
}

func (c *contextWriter) put(p unsafe.Pointer, v uint64) unsafe.Pointer {
	switch {
	case c.text != nil:
		*(*[procnameLen]byte)(p) = *c.text
	case c.size == 1:
		*(*uint8)(p) = uint8(v)
	case c.size == 4:
		*(*uint32)(p) = uint32(v)
	default:
		*(*uint64)(p) = v
	}
	return unsafe.Add(p, c.size)
}

// records describes the context, to the byte as LTTng's library does: the programs of a
// user share the channel, and a daemon takes those alone that have the same contexts. The
// daemon has enumerations by the numbers given.
func (c *contextWriter) records(enums map[string]uint64) []wire.Field {
	if c.kind == wire.ContextApp {
		return appRecords(c.name, enums[dynamicEnum().name])
	}
	if c.text != nil {
		return []wire.Field{
			{Name: c.kind.String(), Kind: wire.Array, Length: procnameLen},
			{Kind: wire.Integer, Bits: 8, Signed: true, Base: 10, Encoding: wire.UTF8, Align: 8},
		}
	}
	name := c.name
	if name == "" {
		name = c.kind.String()
	}
	return []wire.Field{{Name: name, Kind: wire.Integer, Bits: uint32(8 * c.size), Signed: c.sign, Base: 10, Align: 8}}
}

// processName is the kernel's name of the program's first thread.
func processName() string {
	b, err := os.ReadFile("/proc/self/comm")
	if err != nil {
		return "go" // there is no /proc; something has to be said
	}
	return strings.TrimSuffix(string(b), "\n")
}

// namespace is the number of a namespace that the program is in, or 0 where it cannot
// be known, as LTTng's library has it.
func namespace(kind wire.ContextType) uint64 {
	name := strings.TrimSuffix(kind.String(), "_ns")
	link, err := os.Readlink("/proc/self/ns/" + name)
	if err != nil {
		return 0
	}
	var n uint64
	if _, err := fmt.Sscanf(link, name+":[%d]", &n); err != nil {
		return 0
	}
	return n
}

func user(kind wire.ContextType) uint64 {
	var real, effective, saved int
	if kind < contextFirstUser+3 {
		real, effective, saved = unix.Getresuid()
	} else {
		real, effective, saved = unix.Getresgid()
	}
	return uint64([...]int{real, effective, saved}[(kind-contextFirstUser)%3])
}

// own is what names of this package's functions begin with.
const own = "github.com/weir-io/weir/tracepoint."

// caller is the address in the program that the package was called at.
func caller() uint64 {
	var pcs [24]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(1, pcs[:])])
	for {
		f, more := frames.Next()
		switch {
		case !strings.HasPrefix(f.Function, own):
			return uint64(f.PC)
		case !more:
			return 0
		}
	}
}
