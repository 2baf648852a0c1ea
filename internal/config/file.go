// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"errors"
	"fmt"
	"sort"
	"strings"

	"github.com/BurntSushi/toml"
)

// errUnknownKey is the cause of an Error about a key that does not exist.
var errUnknownKey = errors.New("unknown key")

// applyFile applies the text of a configuration file. Values are set in the
// order of their lines, so the first error is the first in the file.
//
// The file is decoded into plain maps rather than into the struct: the decoder
// would match keys without regard to case and tell neither the line of an
// unknown key nor, in words of this file, what type was wanted.
func (c *Config) applyFile(path, text string) error {
	var tables map[string]any
	if _, err := toml.Decode(text, &tables); err != nil {
		if pe, ok := errors.AsType[toml.ParseError](err); ok {
			return &Error{Origin: fmt.Sprintf("%s:%d", path, pe.Position.Line), Err: errors.New(pe.Message)}
		}
		return &Error{Origin: path, Err: err}
	}
	found := c.flatten(tables)
	lines := keyLines(text)
	sort.SliceStable(found, func(i, j int) bool { return lines.of(found[i].key) < lines.of(found[j].key) })
	for _, f := range found {
		origin := fmt.Sprintf("%s:%d", path, lines.of(f.key))
		s, ok := c.settings()[f.key]
		if !ok {
			return &Error{Origin: origin, Key: f.key, Err: f.refusal()}
		}
		if err := s.setTOML(f.value); err != nil {
			return &Error{Origin: origin, Key: f.key, Err: err}
		}
		c.origins[f.key] = origin
	}
	return nil
}

// fileValue is one value of the file by its full key.
type fileValue struct {
	key   string
	value any
}

// refusal says why a value that belongs to no key is refused.
func (f fileValue) refusal() error {
	if strings.Contains(f.key, ".") {
		return errUnknownKey
	}
	switch f.value.(type) {
	case map[string]any:
		return errors.New("unknown section")
	case []map[string]any:
		return errors.New("want one table, got an array of tables")
	}
	return errors.New("unknown key outside of any section")
}

// flatten turns the tables into full keys. An unknown table is one value: its
// keys are of no interest.
func (c *Config) flatten(tables map[string]any) []fileValue {
	known := make(map[string]bool)
	for _, sec := range c.sections() {
		known[sec.name] = true
	}
	var found []fileValue
	for name, value := range tables {
		table, ok := value.(map[string]any)
		if !ok || !known[name] {
			found = append(found, fileValue{name, value})
			continue
		}
		for key, v := range table {
			found = append(found, fileValue{name + "." + key, v})
		}
	}
	sort.Slice(found, func(i, j int) bool { return found[i].key < found[j].key })
	return found
}
