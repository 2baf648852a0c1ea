// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ctf2

import (
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
