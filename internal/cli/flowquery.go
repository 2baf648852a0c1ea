// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/weir-io/weir/client/flow"
)

// flowForm is how flows and events are printed.
type flowForm string

func (f *flowForm) add(c *cobra.Command, forms ...string) {
	c.Flags().StringVarP((*string)(f), "output", "o", "text", "print as `FORM`: "+strings.Join(forms, ", "))
	mustComplete(c, "output", words(forms))
	c.Flags().BoolFunc("json", "as --output json", func(text string) error {
		asJSON, err := strconv.ParseBool(text)
		if asJSON {
			*f = "json"
		}
		return err
	})
}

func (f flowForm) check(forms ...string) error {
	for _, known := range forms {
		if string(f) == known {
			return nil
		}
	}
	return usageErrorf("--output: want %s, got %q", strings.Join(forms, ", "), string(f))
}

// addFlowQuery adds the flags that choose flows or events.
// turn is the flag for the other order than they have.
func addFlowQuery(c *cobra.Command, q *flow.Query, turn string, order flow.Order) (parse func() error) {
	var since, until string
	var turned bool
	fl := c.Flags()
	fl.StringVar(&since, "since", "", "not before a `TIME`, RFC 3339, or so long ago, as 10m")
	fl.StringVar(&until, "until", "", "not after a `TIME`, likewise")
	fl.IntVar(&q.Limit, "limit", 100, "at most `N`, up to 10000")
	fl.BoolVar(&turned, turn, false, turn+" first")
	return func() (err error) {
		if turned {
			q.Order = order
		}
		if q.Limit < 1 || q.Limit > maxEvents {
			return usageErrorf("--limit: want 1 to %d, got %d", maxEvents, q.Limit)
		}
		if q.Since, err = parseMoment("--since", since); err != nil {
			return err
		}
		q.Until, err = parseMoment("--until", until)
		return err
	}
}

func parseMoment(flag, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if d, err := time.ParseDuration(text); err == nil {
		return time.Now().Add(-d), nil
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return t, usageErrorf("%s: want a time as 2006-01-02T15:04:05Z or how long ago, as 10m, got %q", flag, text)
	}
	return t, nil
}
