// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package changelog_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/weir-io/weir/changelog"
	"pgregory.net/rapid"
)

func TestNativeRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := genRecord().Draw(t, "record")
		b := changelog.AppendNative(nil, &want)
		var got changelog.Record
		if err := changelog.DecodeNative(b, &got); err != nil {
			t.Fatalf("DecodeNative(% x): %v", b, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("record changed (-want +got):\n%s", diff)
		}
	})
}
