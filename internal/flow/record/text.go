// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package record

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"strings"
)

// maxGroups is how deep objects within an event are groups of attributes; what is deeper
// is written as it is.
const maxGroups = 3

// AppendText appends the record as a line of flow-trace.log, with its end. After the
// members of the event come flow and host: cookies of two hosts may be the same.
func (r *Record) AppendText(b []byte) ([]byte, error) {
	line := slog.NewRecord(r.Time, r.Level, r.Kind, 0)
	line.AddAttrs(slog.String(KeyCookie, CookieText(r.Scope.Cookie)))
	err := r.each(func(key string, value json.RawMessage) { line.AddAttrs(attr(key, value, maxGroups)) })
	if err != nil {
		return b, err
	}
	line.AddAttrs(slog.String("flow_id", r.Scope.Flow.String()), slog.String("host_id", r.Scope.Host.String()))
	text := bytes.NewBuffer(b)
	err = NewTextHandler(text, r.Level).Handle(context.Background(), line)
	return text.Bytes(), err
}

// attr returns a member as an attribute. Its name comes from elsewhere: it must not look
// like more than one, or like a line.
func attr(key string, value json.RawMessage, groups int) slog.Attr {
	key = strings.Map(func(c rune) rune {
		if c <= ' ' || c == '=' || c == '"' || c >= 0x7f {
			return '_'
		}
		return c
	}, key)
	var text string
	switch {
	case len(value) > 0 && value[0] == '"' && json.Unmarshal(value, &text) == nil:
		return slog.String(key, text)
	case len(value) > 0 && value[0] == '{' && groups > 0:
		var members []slog.Attr
		err := eachMember(value, func(key string, value json.RawMessage) { members = append(members, attr(key, value, groups-1)) })
		if err == nil {
			return slog.Attr{Key: key, Value: slog.GroupValue(members...)}
		}
	}
	return slog.String(key, string(value))
}
