// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package roster

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weir-io/weir/internal/hoststat/alarm"
	"github.com/weir-io/weir/xmlsysd"
)

// maxFile bounds a file, maxIncludes how deep files include others.
const (
	maxFile     = 4 << 20
	maxIncludes = 4
)

// File is what a wulfhosts file says.
type File struct {
	Hosts    []Host
	Delay    time.Duration // 0: not said
	View     string
	Tasks    []string // names or globs of processes
	Users    []string
	Root     bool // besides those of Users, processes of root
	Alarms   []alarm.Rule
	Triggers []xmlsysd.Trigger // of alarms about stalls
	Warnings []string
	Paths    []string // the file and what it includes
}

// reader reads a file and those that it includes.
type reader struct {
	file  File
	place func(name string) (int, bool) // of values in alarms
	// condition is what a trigger stands for, in an alarm's words
	condition func(xmlsysd.Trigger) (string, error)
	warned    map[string]bool
}

// Values are what alarms may be about.
type Values struct {
	Place func(name string) (index int, ok bool)              // of a name; nil: there are none
	Stall func(xmlsysd.Trigger) (condition string, err error) // what a trigger stands for; nil: there are none
}

// Load reads a file. Errors are [*Error] or of the file system.
func Load(path string, values Values) (*File, error) {
	r := reader{place: values.Place, condition: values.Stall, warned: make(map[string]bool)}
	if err := r.load(path, 0); err != nil {
		return nil, err
	}
	r.file.Hosts = merge(r.file.Hosts)
	return &r.file, nil
}

func (r *reader) load(path string, depth int) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	doc, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	switch {
	case err != nil:
		return err
	case len(doc) > maxFile:
		return fmt.Errorf("%s: more than 4 MiB", path)
	}
	r.file.Paths = append(r.file.Paths, path)
	root, err := parse(path, doc)
	if err != nil {
		return err
	}
	for _, e := range root.children {
		line, err := r.element(path, e, depth)
		if err != nil {
			if nested, ok := errors.AsType[*Error](err); ok {
				return nested
			}
			return &Error{path, line, err}
		}
	}
	return nil
}

// element takes an element below the root. With an error it returns the line.
func (r *reader) element(path string, e *element, depth int) (int, error) {
	switch e.name {
	case "host":
		return r.host(path, e)
	case "hostrange":
		return r.hostRange(path, e)
	case "iprange":
		return r.ipRange(path, e)
	case "hostlist":
		return r.hostList(path, e)
	case "include":
		if depth == maxIncludes {
			return e.line, errors.New("files include others more than 4 deep")
		}
		name := e.text
		if !filepath.IsAbs(name) {
			name = filepath.Join(filepath.Dir(path), name)
		}
		return e.line, r.load(name, depth+1)
	case "task":
		r.file.Tasks = append(r.file.Tasks, e.text)
	case "user":
		r.file.Users = append(r.file.Users, e.text)
	case "root":
		r.file.Root = e.text == "1"
	case "delay":
		seconds, err := strconv.ParseFloat(e.text, 64)
		if err != nil || !(seconds >= 0.5 && seconds <= 60) {
			return e.line, fmt.Errorf("delay %q: want 0.5 to 60 seconds", e.text)
		}
		r.file.Delay = time.Duration(seconds * float64(time.Second))
	case "view":
		r.file.View = e.text
	case "alarm":
		return r.alarm(path, e)
	default:
		r.unknown(path, e)
	}
	return 0, nil
}

// unknown warns of an element, once for each name.
func (r *reader) unknown(path string, e *element) {
	if !r.warned[e.name] {
		r.warned[e.name] = true
		r.file.Warnings = append(r.file.Warnings, fmt.Sprintf("%s:%d: unknown element %s", path, e.line, e.name))
	}
}

// check warns of children that an element does not have.
func (r *reader) check(path string, e *element, known ...string) {
	for _, c := range e.children {
		if !slices.Contains(known, c.name) {
			r.unknown(path, c)
		}
	}
}

// port reads the port of an element.
func port(e *element) (n, line int, err error) {
	text, line := e.child("port")
	if text == "" {
		return xmlsysd.Port, line, nil
	}
	n, err = parsePort(text)
	return n, line, err
}

func (r *reader) add(h Host) error {
	if len(r.file.Hosts) >= maxHosts {
		return fmt.Errorf("more than %d hosts", maxHosts)
	}
	r.file.Hosts = append(r.file.Hosts, h)
	return nil
}

func (r *reader) host(path string, e *element) (int, error) {
	r.check(path, e, "name", "ip", "port", "label", "group", "tls", "socket")
	name, line := e.child("name")
	ip, _ := e.child("ip")
	label, _ := e.child("label")
	group, _ := e.child("group")
	secure, _ := e.child("tls")
	socket, _ := e.child("socket")
	n, portLine, err := port(e)
	if err != nil {
		return portLine, err
	}
	to := ip
	if to == "" {
		to = name
	}
	h := Host{Group: group, TLS: secure == "1", Address: address(to, n)}
	if socket != "" {
		h.Address = socket
	} else if err := checkName(to); err != nil {
		return line, err
	}
	for _, shown := range []string{label, name, ip, socket} {
		if h.Name == "" {
			h.Name = shown
		}
	}
	return e.line, r.add(h)
}

func (r *reader) hostRange(path string, e *element) (int, error) {
	r.check(path, e, "hostfmt", "imin", "imax", "port", "group")
	format, line := e.child("hostfmt")
	low, lowLine := e.child("imin")
	high, highLine := e.child("imax")
	from, err := strconv.Atoi(low)
	if err != nil {
		return lowLine, fmt.Errorf("imin: no number: %q", low)
	}
	to, err := strconv.Atoi(high)
	if err != nil {
		return highLine, fmt.Errorf("imax: no number: %q", high)
	}
	names, err := numbered(format, from, to)
	if err != nil {
		return line, err
	}
	return r.names(e, names)
}

func (r *reader) ipRange(path string, e *element) (int, error) {
	r.check(path, e, "ipmin", "ipmax", "port", "group")
	low, line := e.child("ipmin")
	high, _ := e.child("ipmax")
	names, err := addresses(low, high)
	if err != nil {
		return line, err
	}
	return r.names(e, names)
}

func (r *reader) hostList(path string, e *element) (int, error) {
	r.check(path, e, "hosts", "port", "group")
	text, line := e.child("hosts")
	if text == "" {
		text = e.text
	}
	names, err := expand(text)
	if err != nil {
		return line, err
	}
	return r.names(e, names)
}

// names adds hosts that differ by name only.
func (r *reader) names(e *element, names []string) (int, error) {
	n, line, err := port(e)
	if err != nil {
		return line, err
	}
	group, _ := e.child("group")
	for _, name := range names {
		h, err := parseHost(name, n)
		if err != nil {
			return e.line, err
		}
		h.Group = group
		if err := r.add(h); err != nil {
			return e.line, err
		}
	}
	return 0, nil
}

func (r *reader) alarm(path string, e *element) (int, error) {
	r.check(path, e, "when", "psi", "for", "clear", "level", "note")
	rule := alarm.Rule{ID: e.id, Level: "warn"}
	place := r.place
	if place == nil {
		place = func(string) (int, bool) { return 0, false }
	}
	if rule.ID == "" {
		return e.line, errors.New("an alarm without an id")
	}
	when, line := e.child("when")
	var err error
	if psi, psiLine := e.child("psi"); psi != "" {
		if when != "" {
			return psiLine, fmt.Errorf("alarm %s: it has both when and psi", rule.ID)
		}
		if when, err = r.stall(psi); err != nil {
			return psiLine, fmt.Errorf("alarm %s: psi: %w", rule.ID, err)
		}
	}
	if rule.When, err = alarm.Compile(when, place); err != nil {
		return line, fmt.Errorf("alarm %s: when: %w", rule.ID, err)
	}
	if text, line := e.child("clear"); text != "" {
		if rule.Clear, err = alarm.Compile(text, place); err != nil {
			return line, fmt.Errorf("alarm %s: clear: %w", rule.ID, err)
		}
	}
	if text, line := e.child("for"); text != "" {
		seconds, err := strconv.ParseFloat(text, 64)
		if err != nil || !(seconds >= 0 && seconds <= 1e6) {
			return line, fmt.Errorf("alarm %s: for: want seconds, got %q", rule.ID, text)
		}
		rule.For = time.Duration(seconds * float64(time.Second))
	}
	if text, line := e.child("level"); text != "" {
		if !slices.Contains([]string{"info", "warn", "crit"}, text) {
			return line, fmt.Errorf("alarm %s: level %q: want info, warn or crit", rule.ID, text)
		}
		rule.Level = text
	}
	rule.Note, _ = e.child("note")
	if slices.ContainsFunc(r.file.Alarms, func(a alarm.Rule) bool { return a.ID == rule.ID }) {
		return e.line, fmt.Errorf("alarm %s is there twice", rule.ID)
	}
	r.file.Alarms = append(r.file.Alarms, rule)
	return 0, nil
}

// maxTriggers bounds the triggers of a file: daemons take no more.
const maxTriggers = 8

// stall takes a trigger, and returns the condition that it stands for.
func (r *reader) stall(text string) (when string, err error) {
	t, err := xmlsysd.ParseTrigger(strings.Fields(text))
	if err != nil {
		return "", fmt.Errorf("want a resource, some or full, and seconds of stall and window, such as memory some 0.15 2: %w", err)
	}
	if r.condition == nil {
		return "", errors.New("there are no triggers here")
	}
	if when, err = r.condition(t); err != nil {
		return "", err
	}
	if !slices.Contains(r.file.Triggers, t) {
		if len(r.file.Triggers) == maxTriggers {
			return "", fmt.Errorf("more than %d triggers", maxTriggers)
		}
		r.file.Triggers = append(r.file.Triggers, t)
	}
	return when, nil
}

// Find returns the file to read where none is named: the first one of the usual
// places that exists, or "".
func Find(getenv func(string) string, home string) string {
	places := []string{"./wulfhosts"}
	if named := getenv("WULFHOSTS"); named != "" {
		places = []string{named}
	} else {
		if home != "" {
			places = append(places, filepath.Join(home, ".wulfhosts"), filepath.Join(home, ".config", "weir", "wulfhosts"))
		}
		places = append(places, "/etc/wulfhosts")
	}
	for _, path := range places {
		if _, err := os.Stat(path); err == nil || !errors.Is(err, fs.ErrNotExist) || len(places) == 1 {
			return path
		}
	}
	return ""
}

// Mask returns the process mask that the file asks for, as the command task takes
// it; "" for the default one.
func (f *File) Mask() string {
	var words []string
	for _, name := range f.Tasks {
		if !strings.ContainsAny(name, " \t\n") {
			words = append(words, "name="+name)
		}
	}
	users := f.Users
	if f.Root && len(users) > 0 {
		users = append(slices.Clone(users), "root")
	}
	for _, name := range users {
		if !strings.ContainsAny(name, " \t\n") {
			words = append(words, "user="+name)
		}
	}
	return strings.Join(words, " ")
}
