// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package view

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// TimeArg is a time as a person writes it: with or without its date.
type TimeArg struct {
	text  string
	ns    int64 // from the epoch, when dated
	dated bool
	clock time.Duration // since midnight, when not dated
}

var (
	datedTime = regexp.MustCompile(`^(\d{4})-(\d{2})-(\d{2})(?:[ T]+(\d{2}):(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?)?$`)
	clockTime = regexp.MustCompile(`^(\d{2}):(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?$`)
	epochTime = regexp.MustCompile(`^(-?)(\d+)(?:\.(\d{1,9}))?$`)
)

// ParseTime reads a time in one of babeltrace2's forms: seconds since the epoch
// with up to nine decimals; a date; a date with hours and minutes, with seconds
// or not; hours and minutes of the day on which the traces begin. Dates and
// hours are those of a time zone.
func ParseTime(text string, zone *time.Location) (TimeArg, error) {
	a := TimeArg{text: text}
	if m := epochTime.FindStringSubmatch(text); m != nil {
		sec, err := strconv.ParseInt(m[2], 10, 64)
		if err != nil || sec > 1<<33 {
			return a, fmt.Errorf("time %q: seconds out of range", text)
		}
		a.ns, a.dated = sec*nsPerSecond+nanos(m[3]), true
		if m[1] == "-" {
			a.ns = -a.ns
		}
		return a, nil
	}
	if m := datedTime.FindStringSubmatch(text); m != nil {
		n := numbers(m[1:7])
		t := time.Date(n[0], time.Month(n[1]), n[2], n[3], n[4], n[5], int(nanos(m[7])), zone)
		if n[1] < 1 || n[1] > 12 || t.Day() != n[2] || n[3] > 23 || n[4] > 59 || n[5] > 60 {
			return a, fmt.Errorf("time %q: no such date", text)
		}
		a.ns, a.dated = t.UnixNano(), true
		return a, nil
	}
	if m := clockTime.FindStringSubmatch(text); m != nil {
		n := numbers(m[1:4])
		if n[0] > 23 || n[1] > 59 || n[2] > 60 {
			return a, fmt.Errorf("time %q: no such time of day", text)
		}
		a.clock = time.Duration(n[0])*time.Hour + time.Duration(n[1])*time.Minute +
			time.Duration(n[2])*time.Second + time.Duration(nanos(m[4]))
		return a, nil
	}
	return a, fmt.Errorf("time %q: want [YYYY-MM-DD ]hh:mm[:ss[.nnnnnnnnn]], YYYY-MM-DD, or seconds[.nnnnnnnnn]", text)
}

// ParseRange reads two times with a comma between them, in brackets or not.
func ParseRange(text string, zone *time.Location) (begin, end TimeArg, err error) {
	inner := strings.TrimSuffix(strings.TrimPrefix(text, "["), "]")
	first, second, ok := strings.Cut(inner, ",")
	if !ok {
		return begin, end, fmt.Errorf("range %q: want BEGIN,END", text)
	}
	if begin, err = ParseTime(strings.TrimSpace(first), zone); err != nil {
		return begin, end, err
	}
	end, err = ParseTime(strings.TrimSpace(second), zone)
	return begin, end, err
}

// IsSet reports whether a time was given.
func (a TimeArg) IsSet() bool { return a.text != "" }

// On returns the time in ns since the epoch; where it has no date, that of a
// moment, in ns since the epoch, in a time zone.
func (a TimeArg) On(day int64, zone *time.Location) int64 {
	if a.dated {
		return a.ns
	}
	y, m, d := time.Unix(0, day).In(zone).Date()
	return time.Date(y, m, d, 0, 0, 0, 0, zone).UnixNano() + int64(a.clock)
}

func numbers(text []string) []int {
	n := make([]int, len(text))
	for i, s := range text {
		n[i], _ = strconv.Atoi(s) // digits only; absent: 0
	}
	return n
}

// nanos reads decimals of a second.
func nanos(digits string) int64 {
	if digits == "" {
		return 0
	}
	n, _ := strconv.ParseInt((digits + "000000000")[:9], 10, 64)
	return n
}
