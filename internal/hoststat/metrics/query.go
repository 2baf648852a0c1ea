// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/weir-io/weir/xmlsysd"
)

// maxQuery bounds a selection.
const maxQuery = 4096

// selection returns what a query selects with on=SELECTOR and off=SELECTOR, in their
// order; nil for an empty one. When the first is on, the rest is off before it, and
// when it is off, the rest is on.
func (p *plan) selection(query string) (*xmlsysd.Selection, error) {
	if query == "" {
		return nil, nil
	}
	if len(query) > maxQuery {
		return nil, fmt.Errorf("a selection of %d bytes, want at most %d", len(query), maxQuery)
	}
	sel := xmlsysd.NewSelection(p.model)
	for i, pair := range strings.Split(query, "&") {
		name, value, _ := strings.Cut(pair, "=")
		selector, err := url.QueryUnescape(value)
		if err != nil {
			return nil, fmt.Errorf("parameter %s: %w", name, err)
		}
		if name != "on" && name != "off" {
			return nil, fmt.Errorf("parameter %q, want on or off", name)
		}
		if i == 0 && name == "off" {
			if err := p.selectAll(sel); err != nil {
				return nil, err
			}
		}
		if strings.HasPrefix(selector, "raw:") {
			return nil, errors.New("raw files are not shown as metrics")
		}
		if err := sel.Add(name == "on", selector); err != nil {
			return nil, fmt.Errorf("%s=%s: %w", name, selector, err)
		}
	}
	return sel, nil
}

// selectAll selects what the view shows, also what has to be spelled out.
func (p *plan) selectAll(sel *xmlsysd.Selection) error {
	if err := sel.Add(true, "all"); err != nil {
		return err
	}
	for id, wanted := range p.wants {
		if n := p.model.Node(xmlsysd.NodeID(id)); wanted && !p.optional[id] && n.Leaf && n.Class == xmlsysd.Explicit {
			if err := sel.Add(true, n.Path); err != nil {
				return err
			}
		}
	}
	return nil
}
