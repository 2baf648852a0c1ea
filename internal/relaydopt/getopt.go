// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relaydopt

import (
	"fmt"
	"strings"
)

// setting is one option met on the command line, in order.
type setting struct {
	flag  Flag
	value string // "" for switches
}

// scanner walks a command line by the rules of GNU getopt_long: permutation
// of non-options, clustered short options, arguments attached or apart, and
// unique prefixes of long names.
type scanner struct {
	flags []Flag
	args  []string // what is left
	found []setting
}

// scan returns the options of args in order. Arguments that are no options
// are skipped, and with posix set (POSIXLY_CORRECT) the first one ends the
// options. The error is worded as getopt_long words it.
func scan(flags []Flag, args []string, posix bool) ([]setting, error) {
	s := scanner{flags: flags, args: args}
	for len(s.args) > 0 {
		word := s.args[0]
		s.args = s.args[1:]
		var err error
		switch {
		case word == "--":
			return s.found, nil
		case strings.HasPrefix(word, "--"):
			err = s.long(word[2:])
		case len(word) > 1 && word[0] == '-':
			err = s.short(word[1:])
		case posix:
			return s.found, nil
		}
		if err != nil {
			return nil, err
		}
	}
	return s.found, nil
}

func (s *scanner) long(word string) error {
	name, value, attached := strings.Cut(word, "=")
	flag, err := s.lookUp(name)
	if err != nil {
		return err
	}
	switch {
	case flag.Arg == "" && attached:
		return fmt.Errorf("option '--%s' doesn't allow an argument", flag.Long)
	case flag.Arg != "" && !attached:
		if len(s.args) == 0 {
			return fmt.Errorf("option '--%s' requires an argument", flag.Long)
		}
		value, s.args = s.args[0], s.args[1:]
	}
	s.found = append(s.found, setting{flag, value})
	return nil
}

// lookUp finds the option of an exact name, else the only one it begins.
func (s *scanner) lookUp(name string) (Flag, error) {
	var theirs, ours []Flag
	for _, f := range s.flags {
		switch {
		case f.Long == name:
			return f, nil
		case !strings.HasPrefix(f.Long, name):
		case f.Own:
			ours = append(ours, f)
		default:
			theirs = append(theirs, f)
		}
	}
	candidates := theirs
	if len(candidates) == 0 {
		candidates = ours
	}
	switch len(candidates) {
	case 0:
		return Flag{}, fmt.Errorf("unrecognized option '--%s'", name)
	case 1:
		return candidates[0], nil
	}
	var list strings.Builder
	for _, f := range candidates {
		fmt.Fprintf(&list, " '--%s'", f.Long)
	}
	return Flag{}, fmt.Errorf("option '--%s' is ambiguous; possibilities:%s", name, list.String())
}

func (s *scanner) short(cluster string) error {
	for i := 0; i < len(cluster); i++ {
		flag, ok := s.letter(cluster[i])
		if !ok {
			return fmt.Errorf("invalid option -- '%c'", cluster[i])
		}
		if flag.Arg == "" {
			s.found = append(s.found, setting{flag: flag})
			continue
		}
		value := cluster[i+1:]
		if value == "" {
			if len(s.args) == 0 {
				return fmt.Errorf("option requires an argument -- '%c'", cluster[i])
			}
			value, s.args = s.args[0], s.args[1:]
		}
		s.found = append(s.found, setting{flag, value})
		return nil
	}
	return nil
}

func (s *scanner) letter(c byte) (Flag, bool) {
	for _, f := range s.flags {
		if f.Short != 0 && f.Short == c {
			return f, true
		}
	}
	return Flag{}, false
}
