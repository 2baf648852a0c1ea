// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package sink

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weir-io/weir/internal/feed/fstest"
)

// answer is a query's rows as text, without times.
func answer(t *testing.T, a Ask) string {
	t.Helper()
	var lines []string
	must(t, Query(t.Context(), a, func(columns []string, values []Value) error {
		var cells []string
		for i, v := range values {
			switch v := v.(type) {
			case time.Time:
				if time.Since(v) > 48*time.Hour || time.Since(v) < 0 {
					t.Errorf("query %s: %s is %v, want a time of today", a.Name, columns[i], v)
				}
			case Path:
				cells = append(cells, columns[i]+"="+string(v))
			case []byte:
				cells = append(cells, columns[i]+"="+string(v))
			default:
				if columns[i] != "used_bytes" && columns[i] != "index" {
					cells = append(cells, fmt.Sprintf("%s=%v", columns[i], v))
				}
			}
		}
		lines = append(lines, strings.Join(cells, " "))
		return nil
	}))
	return strings.Join(lines, "\n")
}

func TestQuestions(t *testing.T) {
	databases(t, func(t *testing.T, to string) {
		dir := fstest.New(t, "tmpfs").Dir
		k := newSunk(t, dir, to)
		s, done := k.open()
		k.sh(`mkdir -p big/sub small; head -c 50000 /dev/zero >big/sub/x; head -c 7000 /dev/zero >big/y; head -c 10 /dev/zero >small/z
			head -c 99 /dev/zero >small/gone; rm small/gone; chown 1234 small/z; truncate -s 60000 big/sub/x`)
		k.follow(s)
		k.checkLog(s)
		done()
		for _, tt := range []struct {
			ask  Ask
			want string
		}{
			{Ask{Name: "growth"}, "dir=big/sub bytes=60000 records=4\ndir=big bytes=7000 records=3\ndir=small bytes=10"},
			{Ask{Name: "growth", Dir: "/big/sub/"}, "dir=big/sub bytes=60000"},
			{Ask{Name: "filled", Until: time.Unix(1, 0)}, ""},
			{Ask{Name: "owners"}, "uid=0 objects="},
			{Ask{Name: "owners", Dir: "small"}, "uid=1234 objects=1 bytes=10"},
			{Ask{Name: "orphans"}, ""},
			{Ask{Name: "history", Dir: "small", Limit: 1}, "type="},
		} {
			tt.ask.From = to
			got := answer(t, tt.ask)
			want, records := strings.Split(tt.want, "\n"), strings.Split(got, "\n")
			if tt.ask.Limit == 0 && tt.ask.Name == "growth" && tt.ask.Dir == "" && len(records) != len(want) || tt.want == "" && got != "" {
				t.Errorf("%+v: got %q, want %q", tt.ask, got, tt.want)
			}
			for i, w := range want {
				w, _, _ = strings.Cut(w, " records") // how many depends on what the kernel merges
				if i >= len(records) || !strings.HasPrefix(records[i], w) {
					t.Errorf("%+v: got %q, want %q", tt.ask, got, tt.want)
				}
			}
		}
		// Who did it is unknown of processes that ended at once; what they did is not.
		var made, bytes int
		for _, line := range strings.Split(answer(t, Ask{Name: "filled", Dir: "big", From: to}), "\n") {
			var uid string
			var m, b int
			if _, err := fmt.Sscanf(line, "uid=%s made=%d bytes=%d", &uid, &m, &b); err != nil || uid != "0" && uid != "<nil>" {
				t.Errorf("filled: got %q: %v", line, err)
			}
			made, bytes = made+m, bytes+b
		}
		if made != 2 || bytes != 67000 {
			t.Errorf("filled: got %d names with %d bytes, want 2 with 67000", made, bytes)
		}
		largest := answer(t, Ask{Name: "largest", From: to})
		for _, want := range []string{"dir=. bytes=", "dir=big bytes=", "dir=big/sub bytes=60000 entries=1", "dir=small bytes=10 entries=1"} {
			if !strings.Contains(largest, want) {
				t.Errorf("largest: got %q, want %q in it", largest, want)
			}
		}
	})
}

func TestQueryRefuses(t *testing.T) {
	none := filepath.Join(t.TempDir(), "none.db")
	for _, a := range []Ask{
		{Name: "nosuch", From: sqliteIn(t)},
		{Name: "growth", From: "sqlite:" + none},
		{Name: "growth", From: sqliteIn(t)},
	} {
		if err := Query(t.Context(), a, func([]string, []Value) error { return nil }); err == nil {
			t.Errorf("%+v: got no error", a)
		}
	}
}

func TestDatabaseInItsSourceIsRefused(t *testing.T) {
	dir := fstest.New(t, "tmpfs").Dir
	k := newSunk(t, dir, "sqlite:"+filepath.Join(dir, "own.db"))
	_, err := Open(t.Context(), Options{Info: k.info, To: k.to})
	if err == nil || !strings.Contains(err.Error(), "lies in the source") {
		t.Errorf("database in the source: got %v", err)
	}
}
