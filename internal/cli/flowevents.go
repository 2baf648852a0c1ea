// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/weir-io/weir/client/flow"
)

// eventOrder are the members of events that come first on a line, in this order.
var eventOrder = []string{
	"device", "port", "inputPort", "chain", "name", "position", "rule", "type", "matched", "applied", "result", "outcome", "reason",
}

// eventHidden are members that a line does not have: they are before it, or the same
// for all.
var eventHidden = []string{"seq", "time", "host", "role", "run", "kind"}

// writeEvents writes events, a line each.
func writeEvents(w io.Writer, events []flow.Event) error {
	for _, e := range events {
		members, err := eventMembers(e)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(w, "  %s%s\n", printable(e.Kind), eventText(members)); err != nil {
			return err
		}
	}
	return nil
}

// eventMembers reads all members of an event.
func eventMembers(e flow.Event) (map[string]any, error) {
	members := make(map[string]any)
	d := json.NewDecoder(bytes.NewReader(e.JSON))
	d.UseNumber()
	if err := d.Decode(&members); err != nil {
		return nil, fmt.Errorf("event: %w", err)
	}
	return members, nil
}

// eventText returns the members of an event as words.
func eventText(members map[string]any) string {
	var b strings.Builder
	names := slices.Sorted(maps.Keys(members))
	for _, name := range slices.Concat(eventOrder, names) {
		value, ok := members[name]
		if !ok || slices.Contains(eventHidden, name) {
			continue
		}
		delete(members, name)
		text, plain := value.(string)
		if !plain {
			raw, _ := json.Marshal(value) // it was read as JSON
			text = string(raw)
		}
		fmt.Fprintf(&b, " %s=%s", name, printable(text))
	}
	return b.String()
}
