// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package hoststat

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/kernel/reread"
	"github.com/weir-io/weir/xmlsysd"
)

// hostAge is for how long what the host is is not looked up again: the names of it
// change without a boot, too.
const hostAge = time.Minute

// hostReader tells what the host is.
type hostReader struct {
	engine *Engine
	host   xmlsysd.NodeID
	leaves []xmlsysd.NodeID
	texts  [][]byte // of the leaves; nil: none
	at     time.Time
	room   []byte
}

func newHostReader(e *Engine) reader {
	const at = "system/host"
	return &hostReader{engine: e, host: e.model.Must(at), leaves: nodesOf(e.model, at,
		"sysname", "nodename", "release", "version", "machine", "boot_id", "machine_id", "os_id", "os_version", "os_name",
		"virtualization", "page_size")}
}

func (h *hostReader) read(r *request) error {
	if h.texts == nil || r.now.Sub(h.at) >= hostAge {
		if err := h.look(r); err != nil {
			return err
		}
	}
	r.tape.Open(h.host, r.at)
	defer r.tape.Close()
	for i, text := range h.texts {
		if text != nil {
			r.tape.Leaf(h.leaves[i], text)
		}
	}
	return nil
}

func (h *hostReader) look(r *request) error {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return err
	}
	h.at = r.now
	h.texts = [][]byte{
		clone(cString(u.Sysname[:])), clone(cString(u.Nodename[:])), clone(cString(u.Release[:])), clone(cString(u.Version[:])),
		clone(cString(u.Machine[:])),
		h.file(r, h.engine.proc("sys/kernel/random/boot_id")),
		hashedID(h.file(r, h.engine.root("etc/machine-id"))),
	}
	release := h.file(r, h.engine.root("etc/os-release"))
	if release == nil {
		release = h.file(r, h.engine.root("usr/lib/os-release"))
	}
	for _, key := range [...]string{"ID", "VERSION_ID", "PRETTY_NAME"} {
		h.texts = append(h.texts, shellValue(release, key))
	}
	h.texts = append(h.texts, h.virtualization(r), appendInt(nil, int64(os.Getpagesize())))
	return nil
}

// file returns a file's text, nil if there is none.
func (h *hostReader) file(r *request, path string) []byte {
	b, err := reread.Read(0, path, h.room)
	if cap(b) > cap(h.room) {
		h.room = b[:cap(b)]
	}
	if b = trimEnd(b); err != nil || len(b) == 0 {
		return nil
	}
	r.bytes += len(b)
	return clone(b)
}

// hashedID hides the host's id, which programs use as a secret of a kind, but lets
// hosts be told apart.
func hashedID(id []byte) []byte {
	if len(id) == 0 {
		return nil
	}
	sum := sha256.Sum256(append(clone(id), "weir"...))
	return hex.AppendEncode(nil, sum[:16])
}

// shellValue finds KEY="value" in a file of such lines.
func shellValue(text []byte, key string) []byte {
	for len(text) > 0 {
		var line []byte
		line, text = cutLine(text)
		name, value, ok := bytes.Cut(line, []byte("="))
		if !ok || string(name) != key {
			continue
		}
		if n := len(value); n >= 2 && (value[0] == '"' || value[0] == '\'') && value[n-1] == value[0] {
			value = value[1 : n-1]
		}
		return clone(value)
	}
	return nil
}

// machines are what the firmware of virtual machines says of itself.
var machines = [...]struct{ text, name string }{
	{"KVM", "kvm"},
	{"QEMU", "qemu"},
	{"Amazon EC2", "amazon"},
	{"Google", "google"},
	{"VMware", "vmware"},
	{"innotek", "oracle"},
	{"VirtualBox", "oracle"},
	{"Xen", "xen"},
	{"Bochs", "bochs"},
	{"Parallels", "parallels"},
	{"BHYVE", "bhyve"},
	{"Hyper-V", "microsoft"},
	{"Virtual Machine", "microsoft"},
	{"Firecracker", "firecracker"},
}

// virtualization tells on what the host runs: a container's manager, a machine's
// firmware, else "vm" where the processor says that it is none, else "none".
func (h *hostReader) virtualization(r *request) []byte {
	if name := h.file(r, h.engine.root("run/systemd/container")); name != nil {
		return name
	}
	for _, file := range [...]string{"sys_vendor", "product_name", "board_vendor"} {
		text := h.file(r, h.engine.sys("class/dmi/id/"+file))
		for _, m := range machines {
			if bytes.Contains(text, []byte(m.text)) {
				return []byte(m.name)
			}
		}
	}
	if name := h.file(r, h.engine.sys("hypervisor/type")); name != nil {
		return name
	}
	if bytes.Contains(h.file(r, h.engine.proc("cpuinfo")), []byte(" hypervisor")) {
		return []byte("vm")
	}
	return []byte("none")
}
