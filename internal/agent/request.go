// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
)

// request is an HTTP request whose caller is known.
type request struct {
	*http.Request

	by Caller
}

// document reads the body, which is one JSON document without anything that is
// not known: a word that was misspelled must not be silently ignored.
func (q *request) document(into any) error {
	d := json.NewDecoder(q.Body)
	d.DisallowUnknownFields()
	err := d.Decode(into)
	if err == nil {
		if _, err = d.Token(); errors.Is(err, io.EOF) {
			return nil
		}
		err = errors.New("more than one document")
	}
	if errors.Is(err, io.EOF) {
		return invalidf("document: missing")
	}
	return invalidf("document: %v", err)
}

// flag reads a boolean of the query.
func (q *request) flag(name string, missing bool) (bool, error) {
	text := q.URL.Query().Get(name)
	if text == "" {
		return missing, nil
	}
	on, err := strconv.ParseBool(text)
	if err != nil {
		return false, invalidf("query %s: want true or false, got %q", name, text)
	}
	return on, nil
}
