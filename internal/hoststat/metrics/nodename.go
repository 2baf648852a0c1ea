// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"bytes"
	"slices"
	"strings"
)

// This file is what Debian's node_exporter 1.5 leaves out by default, and how it
// names sensors.

// loopback is the interface whose traffic is not shown.
const loopback = "lo"

func isLoopback(name []byte) group {
	if string(name) == loopback {
		return traffic
	}
	return 0
}

// hiddenMounts are mount points that are not shown, with all below.
var hiddenMounts = []string{"/dev", "/proc", "/run", "/sys", "/mnt", "/media"}

// hiddenBelow are mount points below which nothing is shown.
var hiddenBelow = []string{"/var/lib/docker/", "/var/lib/containers/storage/"}

func isHiddenMount(point []byte) group {
	for _, m := range hiddenMounts {
		if rest, ok := bytes.CutPrefix(point, []byte(m)); ok && (len(rest) == 0 || rest[0] == '/') {
			return everyone
		}
	}
	for _, m := range hiddenBelow {
		if len(point) > len(m) && strings.HasPrefix(string(point), m) {
			return everyone
		}
	}
	return 0
}

// hiddenFS are types that are not shown, beside those that the engine leaves out.
var hiddenFS = []string{"iso9660", "overlay", "squashfs"}

func isHiddenFS(kind []byte) group {
	if slices.Contains(hiddenFS, string(kind)) {
		return everyone
	}
	return 0
}

// isPart hides partitions, and devices that are there whether or not they are used:
// ram0, loop7, fd0, sda1, vdb2, nvme0n1p3.
func isPart(name []byte) group {
	rest := bytes.TrimRight(name, "0123456789")
	if len(rest) == len(name) {
		return 0
	}
	switch s := string(rest); {
	case s == "ram", s == "loop", s == "fd":
		return everyone
	case len(s) == 3 && strings.Contains("hsv", s[:1]) && isDisk(s[1:]), len(s) == 4 && s[:2] == "xv" && isDisk(s[2:]):
		return everyone
	case strings.HasPrefix(s, "nvme") && strings.HasSuffix(s, "p"):
		if a, b, ok := strings.Cut(s[len("nvme"):len(s)-1], "n"); ok && isDigits(a) && isDigits(b) {
			return everyone
		}
	}
	return 0
}

// isDisk reports whether the end of a disk's name is a "d" and its letter.
func isDisk(s string) bool { return s[0] == 'd' && s[1] >= 'a' && s[1] <= 'z' }

func isDigits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

// cutSensor takes the id of a sensor, "coretemp.0/temp1" or "…/temp1#2" for the
// second of that name, apart.
func cutSensor(id []byte) (device, name []byte) {
	at := bytes.LastIndexByte(id, '/')
	name, _, _ = bytes.Cut(id[at+1:], []byte("#"))
	return id[:max(at, 0)], name
}

// appendChip appends what a chip is called: the last two parts of its device's path,
// such as platform/coretemp.0, else its name, else the device.
func appendChip(b, path, chip, device []byte) []byte {
	for _, name := range [...][]byte{path, chip} {
		if n := len(b); len(name) > 0 {
			if b = appendClean(b, name); len(b) > n {
				return b
			}
		}
	}
	return append(b, device...)
}

// appendClean appends a name in small letters, with underscores for all that is
// neither letter, digit nor colon, but none at the ends of its parts, which are
// joined by one.
func appendClean(b, name []byte) []byte {
	begin := len(b)
	for len(name) > 0 {
		var part []byte
		part, name, _ = bytes.Cut(name, []byte("/"))
		if part = bytes.TrimFunc(part, isUnclean); len(part) > 0 && len(b) > begin {
			b = append(b, '_')
		}
		for _, c := range part {
			switch {
			case c >= 'A' && c <= 'Z':
				c += 'a' - 'A'
			case isUnclean(rune(c)):
				c = '_'
			}
			b = append(b, c)
		}
	}
	return b
}

// isUnclean reports whether a character of a name is replaced.
func isUnclean(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != ':'
}
