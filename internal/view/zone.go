// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package view

import (
	"os"
	"path"
	"strings"
	"time"
)

// Location returns the time zone that the environment variable TZ, and whether
// it is set, means to C programs: the name of a zone's file, or a rule such as
// "CET-1CEST,M3.5.0,M10.5.0/3", which package time alone does not read there.
// What is neither is UTC; without the variable the system's zone counts.
func Location(tz string, set bool) *time.Location {
	if !set {
		return time.Local
	}
	tz = strings.TrimPrefix(tz, ":")
	data := zoneFile(tz)
	if path.IsAbs(tz) {
		var err error
		if data, err = os.ReadFile(tz); err != nil {
			return time.UTC
		}
	} else if tz == "" || tz == "Local" {
		return time.UTC
	} else if l, err := time.LoadLocation(tz); err == nil {
		return l
	}
	if l, err := time.LoadLocationFromTZData(tz, data); err == nil {
		return l
	}
	return time.UTC
}

// zoneFile makes a file of a zone (RFC 8536) that has no changes of the past,
// only a rule for all times.
func zoneFile(rule string) []byte {
	// Counts: isutc, isstd, leap, times, types, chars.
	const header = "TZif2" + "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00" +
		"\x00\x00\x00\x00" + "\x00\x00\x00\x00" + "\x00\x00\x00\x00" + "\x00\x00\x00\x00" + "\x00\x00\x00\x01" + "\x00\x00\x00\x04"
	const utc = "\x00\x00\x00\x00\x00\x00" + "UTC\x00"
	return []byte(header + utc + header + utc + "\n" + rule + "\n")
}
