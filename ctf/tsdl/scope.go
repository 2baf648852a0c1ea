// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tsdl

import (
	"slices"

	"github.com/weir-io/weir/ctf/schema"
)

// nameSpace separates the names of types: aliases and the tags of structs,
// variants and enumerations do not meet.
type nameSpace uint8

const (
	aliases nameSpace = iota
	structTags
	variantTags
	enumTags

	numNameSpaces = 4
)

func (n nameSpace) String() string {
	return [numNameSpaces]string{"type alias", "struct", "variant", "enum"}[n]
}

// scope holds the types that a block or a body declares. References of the
// classes in it are not resolved yet: see [resolver].
type scope struct {
	parent *scope
	types  [numNameSpaces]map[string]schema.Class
	// words of aliases' names, with the offset in the batch's text from which
	// on they are names of types: what follows is no name of a field.
	words map[string]int
}

func newScope(parent *scope) *scope { return &scope{parent: parent} }

// lookup finds a type in the scope or in those around it.
func (s *scope) lookup(ns nameSpace, name string) schema.Class {
	for ; s != nil; s = s.parent {
		if c := s.types[ns][name]; c != nil {
			return c
		}
	}
	return nil
}

// declare adds a type, and reports false when the scope has one of that name.
func (s *scope) declare(ns nameSpace, name string, c schema.Class) bool {
	if s.types[ns][name] != nil {
		return false
	}
	if s.types[ns] == nil {
		s.types[ns] = make(map[string]schema.Class)
	}
	s.types[ns][name] = c
	return true
}

// addWord makes a word part of types' names from an offset on.
func (s *scope) addWord(word string, from int) {
	if at, ok := s.words[word]; ok && at <= from {
		return
	}
	if s.words == nil {
		s.words = make(map[string]int)
	}
	s.words[word] = from
}

// isWord reports whether a word at an offset is part of a type's name.
func (s *scope) isWord(word string, at int) bool {
	for ; s != nil; s = s.parent {
		if from, ok := s.words[word]; ok && from <= at {
			return true
		}
	}
	return false
}

// declares reports whether there is any type in the scope itself.
func (s *scope) declares() bool {
	return slices.ContainsFunc(s.types[:], func(t map[string]schema.Class) bool { return len(t) > 0 })
}

// merge adds what a batch declared at the root, for later batches to see.
func (s *scope) merge(batch *scope) {
	for ns, types := range batch.types {
		for name, c := range types {
			s.declare(nameSpace(ns), name, c)
		}
	}
	for word := range batch.words {
		s.addWord(word, 0)
	}
}
