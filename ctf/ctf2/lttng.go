// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ctf2

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/weir-io/weir/ctf/schema"
)

// Attributes that LTTng and others give to event record classes.
const (
	lttngNamespace = "lttng.org,2009"
	logLevelName   = "log-level"
	emfURIName     = "emf-uri"
)

// logLevels are the words for log levels, by number.
var logLevels = [...]string{
	"emergency", "alert", "critical", "error", "warning", "notice", "info",
	"debug:system", "debug:program", "debug:process", "debug:module", "debug:unit",
	"debug:function", "debug:line", "debug",
}

// logLevelOf is the level that a word names, or none.
func logLevelOf(word string) schema.LogLevel {
	return schema.LogLevel(slices.Index(logLevels[:], word)) // -1 is NoLogLevel
}

// lttngAttributes gives their meaning to the attributes of LTTng. An attribute
// is no reason to refuse a stream.
func (r *reader) lttngAttributes(n *node, e *schema.Event) {
	attributes := n.property("attributes")
	if attributes == nil {
		return
	}
	lttng := attributes.property(lttngNamespace)
	if lttng == nil {
		return
	}
	if v := lttng.property(logLevelName); v != nil {
		if v.kind == stringKind {
			e.LogLevel = logLevelOf(v.text)
		}
		if e.LogLevel == schema.NoLogLevel {
			r.warn(v, v.describe(), strings.Join(logLevels[:], ", "))
		}
	}
	if v := lttng.property(emfURIName); v != nil {
		if v.kind == stringKind {
			e.EMFURI = v.text
		} else {
			r.warn(v, v.describe(), "a string")
		}
	}
}

// eventAttributes writes the attributes of an event record class. Log level and
// EMF URI are those of the schema, at the place of those that it was read with.
func (w *writer) eventAttributes(e *schema.Event) {
	ours := lttngWriter{w, e, false, false}
	if len(e.Attributes) == 0 {
		if ours.any() {
			w.key("attributes")
			w.open('{')
			ours.namespace(nil)
			w.close('}')
		}
		return
	}
	root, err := parseObject(&source{text: e.Attributes})
	if err != nil {
		w.err = cmp.Or(w.err, fmt.Errorf("attributes: %w", err))
		return
	}
	w.key("attributes")
	w.open('{')
	lttng := root.property(lttngNamespace)
	for _, kid := range root.kids {
		if kid == lttng && kid.kind == objectKind {
			ours.namespace(kid)
		} else {
			w.kept(kid.name, kid.raw())
		}
	}
	if lttng == nil && ours.any() {
		ours.namespace(nil)
	}
	w.close('}')
}

// lttngWriter writes the attributes of LTTng's name space.
type lttngWriter struct {
	*writer
	event      *schema.Event
	level, uri bool // written
}

func (w *lttngWriter) any() bool { return w.event.LogLevel.String() != "" || w.event.EMFURI != "" }

// namespace writes the name space; n is what it was read with, or nil.
func (w *lttngWriter) namespace(n *node) {
	w.key(lttngNamespace)
	w.open('{')
	if n != nil {
		for _, kid := range n.kids {
			switch {
			case kid.name == logLevelName && kid.kind == stringKind && logLevelOf(kid.text) != schema.NoLogLevel:
				w.logLevel()
			case kid.name == emfURIName && kid.kind == stringKind:
				w.emfURI()
			default:
				w.kept(kid.name, kid.raw())
				w.level = w.level || kid.name == logLevelName
				w.uri = w.uri || kid.name == emfURIName
			}
		}
	}
	w.logLevel()
	w.emfURI()
	w.close('}')
}

func (w *lttngWriter) logLevel() {
	if !w.level && w.event.LogLevel.String() != "" {
		w.textProperty(logLevelName, logLevels[w.event.LogLevel])
	}
	w.level = true
}

func (w *lttngWriter) emfURI() {
	if !w.uri {
		w.someText(emfURIName, w.event.EMFURI)
	}
	w.uri = true
}
