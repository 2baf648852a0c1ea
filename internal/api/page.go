// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package api

import (
	"encoding/base64"
	"sort"

	"github.com/weir-io/weir/client"
)

// Paging are the parameters of every list. Exported, as the framework skips
// embedded structs that are not.
type Paging struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"500" default:"100" doc:"Most items of this part."`
	Cursor string `query:"cursor" maxLength:"1024" doc:"next_cursor of the part before; empty for the first."`
}

// pageOf cuts a part out of a list that is sorted by its keys. The cursor
// holds the key of the last item of the part before, so that nothing is
// skipped or repeated when items come and go between two requests.
func pageOf[S, T any](in Paging, list []S, key func(*S) string, show func(*S) T) (client.Page[T], error) {
	start := 0
	if in.Cursor != "" {
		last, err := base64.RawURLEncoding.DecodeString(in.Cursor)
		if err != nil || len(last) == 0 {
			return client.Page[T]{}, problemf(codeInvalidCursor, "%q", in.Cursor)
		}
		start = sort.Search(len(list), func(i int) bool { return key(&list[i]) > string(last) })
	}
	end := min(start+in.Limit, len(list))
	page := client.Page[T]{Items: make([]T, 0, end-start)}
	for i := start; i < end; i++ {
		page.Items = append(page.Items, show(&list[i]))
	}
	if end < len(list) && end > start {
		page.Next = base64.RawURLEncoding.EncodeToString([]byte(key(&list[end-1])))
	}
	return page, nil
}
