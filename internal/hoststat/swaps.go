// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package hoststat

import (
	"github.com/weir-io/weir/internal/kernel/reread"
	"github.com/weir-io/weir/xmlsysd"
)

// swapsReader reads /proc/swaps: behind a heading lines
// "/swap\040file file 1048572 0 -2", sizes in KiB.
type swapsReader struct {
	textReader
	swaps, device xmlsysd.NodeID
	leaves        []xmlsysd.NodeID // type size used priority
	name          []byte
}

func newSwapsReader(e *Engine) reader {
	const at = "proc/swaps"
	s := &swapsReader{swaps: e.model.Must(at), device: e.model.Must(at + "/swapdev"), leaves: nodesOf(e.model, at+"/swapdev", "type", "size", "used", "priority")}
	s.textReader = *newTextReader(e.prompt("swaps", smallSize, reread.Pieces), s.parseSwaps)
	return s
}

func (s *swapsReader) parseSwaps(r *request, text []byte) error {
	t := r.tape
	t.Open(s.swaps, r.at)
	defer t.Close()
	_, text = cutLine(text)
	for len(text) > 0 {
		var line []byte
		line, text = cutLine(text)
		name, rest := cutWord(line)
		kind, rest := cutWord(rest)
		size, rest := cutWord(rest)
		used, rest := cutWord(rest)
		priority, _ := cutWord(rest)
		sizeK, ok1 := number(size)
		usedK, ok2 := number(used)
		if _, ok3 := integer(priority); !ok1 || !ok2 || !ok3 {
			return unexpected("/proc/swaps", line)
		}
		s.name = unescape(s.name[:0], name)
		t.Open(s.device, xmlsysd.Stamp{}, s.name)
		t.Leaf(s.leaves[0], kind)
		t.Uint(s.leaves[1], sizeK<<10)
		t.Uint(s.leaves[2], usedK<<10)
		t.Leaf(s.leaves[3], priority)
		t.Close()
	}
	return nil
}

// unescape appends a name in which the kernel wrote blanks and the like as \040.
func unescape(b, name []byte) []byte {
	for i := 0; i < len(name); i++ {
		if name[i] == '\\' && i+3 < len(name) && isOctal(name[i+1:i+4]) {
			b = append(b, (name[i+1]-'0')<<6|(name[i+2]-'0')<<3|(name[i+3]-'0'))
			i += 3
			continue
		}
		b = append(b, name[i])
	}
	return b
}

func isOctal(b []byte) bool {
	return b[0] >= '0' && b[0] <= '3' && b[1] >= '0' && b[1] <= '7' && b[2] >= '0' && b[2] <= '7'
}
