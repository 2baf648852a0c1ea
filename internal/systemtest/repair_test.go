// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package systemtest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weir-io/weir/ctf"
)

// TestRepair records the kernel, damages the trace as a crash of the host would, and
// has it repaired: babeltrace2 refuses it before, and reads what is whole after.
func TestRepair(t *testing.T) {
	isolated(t, func(m *machine) {
		a := m.startAgent()
		w, out := m.writer("weirrepair"), filepath.Join(m.dir, "trace")
		a.do("create", "crashed", "-o", out)
		a.do("enable-channel", "-k", "small", "--subbuf-size=4096")
		a.do(append(a.countedRule(w), "-c", "small")...)
		a.do("start")
		m.write(w, 40000)
		a.do("destroy")
		a.end()
		dir, want := filepath.Join(out, "kernel"), filepath.Join(m.dir, "want")
		m.run("cp", "-r", dir, want)
		torn := 0
		names, err := filepath.Glob(filepath.Join(dir, "small_*"))
		if err != nil {
			m.Fatal(err)
		}
		for _, name := range names {
			if packets, last := m.lastPacket(name); packets > 2 {
				torn++
				half := last.PacketSize / 16
				zeros := make([]byte, min(100, half/2)) // not to the packet's end: it would look whole
				m.damage(name, func(b []byte) []byte { return append(b[:last.Offset+half], zeros...) })
				m.damage(filepath.Join(want, filepath.Base(name)), func(b []byte) []byte { return b[:last.Offset] })
			}
		}
		m.run("rm", "-r", filepath.Join(want, "index"))
		whole, _ := m.writesOf("want", want)
		m.damage(filepath.Join(dir, "metadata"), func(b []byte) []byte { return append(b, "event {\n\tname = \"syscall_"...) })
		if torn == 0 || whole < 20000 || whole >= 40000 {
			m.Errorf("%d streams are torn, %d calls in whole packets; want some, and part of 40000", torn, whole)
		}
		if out, _, code := m.try("babeltrace2", out); code == 0 {
			m.Errorf("babeltrace2 reads the damaged trace: %d lines", strings.Count(out, "\n"))
		}
		said := m.run(m.weir(), "repair", out)
		if n, _ := m.writesOf("repaired", out); n != whole {
			m.Errorf("%d calls can be read, want the %d in whole packets", n, whole)
		}
		if again := m.run(m.weir(), "repair", out); !strings.Contains(again, " 0 changes, 0 problems") {
			m.Errorf("a second time: %s; before:\n%s", again, said)
		}
	})
}

// damage changes a file.
func (m *machine) damage(path string, change func([]byte) []byte) {
	m.Helper()
	b, err := os.ReadFile(path)
	if err == nil {
		err = os.WriteFile(path, change(b), 0o600)
	}
	if err != nil {
		m.Fatal(err)
	}
}

// lastPacket returns how many packets a data file has, by its index, and the last.
func (m *machine) lastPacket(path string) (n int, last ctf.IndexEntry) {
	m.Helper()
	b, err := os.ReadFile(filepath.Join(filepath.Dir(path), "index", filepath.Base(path)+".idx"))
	if err != nil {
		m.Fatal(err)
	}
	for b = b[ctf.IndexHeaderLen:]; len(b) >= ctf.IndexRecordLenMinor; b = b[ctf.IndexRecordLenMinor:] {
		if last, err = ctf.ParseIndexEntry(b, ctf.IndexRecordLenMinor); err != nil {
			m.Fatal(err)
		}
		n++
	}
	return n, last
}
