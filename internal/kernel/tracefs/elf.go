// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracefs

import (
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// UserPlace is a place in a program or library: PATH and the name of a function
// in it.
type UserPlace struct {
	Path   string
	Symbol string
}

// SymbolError is a place that cannot be found in a file.
type SymbolError struct {
	Place UserPlace
	Err   error
}

func (e *SymbolError) Error() string {
	return fmt.Sprintf("function %q in %s: %v", e.Place.Symbol, e.Place.Path, e.Err)
}

func (e *SymbolError) Unwrap() error { return e.Err }

// ErrNoSymbol: the file defines no such function, or has been stripped of it.
var ErrNoSymbol = errors.New("no such function")

// ParseUserPlace reads what lttng calls a userspace probe: elf:PATH:SYMBOL, or
// without elf. A colon in PATH is written \:. Probes of SystemTap (sdt:) are
// errors.ErrUnsupported.
func ParseUserPlace(s string) (UserPlace, error) {
	parts := splitColons(s)
	bad := func(reason string) (UserPlace, error) {
		return UserPlace{}, &NameError{Kind: "userspace probe", Name: s, Reason: reason}
	}
	switch {
	case len(parts) > 1 && parts[0] == "sdt":
		return UserPlace{}, fmt.Errorf("userspace probe %q: SystemTap probes: %w", s, errors.ErrUnsupported)
	case len(parts) == 3 && parts[0] == "elf":
		parts = parts[1:]
	case len(parts) != 2:
		return bad("is not of the form elf:PATH:SYMBOL")
	}
	switch p := (UserPlace{Path: parts[0], Symbol: parts[1]}); {
	case p.Path == "" || p.Symbol == "":
		return bad("lacks a path or a symbol")
	case p.Path[0] != '/':
		return bad("has a path that does not begin with a slash")
	default:
		return p, nil
	}
}

// splitColons splits s at the colons that no backslash precedes.
func splitColons(s string) []string {
	var parts []string
	var part strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s):
			i++
			part.WriteByte(s[i])
		case s[i] == ':':
			parts = append(parts, part.String())
			part.Reset()
		default:
			part.WriteByte(s[i])
		}
	}
	return append(parts, part.String())
}

// Offset returns where in the file the function begins, which is what Probe takes.
func (p UserPlace) Offset() (uint64, error) {
	offset, err := p.offset()
	if err != nil {
		return 0, &SymbolError{Place: p, Err: err}
	}
	return offset, nil
}

func (p UserPlace) offset() (uint64, error) {
	// Non-blocking, as the path may be a pipe that nobody writes.
	file, err := os.OpenFile(p.Path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return 0, err
	}
	if !info.Mode().IsRegular() {
		return 0, errors.New("not a regular file")
	}
	f, err := elf.NewFile(file)
	if err != nil {
		return 0, err
	}
	address, err := function(f, p.Symbol)
	if err != nil {
		return 0, err
	}
	for _, s := range f.Progs {
		if s.Type == elf.PT_LOAD && s.Flags&elf.PF_X != 0 && address >= s.Vaddr && address-s.Vaddr < s.Filesz {
			return address - s.Vaddr + s.Off, nil
		}
	}
	return 0, fmt.Errorf("address %#x is in no executable part of the file", address)
}

// function returns the address of a function. A global one goes before local
// ones, of which there may be several by one name: that is an error.
func function(f *elf.File, name string) (uint64, error) {
	static, err := f.Symbols()
	if err != nil && !errors.Is(err, elf.ErrNoSymbols) {
		return 0, err
	}
	dynamic, err := f.DynamicSymbols()
	if err != nil && !errors.Is(err, elf.ErrNoSymbols) {
		return 0, err
	}
	local := make(map[uint64]bool)
	for _, s := range append(static, dynamic...) {
		kind := elf.ST_TYPE(s.Info)
		if s.Name != name || s.Section == elf.SHN_UNDEF || kind != elf.STT_FUNC && kind != elf.STT_GNU_IFUNC {
			continue
		}
		if elf.ST_BIND(s.Info) != elf.STB_LOCAL {
			return s.Value, nil
		}
		local[s.Value] = true
	}
	if len(local) > 1 {
		return 0, fmt.Errorf("%d functions by that name", len(local))
	}
	for address := range local {
		return address, nil
	}
	return 0, ErrNoSymbol
}
