// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package systemtest

import (
	"encoding/binary"
	"fmt"
	"os"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/peer"
)

// fuse is a file system in memory whose server is the test: it can stop to answer, as
// one on another host does that is gone. It knows what recording a trace needs. The
// test must not go there itself.
//
// Requests and answers are those of linux/fuse.h: a header of 40 bytes {u32 length,
// opcode; u64 unique, node; u32 uid, gid, pid, padding}, one of 16 {u32 length; i32
// error; u64 unique}.
type fuse struct {
	m   *machine
	fd  int
	dir string

	mu     sync.Mutex // guards what follows
	silent bool
	held   uint64 // requests that were not answered
	nodes  map[uint64]*fuseNode
	last   uint64
}

// fuseNode is a file or directory.
type fuseNode struct {
	mode     uint32
	uid, gid uint32
	data     []byte
	names    map[string]uint64 // of a directory
}

// Opcodes of requests.
const (
	fuseLookup     = 1
	fuseForget     = 2
	fuseGetattr    = 3
	fuseSetattr    = 4
	fuseMkdir      = 9
	fuseUnlink     = 10
	fuseRmdir      = 11
	fuseOpen       = 14
	fuseRead       = 15
	fuseWrite      = 16
	fuseRelease    = 18
	fuseFlush      = 25
	fuseInit       = 26
	fuseOpendir    = 27
	fuseReaddir    = 28
	fuseReleasedir = 29
	fuseCreate     = 35
	fuseInterrupt  = 36
	fuseForgets    = 42
)

// startFUSE mounts it, and serves it until the test ends.
func (m *machine) startFUSE(dir string) *fuse {
	m.Helper()
	fd, err := unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		peer.Lack(m.T, "FUSE: %v", err)
	}
	f := &fuse{m: m, fd: fd, dir: dir, nodes: map[uint64]*fuseNode{1: {mode: unix.S_IFDIR | 0o755, names: map[string]uint64{}}}, last: 1}
	if err := unix.Mount("weirtest", dir, "fuse", unix.MS_NODEV|unix.MS_NOSUID, fmt.Sprintf("fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other", fd)); err != nil {
		m.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { // ends when the file system is unmounted, which the test's end waits for
		defer close(ended)
		f.serve()
	}()
	m.Cleanup(func() {
		f.abort()
		<-ended
		_ = unix.Close(fd)
	})
	return f
}

// hang has the server answer nothing any more.
func (f *fuse) hang() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.silent = true
}

// waiting is how many requests were not answered.
func (f *fuse) waiting() uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.held
}

// abort unmounts it: who waits for an answer gets an error.
func (f *fuse) abort() {
	_ = unix.Unmount(f.dir, unix.MNT_FORCE|unix.MNT_DETACH) // it may have been done
}

// serve answers requests until the file system is unmounted.
func (f *fuse) serve() {
	b := make([]byte, 1<<20)
	for {
		n, err := unix.Read(f.fd, b)
		if err == unix.EINTR || err == unix.ENOENT {
			continue
		}
		if err != nil {
			return
		}
		e := binary.NativeEndian
		op, unique, node := e.Uint32(b[4:]), e.Uint64(b[8:]), e.Uint64(b[16:])
		if answer := f.answer(op, node, e.Uint32(b[24:]), e.Uint32(b[28:]), b[40:n]); answer != nil {
			e.PutUint32(answer, uint32(len(answer)))
			e.PutUint64(answer[8:], unique)
			_, _ = unix.Write(f.fd, answer) // who has asked may be gone
		}
	}
}

// answer returns the answer to a request, nil for those that have none.
func (f *fuse) answer(op uint32, node uint64, uid, gid uint32, in []byte) []byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch op {
	case fuseForget, fuseForgets, fuseInterrupt:
		return nil
	case fuseInit:
		e := binary.NativeEndian
		out := make([]byte, 16+64)
		e.PutUint32(out[16:], 7)
		e.PutUint32(out[20:], 31)
		e.PutUint32(out[24:], e.Uint32(in[8:])) // read ahead
		e.PutUint32(out[16+20:], 128<<10)       // largest write
		return out
	}
	if f.silent {
		f.held++
		return nil
	}
	n := f.nodes[node]
	if n == nil {
		return failed(unix.ENOENT)
	}
	return f.do(op, node, n, uid, gid, in)
}

// failed is the answer that is an error.
func failed(err unix.Errno) []byte {
	out := make([]byte, 16)
	binary.NativeEndian.PutUint32(out[4:], uint32(-int32(err)))
	return out
}

// name cuts a name at its zero.
func name(b []byte) string { return strings.SplitN(string(b), "\x00", 2)[0] }

func (f *fuse) do(op uint32, id uint64, n *fuseNode, uid, gid uint32, in []byte) []byte {
	e, ok := binary.NativeEndian, make([]byte, 16)
	switch op {
	case fuseLookup:
		child, found := n.names[name(in)]
		if !found {
			return failed(unix.ENOENT)
		}
		return f.entry(ok, child)
	case fuseGetattr:
		return f.attributes(append(ok, make([]byte, 16)...), id)
	case fuseSetattr:
		const mode, owner, group, size = 1, 2, 4, 8
		valid := e.Uint32(in)
		if valid&size != 0 {
			n.data = append(n.data, make([]byte, max(0, int(e.Uint64(in[16:]))-len(n.data)))...)[:e.Uint64(in[16:])]
		}
		if valid&mode != 0 {
			n.mode = n.mode&unix.S_IFMT | e.Uint32(in[68:])&0o7777
		}
		if valid&owner != 0 {
			n.uid = e.Uint32(in[76:])
		}
		if valid&group != 0 {
			n.gid = e.Uint32(in[80:])
		}
		return f.attributes(append(ok, make([]byte, 16)...), id)
	case fuseMkdir:
		return f.entry(ok, f.add(n, name(in[8:]), unix.S_IFDIR|e.Uint32(in), uid, gid))
	case fuseCreate:
		return append(f.entry(ok, f.add(n, name(in[16:]), unix.S_IFREG|e.Uint32(in[4:]), uid, gid)), make([]byte, 16)...)
	case fuseUnlink, fuseRmdir:
		delete(n.names, name(in))
		return ok
	case fuseOpen, fuseOpendir:
		return append(ok, make([]byte, 16)...)
	case fuseRead:
		from := min(int(e.Uint64(in[8:])), len(n.data))
		return append(ok, n.data[from:min(from+int(e.Uint32(in[16:])), len(n.data))]...)
	case fuseWrite:
		from, size := int(e.Uint64(in[8:])), int(e.Uint32(in[16:]))
		if from+size > len(n.data) {
			n.data = append(n.data, make([]byte, from+size-len(n.data))...)
		}
		copy(n.data[from:], in[40:40+size])
		return e.AppendUint64(ok, uint64(size))
	case fuseReaddir, fuseRelease, fuseReleasedir, fuseFlush:
		return ok // a directory is read when it is new
	}
	return failed(unix.ENOSYS)
}

// add makes a file or directory.
func (f *fuse) add(in *fuseNode, name string, mode, uid, gid uint32) uint64 {
	f.last++
	f.nodes[f.last] = &fuseNode{mode: mode, uid: uid, gid: gid, names: map[string]uint64{}}
	in.names[name] = f.last
	return f.last
}

// entry appends what is answered about a name: node, generation, times for which
// that and the attributes hold, attributes.
func (f *fuse) entry(b []byte, id uint64) []byte {
	b = binary.NativeEndian.AppendUint64(b, id)
	return f.attributes(append(b, make([]byte, 32)...), id)
}

// attributes appends those of a file: u64 node, size, blocks, three times; u32 their
// nanoseconds, mode, links, owner, group, device, block size, flags.
func (f *fuse) attributes(b []byte, id uint64) []byte {
	e, n := binary.NativeEndian, f.nodes[id]
	b = e.AppendUint64(e.AppendUint64(e.AppendUint64(b, id), uint64(len(n.data))), uint64(len(n.data)+511)/512)
	b = append(b, make([]byte, 36)...)
	for _, v := range []uint32{n.mode, 1, n.uid, n.gid, 0, uint32(os.Getpagesize()), 0} {
		b = e.AppendUint32(b, v)
	}
	return b
}
