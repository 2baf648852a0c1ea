// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package match_test

import (
	"testing"

	"github.com/weir-io/weir/changelog"
	"github.com/weir-io/weir/internal/feed/match"
)

func BenchmarkMatch(b *testing.B) {
	r := changelog.Record{
		Type: changelog.Create, Has: changelog.HasUser, UID: 1000, Name: []byte("file.c"),
		Path: []byte("home/alice/src/project/internal/feed/match/file.c"),
	}
	for _, bm := range []struct {
		name  string
		flags []string
	}{
		{"types", []string{"types=UNLNK"}},
		{"directory", []string{"path=home/alice"}},
		{"suffix", []string{"path=**/*.c"}},
		{"exclusions", []string{"path=home", "path=!**/.cache", "path=!**/node_modules", "path=!**/*.o", "path=!home/*/tmp"}},
		{"user", []string{"uid=1000-1999,!1005"}},
	} {
		b.Run(bm.name, func(b *testing.B) {
			f, err := match.ParseFlags(bm.flags)
			if err != nil {
				b.Fatal(err)
			}
			m, err := f.Compile(match.Names{})
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				m.Match(&r)
			}
		})
	}
}
