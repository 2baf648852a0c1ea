// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// setting is one key: its names, its description and the field that holds it.
type setting struct {
	section, name string
	doc           string
	field         reflect.Value
}

// section is one table of the file.
type section struct {
	name, doc string
	settings  []setting
}

// sections lists the tables and keys in the order of the structs. The fields
// are those of c: setting one changes c.
func (c *Config) sections() []section {
	var list []section
	root := reflect.ValueOf(c).Elem()
	for i := range root.NumField() {
		f := root.Type().Field(i)
		if !f.IsExported() {
			continue
		}
		s := section{name: f.Tag.Get("toml"), doc: f.Tag.Get("doc")}
		table := root.Field(i)
		for j := range table.NumField() {
			tag := table.Type().Field(j).Tag
			s.settings = append(s.settings, setting{s.name, tag.Get("toml"), tag.Get("doc"), table.Field(j)})
		}
		list = append(list, s)
	}
	return list
}

// settings lists all keys by their full name.
func (c *Config) settings() map[string]setting {
	all := make(map[string]setting)
	for _, sec := range c.sections() {
		for _, s := range sec.settings {
			all[s.key()] = s
		}
	}
	return all
}

// key returns the full name, "relay.workers".
func (s setting) key() string { return s.section + "." + s.name }

// env returns the environment variable, "WEIR_RELAY_WORKERS".
func (s setting) env() string { return strings.ToUpper("WEIR_" + s.section + "_" + s.name) }

// kind says in words what a value looks like.
func (s setting) kind() string {
	switch s.field.Interface().(type) {
	case time.Duration:
		return "duration"
	case Bytes:
		return "size"
	case bool:
		return "true or false"
	case int:
		return "integer"
	case []string:
		return "list of strings"
	default:
		return "string"
	}
}

// setText sets the field from an environment variable's or a flag's text.
// Lists are separated by commas.
func (s setting) setText(text string) error {
	switch s.field.Interface().(type) {
	case time.Duration:
		d, err := time.ParseDuration(text)
		if err != nil {
			return fmt.Errorf("want a duration such as 5s, 10ms or 24h, got %q", text)
		}
		s.field.SetInt(int64(d))
	case Bytes:
		b, err := ParseBytes(text)
		if err != nil {
			return err
		}
		s.field.SetInt(int64(b))
	case bool:
		b, err := strconv.ParseBool(text)
		if err != nil {
			return fmt.Errorf("want true or false, got %q", text)
		}
		s.field.SetBool(b)
	case int:
		n, err := strconv.ParseInt(text, 10, strconv.IntSize)
		if err != nil {
			return fmt.Errorf("want an integer, got %q", text)
		}
		s.field.SetInt(n)
	case []string:
		s.field.Set(reflect.ValueOf(splitList(text)))
	default:
		s.field.SetString(text)
	}
	return nil
}

// setTOML sets the field from a decoded TOML value. Durations and sizes need
// their unit, so a bare number is accepted for sizes (bytes) only.
func (s setting) setTOML(value any) error {
	switch v := value.(type) {
	case string:
		switch s.field.Interface().(type) {
		case string, time.Duration, Bytes:
			return s.setText(v)
		case []string:
			s.field.Set(reflect.ValueOf([]string{v}))
			return nil
		}
	case int64:
		switch s.field.Interface().(type) {
		case int, Bytes:
			return s.setText(strconv.FormatInt(v, 10))
		}
	case bool:
		if s.field.Kind() == reflect.Bool {
			s.field.SetBool(v)
			return nil
		}
	case []any:
		if list, ok := stringList(v); ok && s.field.Kind() == reflect.Slice {
			s.field.Set(reflect.ValueOf(list))
			return nil
		}
	}
	return fmt.Errorf("want %s, got %s", withArticle(s.kind()), describe(value))
}

// text returns the value as it is written in TOML.
func (s setting) text() string {
	switch v := s.field.Interface().(type) {
	case time.Duration:
		return strconv.Quote(formatDuration(v))
	case Bytes:
		return strconv.Quote(v.String())
	case []string:
		quoted := make([]string, len(v))
		for i, item := range v {
			quoted[i] = quoteTOML(item)
		}
		return "[" + strings.Join(quoted, ", ") + "]"
	case string:
		return quoteTOML(v)
	default:
		return fmt.Sprint(v)
	}
}

// value returns the value as JSON shall show it: sizes and durations as text.
func (s setting) value() any {
	switch v := s.field.Interface().(type) {
	case time.Duration:
		return formatDuration(v)
	case []string:
		return append([]string{}, v...)
	default:
		return v
	}
}

// splitList splits at commas and drops empty items.
func splitList(text string) []string {
	list := []string{}
	for item := range strings.SplitSeq(text, ",") {
		if item = strings.TrimSpace(item); item != "" {
			list = append(list, item)
		}
	}
	return list
}

// stringList returns the items when all of them are strings.
func stringList(items []any) ([]string, bool) {
	list := make([]string, 0, len(items))
	for _, item := range items {
		text, ok := item.(string)
		if !ok {
			return nil, false
		}
		list = append(list, text)
	}
	return list, true
}

// describe names a TOML value's type for an error.
func describe(value any) string {
	switch v := value.(type) {
	case string:
		return fmt.Sprintf("string %q", v)
	case int64, float64, bool:
		return fmt.Sprint(v)
	case []any:
		return "an array"
	case map[string]any, []map[string]any:
		return "a table"
	default:
		return fmt.Sprintf("%v", v)
	}
}

// withArticle puts the right article before a kind.
func withArticle(kind string) string {
	switch {
	case kind == "true or false":
		return kind
	case kind == "integer":
		return "an " + kind
	default:
		return "a " + kind
	}
}

// formatDuration drops the zero minutes and seconds that time.Duration prints.
func formatDuration(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// quoteTOML writes a basic string: TOML has no \x and no \a escapes.
func quoteTOML(text string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range text {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < ' ' || r == 0x7f:
			fmt.Fprintf(&b, `\u%04X`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
