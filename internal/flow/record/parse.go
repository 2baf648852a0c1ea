// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package record

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weir-io/weir/internal/flow/topology"
)

// maxRequests is how many requests a record may name: each keeps the record.
const maxRequests = 100

// Parse reads a record as AppendJSON writes it. What it does not know are members of the
// event, in their order.
func Parse(b []byte) (Record, error) {
	p := parser{r: Record{Scope: new(Scope)}, seen: make(map[string]bool)}
	dec := json.NewDecoder(bytes.NewReader(b))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return Record{}, fmt.Errorf("record: got %.40q, want an object", b)
	}
	event := []byte{'{'}
	for dec.More() {
		name, err := dec.Token()
		var value json.RawMessage
		if err == nil {
			err = dec.Decode(&value)
		}
		if err != nil {
			return Record{}, fmt.Errorf("record: %w", err)
		}
		key := name.(string) // names are texts
		known, err := p.take(key, value)
		if err != nil {
			return Record{}, fmt.Errorf("record: %s: %w", key, err)
		}
		if !known {
			if len(event) > 1 {
				event = append(event, ',')
			}
			event = append(append(appendText(event, key), ':'), value...)
		}
	}
	if _, err := dec.Token(); err != nil {
		return Record{}, fmt.Errorf("record: %w", err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return Record{}, fmt.Errorf("record: %w: something comes after it", errEvent)
	}
	for _, key := range []string{"time", "kind", "seq", KeyFlow, KeyHost} {
		if !p.seen[key] {
			return Record{}, fmt.Errorf("record: %s: got none", key)
		}
	}
	p.r.Event = append(event, '}')
	return p.r, nil
}

// errTwice is the error of a member that is there twice.
var errTwice = errors.New("is there twice")

// parser reads the members of a record that are not of its event.
type parser struct {
	r    Record
	seen map[string]bool
}

// take reads a member, and reports whether it is one of the record's own.
func (p *parser) take(key string, value json.RawMessage) (known bool, err error) {
	r, s := &p.r, p.r.Scope
	h := &s.Header
	switch key {
	case "msg": // is the kind
	case "time":
		r.Time, err = parseText(value, func(t string) (time.Time, error) { return time.Parse(time.RFC3339Nano, t) })
	case "level":
		err = json.Unmarshal(value, &r.Level)
	case "seq":
		err = json.Unmarshal(value, &r.Seq)
	case "kind":
		if err = json.Unmarshal(value, &r.Kind); err == nil && r.Kind == "" {
			err = errors.New("got an empty text")
		}
	case KeyCookie:
		s.Cookie, err = parseText(value, parseCookie)
	case KeyFlow:
		s.Flow, err = parseText(value, topology.ParseID)
	case KeyHost:
		s.Host, err = parseText(value, topology.ParseID)
	case KeyRequests:
		s.Requests, err = parseText(value, parseIDs)
	case KeyEthSrc:
		err = json.Unmarshal(value, &h.EthSrc)
	case KeyEthDst:
		err = json.Unmarshal(value, &h.EthDst)
	case KeyEtherType:
		err = json.Unmarshal(value, &h.EtherType)
	case KeyNetworkSrc:
		h.Src, err = parseText(value, netip.ParseAddr)
	case KeyNetworkDst:
		h.Dst, err = parseText(value, netip.ParseAddr)
	case KeyNetworkProto:
		err = json.Unmarshal(value, &h.Proto)
	case KeySrcPort:
		err = json.Unmarshal(value, &h.SrcPort)
	case KeyDstPort:
		err = json.Unmarshal(value, &h.DstPort)
	default:
		return false, nil
	}
	if string(value) == "null" { // stands for absent
		return true, nil
	}
	if p.seen[key] && err == nil {
		err = errTwice
	}
	p.seen[key] = true
	return true, err
}

// parseText reads a value that is written as a text.
func parseText[T any](value json.RawMessage, parse func(string) (T, error)) (v T, err error) {
	var text string
	if err := json.Unmarshal(value, &text); err != nil {
		return v, err
	}
	return parse(text)
}

func parseCookie(text string) (uint64, error) {
	digits, begun := strings.CutPrefix(text, "[cookie:")
	digits, ended := strings.CutSuffix(digits, "]")
	n, err := strconv.ParseUint(digits, 10, 64)
	if !begun || !ended || err != nil {
		return 0, fmt.Errorf("got %.40q, want [cookie:N]", text)
	}
	return n, nil
}

func parseIDs(text string) ([]topology.ID, error) {
	var ids []topology.ID
	for part := range strings.SplitSeq(text, ",") {
		id, err := topology.ParseID(part)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
		if len(ids) > maxRequests {
			return nil, fmt.Errorf("got more than %d requests", maxRequests)
		}
	}
	return ids, nil
}
