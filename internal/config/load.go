// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
)

// Error says what is wrong with one key and where it was set.
type Error struct {
	Origin string // "weir.toml:12", "WEIR_RELAY_WORKERS", "--control"; empty for a default
	Key    string // "relay.workers"; empty when the file as a whole is meant
	Err    error
}

// Error returns origin, key and cause on one line.
func (e *Error) Error() string {
	text := e.Err.Error()
	if e.Key != "" {
		text = e.Key + ": " + text
	}
	if e.Origin != "" {
		text = e.Origin + ": " + text
	}
	return text
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Override is one value from the command line.
type Override struct {
	Key   string // "relay.control_url"
	Value string // text as in an environment variable
	Flag  string // the flag's name, for errors: "--control"
}

// Load returns the defaults, overlaid with the file at path (none when path is
// empty), the WEIR_SECTION_KEY variables of environ ("NAME=value" items) and
// the overrides, with the directories filled in, and validated. Errors about
// a value are of type *Error.
func Load(path string, environ []string, overrides ...Override) (*Config, error) {
	c := Default()
	c.origins = make(map[string]string)
	if path != "" {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("read configuration: %w", err)
		}
		if err := c.applyFile(path, string(text)); err != nil {
			return nil, err
		}
	}
	if err := c.applyEnviron(environ); err != nil {
		return nil, err
	}
	for _, o := range overrides {
		if err := c.set(o.Key, o.Value, o.Flag); err != nil {
			return nil, err
		}
	}
	if err := c.fillDirectories(environ, os.Geteuid() == 0); err != nil {
		return nil, err
	}
	return c, c.Validate()
}

// FindFile returns the configuration file to use when none is named: what
// WEIR_CONFIG says, else the first of the usual places where there is one,
// else "".
func FindFile(environ []string) string {
	if path := lookup(environ, "WEIR_CONFIG"); path != "" {
		return path
	}
	for _, path := range usualFiles(environ, os.Geteuid() == 0) {
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	return ""
}

// usualFiles lists where a configuration file may be. Root's own home is not
// among them: what root starts by hand shall behave as the service does.
func usualFiles(environ []string, root bool) []string {
	system := filepath.Join("/etc", "weir", "weir.toml")
	dir := lookup(environ, "XDG_CONFIG_HOME")
	if home := lookup(environ, "HOME"); !filepath.IsAbs(dir) && home != "" {
		dir = filepath.Join(home, ".config")
	}
	if root || !filepath.IsAbs(dir) {
		return []string{system}
	}
	return []string{filepath.Join(dir, "weir", "weir.toml"), system}
}

// set sets one key from text and remembers where it came from.
func (c *Config) set(key, text, origin string) error {
	s, ok := c.settings()[key]
	if !ok {
		return &Error{Origin: origin, Key: key, Err: errUnknownKey}
	}
	if err := s.setText(text); err != nil {
		return &Error{Origin: origin, Key: key, Err: err}
	}
	c.origins[key] = origin
	return nil
}

// applyEnviron applies the variables in the order of their names, so that the
// first error is always the same one.
func (c *Config) applyEnviron(environ []string) error {
	keys := make(map[string]string)
	var prefixes []string
	for _, sec := range c.sections() {
		prefixes = append(prefixes, strings.ToUpper("WEIR_"+sec.name+"_"))
		for _, s := range sec.settings {
			keys[s.env()] = s.key()
		}
	}
	sorted := append([]string(nil), environ...)
	sort.Strings(sorted)
	for _, item := range sorted {
		name, value, _ := strings.Cut(item, "=")
		if key, ok := keys[name]; ok {
			if err := c.set(key, value, name); err != nil {
				return err
			}
			continue
		}
		i := slices.IndexFunc(prefixes, func(p string) bool { return strings.HasPrefix(name, p) })
		if i >= 0 {
			section := strings.ToLower(strings.TrimSuffix(strings.TrimPrefix(prefixes[i], "WEIR_"), "_"))
			return &Error{Origin: name, Err: fmt.Errorf("unknown variable: no key of section %s has this name", section)}
		}
	}
	return nil
}

// fillDirectories gives the directories that were left empty their defaults.
func (c *Config) fillDirectories(environ []string, root bool) error {
	if c.Hub.StateDir == "" {
		dir, err := defaultStateDir(environ, root)
		if err != nil {
			return &Error{Key: "hub.state_dir", Err: err}
		}
		c.Hub.StateDir = dir
	}
	if c.Hub.OutputDir == "" {
		c.Hub.OutputDir = filepath.Join(c.Hub.StateDir, "traces")
	}
	return nil
}

// defaultStateDir follows the XDG base directory specification for users.
func defaultStateDir(environ []string, root bool) (string, error) {
	if root {
		return "/var/lib/weir", nil
	}
	// The specification wants relative paths ignored.
	if dir := lookup(environ, "XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "weir"), nil
	}
	if home := lookup(environ, "HOME"); home != "" {
		return filepath.Join(home, ".local", "state", "weir"), nil
	}
	return "", fmt.Errorf("no default: neither XDG_STATE_HOME nor HOME is set")
}

// lookup returns the last value of a variable, as the system's getenv does not
// promise but shells do.
func lookup(environ []string, name string) string {
	value := ""
	for _, item := range environ {
		if v, ok := strings.CutPrefix(item, name+"="); ok {
			value = v
		}
	}
	return value
}
