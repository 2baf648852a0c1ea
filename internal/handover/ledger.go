// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package handover

import (
	"fmt"
	"os"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Ledger is the account of one stream in memory that daemon and consumer share: it
// outlives the consumer, so that the next one goes on where that ended. One
// process writes it.
type Ledger struct {
	memory []byte
	file   *os.File // nil at the consumer's end
}

// entries of a ledger.
type ledgerPage struct {
	packets   atomic.Uint64 // finished; the next one's number
	accounted atomic.Uint64 // records of the ring that are in packets, or lost
	lost      atomic.Uint64 // of them, with consumers that died
	begin     atomic.Uint64 // time before the first record
	end       atomic.Uint64 // time of the end of the last packet
	told      atomic.Uint64 // discarded events that packets tell, the one being written included
}

// NewLedger makes an empty one.
func NewLedger() (*Ledger, error) {
	fd, err := unix.MemfdCreate("ledger", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("handover: ledger: %w", err)
	}
	f := os.NewFile(uintptr(fd), "ledger")
	if err := f.Truncate(int64(os.Getpagesize())); err != nil {
		f.Close()
		return nil, fmt.Errorf("handover: ledger: %w", err)
	}
	l, err := openLedger(f)
	if err != nil {
		f.Close()
		return nil, err
	}
	l.file = f
	return l, nil
}

// OpenLedger opens a ledger's file, which it closes.
func OpenLedger(f *os.File) (*Ledger, error) {
	defer f.Close()
	return openLedger(f)
}

func openLedger(f *os.File) (*Ledger, error) {
	// A file that is shorter would kill who touches the page.
	if info, err := f.Stat(); err != nil || info.Size() < int64(os.Getpagesize()) {
		return nil, fmt.Errorf("handover: ledger: got a file of another size, want %d bytes (%v)", os.Getpagesize(), err)
	}
	memory, err := unix.Mmap(int(f.Fd()), 0, os.Getpagesize(), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("handover: ledger: %w", err)
	}
	return &Ledger{memory: memory}, nil
}

func (l *Ledger) page() *ledgerPage { return (*ledgerPage)(unsafe.Pointer(&l.memory[0])) }

// File is what the consumer is given.
func (l *Ledger) File() *os.File { return l.file }

// Lose counts records of the ring that a consumer had read when it died.
func (l *Ledger) Lose(records uint64) {
	l.page().lost.Add(records)
	l.page().accounted.Add(records)
}

// Lost is how many there are in all.
func (l *Ledger) Lost() uint64 { return l.page().lost.Load() }

// Begin is the time that was set first: that of the call, if there was none.
func (l *Ledger) Begin(now uint64) uint64 {
	l.page().begin.CompareAndSwap(0, now)
	return l.page().begin.Load()
}

// Note writes what the stream has come to: end is that of its last packet.
func (l *Ledger) Note(packets, accounted, end uint64) {
	l.page().end.Store(end)
	l.page().packets.Store(packets)
	l.page().accounted.Store(accounted)
}

// Tell writes how many discarded events a packet tells that is about to be written:
// later ones must not tell less.
func (l *Ledger) Tell(discarded uint64) { l.page().told.Store(discarded) }

// Told is what was told last.
func (l *Ledger) Told() uint64 { return l.page().told.Load() }

// End is the time of the end of the last packet that was noted.
func (l *Ledger) End() uint64 { return l.page().end.Load() }

// Read returns what was noted last.
func (l *Ledger) Read() (packets, accounted uint64) {
	return l.page().packets.Load(), l.page().accounted.Load()
}

// Close gives the memory back.
func (l *Ledger) Close() error {
	err := unix.Munmap(l.memory)
	if l.file != nil {
		if cerr := l.file.Close(); err == nil {
			err = cerr
		}
	}
	return err
}
