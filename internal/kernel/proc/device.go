// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package proc

import (
	"bytes"
	"fmt"
	"math"
	"strings"
)

// BlockDevice is a disk or a part of one.
type BlockDevice struct {
	Dev  uint32 // major << 20 | minor, as the kernel has it
	Name string
}

// Interrupt is a device's interrupt with one of its handlers.
type Interrupt struct {
	IRQ          uint32
	Name, Action string // of the chip, of the handler
}

func (w *walk) blockDevices() (err error) {
	if w.text, err = w.root.read("partitions", w.text); err != nil {
		return err
	}
	w.s.BlockDevices, err = parsePartitions(w.text)
	return err
}

// parsePartitions reads lines "MAJOR MINOR BLOCKS NAME" behind a heading.
func parsePartitions(b []byte) ([]BlockDevice, error) {
	var devices []BlockDevice
	n := 0
	for line := range bytes.Lines(b) {
		n++
		words := bytes.Fields(line)
		if len(words) == 0 || string(words[0]) == "major" {
			continue
		}
		if len(words) != 4 {
			return devices, fmt.Errorf("partitions, line %d: %d words, want 4", n, len(words))
		}
		major, majorOK := number(words[0])
		minor, minorOK := number(words[1])
		if !majorOK || !minorOK || major >= 1<<12 || minor >= 1<<20 {
			return devices, fmt.Errorf("partitions, line %d: device %q:%q, want 12 and 20 bits", n, words[0], words[1])
		}
		devices = append(devices, BlockDevice{Dev: uint32(major<<20 | minor), Name: string(words[3])})
	}
	return devices, nil
}

func (w *walk) interrupts() (err error) {
	if w.text, err = w.root.read("interrupts", w.text); err != nil {
		return err
	}
	w.s.Interrupts, err = parseInterrupts(w.text)
	return err
}

// parseInterrupts reads, behind a heading with a word for each CPU, lines
//
//	24:  1  0  IO-APIC   5-edge      ACPI:Ged, other
//
// number, a count for each CPU, chip, hardware's number and kind, handlers. Lines
// of the processor's own interrupts have no number; those of interrupts that
// nobody handles have no handlers.
func parseInterrupts(b []byte) ([]Interrupt, error) {
	heading, rest, _ := bytes.Cut(b, []byte("\n"))
	cpus := len(bytes.Fields(heading))
	if cpus == 0 || !bytes.HasPrefix(bytes.TrimSpace(heading), []byte("CPU")) {
		return nil, fmt.Errorf("interrupts: heading %.40q, want a word for each CPU", heading)
	}
	var interrupts []Interrupt
	for line := range bytes.Lines(rest) {
		key, values, found := bytes.Cut(line, []byte(":"))
		irq, ok := number(bytes.TrimSpace(key))
		if !found || !ok || irq > math.MaxUint32 {
			continue
		}
		if values = skipCounts(values, cpus); values == nil {
			continue
		}
		chip, handlers := handlersOf(string(bytes.TrimSpace(values)))
		for _, h := range handlers {
			interrupts = append(interrupts, Interrupt{IRQ: uint32(irq), Name: chip, Action: h})
		}
	}
	return interrupts, nil
}

// skipCounts returns what is behind a number of counts, nil if there are fewer.
func skipCounts(b []byte, n int) []byte {
	for range n {
		b = bytes.TrimLeft(b, " ")
		end := bytes.IndexByte(b, ' ')
		if end <= 0 {
			return nil
		}
		if _, ok := number(b[:end]); !ok {
			return nil
		}
		b = b[end:]
	}
	return b
}

// handlersOf takes the text behind the counts apart. Handlers are behind two
// blanks, as is the hardware's number where it is short.
func handlersOf(s string) (chip string, handlers []string) {
	chip, rest, _ := strings.Cut(s, " ")
	i := strings.LastIndex(rest, "  ")
	if i < 0 {
		return chip, nil
	}
	last := strings.TrimSpace(rest[i:])
	if isHardware(last) {
		return chip, nil
	}
	return chip, strings.Split(last, ", ")
}

// isHardware reports whether a word is the hardware's number, perhaps with its
// kind: 5-edge.
func isHardware(s string) bool {
	digits, _, _ := strings.Cut(s, "-")
	_, ok := number([]byte(digits))
	return ok && !strings.Contains(s, " ")
}
