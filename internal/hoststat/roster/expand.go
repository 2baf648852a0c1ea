// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package roster

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// Limits of what a text may stand for.
const (
	maxRange = 65536
	maxHosts = 131072
)

func fail(format string, args ...any) error { return fmt.Errorf(format, args...) }

// expand cuts a list at its commas and blanks and replaces ranges in brackets, of
// which a word may have several. Brackets around an address of IPv6 stay.
func expand(text string) ([]string, error) {
	var all []string
	for _, word := range fields(text) {
		before := len(all)
		var err error
		if all, err = expandWord(all, word); err != nil {
			return nil, err
		}
		if len(all)-before > maxRange {
			return nil, fail("%.40q is more than %d hosts", word, maxRange)
		}
		if len(all) > maxHosts {
			return nil, fail("more than %d hosts", maxHosts)
		}
	}
	return all, nil
}

// fields cuts at commas and blanks outside of brackets.
func fields(text string) []string {
	depth := 0
	return strings.FieldsFunc(text, func(r rune) bool {
		switch r {
		case '[':
			depth++
		case ']':
			depth = max(0, depth-1)
		case ',':
			return depth == 0
		}
		return r <= ' '
	})
}

func expandWord(into []string, word string) ([]string, error) {
	open := strings.IndexByte(word, '[')
	if open < 0 || strings.HasPrefix(word, "[") && strings.ContainsRune(word[:max(0, strings.IndexByte(word, ']'))], ':') {
		if strings.ContainsRune(word, ']') && open < 0 {
			return nil, fail("%q: ] without [", word)
		}
		return append(into, word), nil
	}
	inside, rest, ok := strings.Cut(word[open+1:], "]")
	if !ok {
		return nil, fail("%.40q: [ without ]", word)
	}
	tails, err := expandWord(nil, rest)
	if err != nil {
		return nil, err
	}
	for part := range strings.SplitSeq(inside, ",") {
		from, to, width, err := parseRange(part)
		if err != nil {
			return nil, fail("%.40q: %w", word, err)
		}
		if (to-from+1)*len(tails)+len(into) > 2*maxRange {
			return nil, fail("%.40q is more than %d hosts", word, maxRange)
		}
		for n := from; n <= to; n++ {
			for _, tail := range tails {
				into = append(into, fmt.Sprintf("%s%0*d%s", word[:open], width, n, tail))
			}
		}
	}
	return into, nil
}

// parseRange reads 7 or 01-16. Numbers are as wide as the first is written.
func parseRange(text string) (from, to, width int, err error) {
	low, high, isRange := strings.Cut(text, "-")
	if !isRange {
		high = low
	}
	a, err1 := strconv.ParseUint(low, 10, 31)
	b, err2 := strconv.ParseUint(high, 10, 31)
	switch {
	case err1 != nil || err2 != nil:
		return 0, 0, 0, fail("no range: %.40q", text)
	case b < a:
		return 0, 0, 0, fail("the range %s goes down", text)
	case b-a >= maxRange:
		return 0, 0, 0, fail("the range %s has more than %d hosts", text, maxRange)
	}
	if low[0] == '0' {
		width = len(low)
	}
	return int(a), int(b), width, nil
}

// numbered makes names by a format with exactly one number, as printf has it:
// %d, %5d or %05d.
func numbered(format string, from, to int) ([]string, error) {
	before, rest, found := strings.Cut(format, "%")
	if !found {
		return nil, fail("the format %q has no %%d", format)
	}
	end := strings.IndexByte(rest, 'd')
	if end < 0 || strings.ContainsRune(rest[end:], '%') {
		return nil, fail("the format %q has not exactly one %%d", format)
	}
	flags, after := rest[:end], rest[end+1:]
	zero := strings.HasPrefix(flags, "0")
	width := 0
	if flags != "" {
		n, err := strconv.ParseUint(flags, 10, 8)
		if err != nil || n > 20 {
			return nil, fail("the format %q has not exactly one %%d", format)
		}
		width = int(n)
	}
	switch {
	case to < from || from < 0:
		return nil, fail("the range %d to %d goes down", from, to)
	case to-from >= maxRange:
		return nil, fail("the range %d to %d has more than %d hosts", from, to, maxRange)
	}
	names := make([]string, 0, to-from+1)
	for n := from; n <= to; n++ {
		digits := strconv.Itoa(n)
		if zero {
			digits = fmt.Sprintf("%0*d", width, n)
		} // blanks, of which %5d would make some, are in no name
		names = append(names, before+digits+after)
	}
	return names, nil
}

// addresses makes the addresses of a range of IPv4.
func addresses(low, high string) ([]string, error) {
	a, err1 := netip.ParseAddr(low)
	b, err2 := netip.ParseAddr(high)
	if err1 != nil || err2 != nil || !a.Is4() || !b.Is4() {
		return nil, fail("no range of addresses: %q to %q", low, high)
	}
	if b.Less(a) {
		return nil, fail("the range %s to %s goes down", low, high)
	}
	var all []string
	for ; !b.Less(a); a = a.Next() {
		if len(all) == maxRange {
			return nil, fail("the range %s to %s has more than %d hosts", low, high, maxRange)
		}
		all = append(all, a.String())
		if a == b {
			break // there may be no next one
		}
	}
	return all, nil
}
