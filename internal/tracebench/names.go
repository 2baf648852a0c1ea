// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracebench

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/weir-io/weir/internal/kernel/tracefs"
)

// names are those of the kernel's addresses: trace-cmd prints some addresses as a
// function and an offset, or as the text that is there.
type names struct {
	starts  []symbol            // by address; of those at one address, the first name
	aliases map[string]string   // all names, to the first one at their address
	texts   map[uint64][]string // constant texts
}

type symbol struct {
	at   uint64
	name string
}

// readNames reads them.
func readNames() (*names, error) {
	fs, err := tracefs.Find()
	if err != nil {
		return nil, err
	}
	defer fs.Close()
	n := &names{aliases: make(map[string]string), texts: make(map[uint64][]string)}
	err = readLines("/proc/kallsyms", n.addSymbol)
	if err != nil {
		return nil, err
	}
	if err := readLines(filepath.Join(fs.Path(), "printk_formats"), n.addText); err != nil {
		return nil, err
	}
	n.settle()
	return n, nil
}

func readLines(file string, each func(string) error) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	return eachLine(f, file, each)
}

func eachLine(r io.Reader, file string, each func(string) error) error {
	lines := bufio.NewScanner(r)
	for i := 1; lines.Scan(); i++ {
		if err := each(lines.Text()); err != nil {
			return fmt.Errorf("%s: line %d: %w", file, i, err)
		}
	}
	return lines.Err()
}

// addSymbol takes a line of /proc/kallsyms: ADDRESS TYPE NAME [MODULE].
func (n *names) addSymbol(line string) error {
	words := strings.Fields(line)
	if len(words) < 3 {
		return fmt.Errorf("got %.40q, want an address, a type and a name", line)
	}
	at, err := strconv.ParseUint(words[0], 16, 64)
	if err != nil {
		return err
	}
	if at != 0 { // the kernel hides it otherwise
		n.starts = append(n.starts, symbol{at, words[2]})
	}
	return nil
}

// addText takes a line of printk_formats: ADDRESS : "TEXT".
func (n *names) addText(line string) error {
	address, text, ok := strings.Cut(line, " : ")
	if !ok {
		return fmt.Errorf("got %.40q, want an address and a text", line)
	}
	at, err := strconv.ParseUint(address, 0, 64)
	if err != nil {
		return err
	}
	text = strings.TrimSuffix(strings.TrimPrefix(text, `"`), `"`)
	n.texts[at] = append(n.texts[at], text)
	return nil
}

// settle makes them ready to be looked up.
func (n *names) settle() {
	slices.SortFunc(n.starts, func(a, b symbol) int {
		if a.at != b.at {
			if a.at < b.at {
				return -1
			}
			return 1
		}
		return strings.Compare(a.name, b.name)
	})
	for i, s := range n.starts {
		first := s
		if i > 0 && n.starts[i-1].at == s.at {
			first.name = n.aliases[n.starts[i-1].name]
		}
		if n.aliases[s.name] == "" { // a name may be that of several functions
			n.aliases[s.name] = first.name
		}
	}
	n.starts = slices.CompactFunc(n.starts, func(a, b symbol) bool { return a.at == b.at })
}

// function returns the function, and the offset in it, of an address of code.
func (n *names) function(at uint64) (name string, offset uint64, ok bool) {
	i, found := slices.BinarySearchFunc(n.starts, at, func(s symbol, at uint64) int {
		switch {
		case s.at < at:
			return -1
		case s.at > at:
			return 1
		default:
			return 0
		}
	})
	if !found {
		i--
	}
	if i < 0 || i == len(n.starts)-1 { // the last one has no end
		return "", 0, false
	}
	return n.aliases[n.starts[i].name], at - n.starts[i].at, true
}

// parse reads what is printed for a function: NAME or NAME+0xOFFSET.
func (n *names) parse(text string) (name string, offset uint64, hasOffset, ok bool) {
	name, after, hasOffset := strings.Cut(text, "+")
	if hasOffset {
		var err error
		if offset, err = strconv.ParseUint(after, 0, 64); err != nil {
			return "", 0, false, false
		}
	}
	first, ok := n.aliases[name]
	return first, offset, hasOffset, ok
}
