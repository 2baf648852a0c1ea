// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tsdl

import (
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/weir-io/weir/ctf/schema"
)

// schemaDiff compares two traces, without the ways back up in them.
func schemaDiff(a, b *schema.Trace) string {
	return cmp.Diff(a, b,
		cmpopts.IgnoreUnexported(schema.Stream{}),
		cmpopts.IgnoreFields(schema.Stream{}, "Trace"),
		cmpopts.IgnoreFields(schema.Event{}, "Stream"),
		cmpopts.EquateEmpty())
}
