// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tail

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// The format's document has the offsets of the code.
func TestFormatDocument(t *testing.T) {
	text, err := os.ReadFile("../../docs/format/tail-table.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := make(map[string]bool) // "section|offset|size|field"
	section := ""
	for line := range strings.Lines(string(text)) {
		if title, ok := strings.CutPrefix(line, "## "); ok {
			section = strings.TrimSpace(title)
		}
		if cells := strings.Split(line, "|"); len(cells) > 4 {
			rows[strings.Join([]string{section, strings.TrimSpace(cells[1]), strings.TrimSpace(cells[2]), strings.TrimSpace(cells[3])}, "|")] = true
		}
	}
	for _, f := range []struct {
		section string
		off     int
		size    int
		field   string
	}{
		{"Header", 0, 8, "magic"},
		{"Header", headerSlots, 4, "slots"},
		{"Header", headerDirs, 4, "directories"},
		{"Header", headerBoot, bootLen, "boot id"},
		{"Header", headerPID, 4, "process id"},
		{"Header", headerCRC, 4, "checksum"},
		{"Header", headerState, 4, "state"},
		{"Header", headerSlotTop, 4, "slots used"},
		{"Header", headerDirTop, 4, "directories used"},
		{"Slot", 0, 4, "state"},
		{"Slot", slotCRC, 4, "checksum"},
		{"Slot", slotCommitted, 8, "committed length"},
		{"Slot", slotDev, 8, "device"},
		{"Slot", slotIno, 8, "inode"},
		{"Slot", slotDir, 4, "directory"},
		{"Slot", slotRelLen, 4, "path length"},
		{"Slot", slotRel, maxRel, "path"},
		{"Directory", 0, 4, "state"},
		{"Directory", int(pathAt(false)), pathLen, "first path"},
		{"Directory", int(pathAt(true)), pathLen, "second path"},
	} {
		if row := fmt.Sprintf("%s|%d|%d|%s", f.section, f.off, f.size, f.field); !rows[row] {
			t.Errorf("the document lacks the row %s", row)
		}
	}
	for _, want := range []string{
		fmt.Sprintf("0x%x", uint64(magic)),
		fmt.Sprintf("| version | %d |", version),
		fmt.Sprintf("| header length | %d |", headerLen),
		fmt.Sprintf("Slot i is at %d + %d i.", headerLen, slotLen),
		fmt.Sprintf("Directory j is at %d + %d S + %d j.", headerLen, slotLen, dirLen),
		fmt.Sprintf("u32 length, 1 to %d;", maxPath),
		fmt.Sprintf("| slots | S, default %d |", defaultCap),
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the document lacks %q", want)
		}
	}
}
