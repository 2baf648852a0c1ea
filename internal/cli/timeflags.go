// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"time"

	"github.com/spf13/pflag"

	"github.com/weir-io/weir/internal/view"
)

// timeFlags are the flags that bound a time, as babeltrace2 has them.
type timeFlags struct{ begin, end, timerange string }

func (f *timeFlags) add(fl *pflag.FlagSet) {
	fl.StringVar(&f.begin, "begin", "", "no events before `TIME`: [YYYY-MM-DD ]hh:mm[:ss[.n]] or seconds[.n]")
	fl.StringVar(&f.end, "end", "", "no events after `TIME`")
	fl.StringVar(&f.timerange, "timerange", "", "`BEGIN,END` instead of --begin and --end")
}

// parse reads the flags; what was not given is not set.
func (f *timeFlags) parse(zone *time.Location) (begin, end view.TimeArg, err error) {
	if f.timerange != "" {
		if f.begin != "" || f.end != "" {
			return begin, end, usageErrorf("--timerange excludes --begin and --end")
		}
		if begin, end, err = view.ParseRange(f.timerange, zone); err != nil {
			err = usageErrorf("--timerange: %w", err)
		}
		return begin, end, err
	}
	if f.begin != "" {
		if begin, err = view.ParseTime(f.begin, zone); err != nil {
			return begin, end, usageErrorf("--begin: %w", err)
		}
	}
	if f.end != "" {
		if end, err = view.ParseTime(f.end, zone); err != nil {
			return begin, end, usageErrorf("--end: %w", err)
		}
	}
	return begin, end, nil
}
