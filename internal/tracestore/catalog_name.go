// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracestore

import (
	"regexp"
	"strconv"
	"strings"
	"time"
)

const (
	chunkTimeLen = len("20060102T150405-0700")
	datetimeLen  = len(datetimeLayout)
)

// parseChunkDir reads START-ID, the directory of a chunk after a rotation.
func parseChunkDir(name string) (created time.Time, id int64, ok bool) {
	created, rest, ok := cutChunkTime(name)
	if !ok {
		return time.Time{}, 0, false
	}
	id, ok = parseChunkNumber(rest)
	return created, id, ok
}

// parseArchive reads START-END-ID, the directory of a chunk in the archives.
func parseArchive(name string) (created, closed time.Time, id int64, ok bool) {
	created, rest, ok := cutChunkTime(name)
	if !ok {
		return created, closed, 0, false
	}
	closed, rest, ok = cutChunkTime(rest)
	if !ok {
		return created, closed, 0, false
	}
	id, ok = parseChunkNumber(rest)
	return created, closed, id, ok
}

// cutChunkTime cuts a time and the dash behind it. Times carry their zone.
func cutChunkTime(s string) (t time.Time, rest string, ok bool) {
	if len(s) <= chunkTimeLen || s[chunkTimeLen] != '-' {
		return time.Time{}, "", false
	}
	t, err := time.Parse(chunkLayout, s[:chunkTimeLen])
	return t, s[chunkTimeLen+1:], err == nil
}

func parseChunkNumber(s string) (int64, bool) {
	if s == "" || s[0] < '0' || s[0] > '9' {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil
}

// snapshotName is NAME-DATETIME-NUMBER: what session daemons call a snapshot.
var snapshotName = regexp.MustCompile(`^.+-([0-9]{8}-[0-9]{6})-([0-9]{1,18})$`)

// parseSnapshot reads the directory name of a snapshot.
func parseSnapshot(name string, loc *time.Location) (created time.Time, id int64, ok bool) {
	m := snapshotName.FindStringSubmatch(name)
	if m == nil {
		return time.Time{}, 0, false
	}
	created, err := time.ParseInLocation(datetimeLayout, m[1], loc)
	if err != nil {
		return time.Time{}, 0, false
	}
	id, ok = parseChunkNumber(m[2])
	return created, id, ok
}

// cutDatetime cuts the time off the end of a session's or host's directory
// name, with the number that tells equal names apart behind it.
func cutDatetime(name string, loc *time.Location) (rest string, t time.Time) {
	end := name
	if i := strings.LastIndexByte(name, '-'); i > 0 && len(name)-i < 5 {
		if _, ok := parseChunkNumber(name[i+1:]); ok {
			end = name[:i]
		}
	}
	for _, s := range []string{name, end} {
		n := len(s) - datetimeLen
		if n < 2 || s[n-1] != '-' {
			continue
		}
		if t, err := time.ParseInLocation(datetimeLayout, s[n:], loc); err == nil {
			return s[:n-1], t
		}
	}
	return name, time.Time{}
}

// autoName is how session daemons call sessions that got no name: the time
// belongs to it.
const autoName = "auto"

// namesOf reads host, session name and time from a session's directory.
func namesOf(dir string, by Grouping, loc *time.Location) (host, name string, created time.Time) {
	first, rest, _ := strings.Cut(dir, "/")
	if by == BySession {
		second, _, _ := strings.Cut(rest, "/")
		host, created = cutDatetime(second, loc)
		return host, first, created
	}
	if strings.Contains(rest, "/") {
		return first, rest, time.Time{} // a base path carries no time
	}
	name, created = cutDatetime(rest, loc)
	if name == autoName {
		name = rest
	}
	return first, name, created
}
