// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracestore

import (
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/weir-io/weir/lttng"
)

// Grouping is the first level of the output tree.
type Grouping int

// Ways to group the output tree.
const (
	ByHost Grouping = iota
	BySession
)

// Names of directories that the store makes in a session directory.
const (
	archivesDir = "archives"
	oldChunkDir = ".tmp_old_chunk"
	newChunkDir = ".tmp_new_chunk"
	indexDir    = "index"
	indexSuffix = ".idx"
)

// maxName is the length of a file name that Linux's file systems take.
const maxName = 255

const (
	datetimeLayout = "20060102-150405"
	chunkLayout    = "20060102T150405-0700"
)

// checkComponent judges a name that becomes one directory or file: a session,
// host or channel name.
func checkComponent(kind, s string) error {
	switch {
	case s == "":
		return fmt.Errorf("%w: %s is empty", ErrRefused, kind)
	case len(s) > maxName:
		return fmt.Errorf("%w: %s of %d bytes, want at most %d", ErrRefused, kind, len(s), maxName)
	case s == "." || s == "..":
		return fmt.Errorf("%w: %s %q", ErrRefused, kind, s)
	case strings.ContainsRune(s, '/'):
		return fmt.Errorf("%w: %s %q contains a slash", ErrRefused, kind, s)
	}
	return checkControl(kind, s)
}

// checkChannel judges a channel name, from which those of files are made.
func checkChannel(m *lttng.AddStream) error {
	if err := checkComponent("channel name", m.Channel); err != nil {
		return err
	}
	longest := len(m.Channel) + len(indexSuffix)
	if m.TracefileSize > 0 {
		longest += len("_18446744073709551615")
	}
	if longest > maxName {
		return fmt.Errorf("%w: channel name of %d bytes leaves no room for the names of its files", ErrRefused, len(m.Channel))
	}
	return nil
}

// checkHidden refuses what checkComponent does and a leading dot.
func checkHidden(kind, s string) error {
	if strings.HasPrefix(s, ".") {
		return fmt.Errorf("%w: %s %q begins with a dot", ErrRefused, kind, s)
	}
	return checkComponent(kind, s)
}

func checkControl(kind, s string) error {
	for i := range len(s) {
		if s[i] < ' ' || s[i] == 0x7f {
			return fmt.Errorf("%w: %s %q has a control character at byte %d", ErrRefused, kind, s, i)
		}
	}
	return nil
}

// cleanRelative judges a path from the wire and returns it without empty or
// "." components. An empty path is the directory itself.
func cleanRelative(kind, p string) (string, error) {
	if strings.HasPrefix(p, "/") {
		return "", fmt.Errorf("%w: %s %q is absolute", ErrRefused, kind, p)
	}
	if err := checkControl(kind, p); err != nil {
		return "", err
	}
	for c := range strings.SplitSeq(p, "/") {
		if c == ".." {
			return "", fmt.Errorf("%w: %s %q leaves its directory", ErrRefused, kind, p)
		}
	}
	if p = path.Clean(p); p == "." {
		return "", nil
	}
	return p, nil
}

// checkStreamPath judges the path of a stream within its chunk: nothing that
// the store would move away as one of its own directories.
func checkStreamPath(p string) (string, error) {
	p, err := cleanRelative("stream path", strings.TrimPrefix(p, "/"))
	if err != nil {
		return "", err
	}
	switch first, _, _ := strings.Cut(p, "/"); first {
	case archivesDir, oldChunkDir, newChunkDir:
		return "", fmt.Errorf("%w: stream path %q begins with a reserved name", ErrRefused, p)
	}
	return p, nil
}

// checkSession judges the names of CREATE_SESSION, minor 4 and later.
func checkSession(m *lttng.CreateSession) error {
	if err := checkHidden("session name", m.Name); err != nil {
		return err
	}
	if err := checkHidden("host name", m.Hostname); err != nil {
		return err
	}
	_, err := cleanRelative("base path", m.BasePath)
	return err
}

// sessionDir returns the directory of a session of minor 11 or later below the
// output directory. The names have been checked.
func sessionDir(m *lttng.CreateSession, by Grouping, loc *time.Location) string {
	datetime := time.Unix(int64(m.CreationTime), 0).In(loc).Format(datetimeLayout)
	base, _ := cleanRelative("base path", m.BasePath)
	if by == BySession {
		return path.Join(m.Name, m.Hostname+"-"+datetime, base)
	}
	switch {
	case base != "":
		return path.Join(m.Hostname, base)
	case m.NameHasTime:
		return path.Join(m.Hostname, m.Name)
	}
	return path.Join(m.Hostname, m.Name+"-"+datetime)
}

// legacyPath turns the stream path of a peer below minor 11, which names host
// and session (/HOST/SESSION-DATETIME//ust/…), into one below the output
// directory.
func legacyPath(p, sessionName string, by Grouping, now time.Time) (string, error) {
	p, err := cleanRelative("stream path", strings.TrimPrefix(p, "/"))
	if err != nil || by == ByHost || sessionName == "" {
		return p, err
	}
	host, rest, _ := strings.Cut(p, "/")
	second, rest, _ := strings.Cut(rest, "/")
	if after, ok := strings.CutPrefix(second, sessionName); ok {
		datetime := strings.TrimPrefix(after, "-")
		if datetime == "" {
			datetime = datetimeOf(sessionName, now)
		}
		return path.Join(sessionName, host+"-"+datetime, rest), nil
	}
	return path.Join(sessionName, host+"-"+datetimeOf(sessionName, now), second, rest), nil
}

// datetimeOf is the time that ends an automatic session name, or else now.
func datetimeOf(sessionName string, now time.Time) string {
	if n := len(sessionName) - len(datetimeLayout); n > 0 {
		if _, err := time.Parse(datetimeLayout, sessionName[n:]); err == nil {
			return sessionName[n:]
		}
	}
	return now.Format(datetimeLayout)
}

// chunkDirName is START-ID of an open chunk that follows a rotation.
func chunkDirName(created uint64, id lttng.ChunkID, loc *time.Location) string {
	return fmt.Sprintf("%s-%d", time.Unix(int64(created), 0).In(loc).Format(chunkLayout), id)
}

// archiveName is START-END-ID of a closed chunk.
func archiveName(created, closed uint64, id lttng.ChunkID, loc *time.Location) string {
	return fmt.Sprintf("%s-%s-%d", time.Unix(int64(created), 0).In(loc).Format(chunkLayout),
		time.Unix(int64(closed), 0).In(loc).Format(chunkLayout), id)
}
