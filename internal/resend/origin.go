// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package resend

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/weir-io/weir/client/relay"
	"github.com/weir-io/weir/internal/handover"
	"github.com/weir-io/weir/lttng"
)

// origin is the recording that packets were kept of.
type origin struct {
	known    bool // it was on a relay that keeps the place of recordings
	identity relay.Identity
	limits   map[string]handover.FileLimits
	place    string // of the trace; "": that of its domain
}

// readOrigin reads whose packets the trace has, if that was written down.
func (t *Trace) readOrigin() (o origin, err error) {
	path := filepath.Join(t.dir, handover.KeptFile)
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return o, nil
	}
	var kept handover.Kept
	if err == nil {
		err = json.Unmarshal(b, &kept)
	}
	if err == nil {
		err = json.Unmarshal(kept.Relay, &o.identity)
	}
	if err != nil {
		return o, fmt.Errorf("%s: %w", path, err)
	}
	o.known, o.limits, o.place = true, kept.Files, kept.Place
	return o, nil
}

// open has the streams go on in the recording that they are of, if the relay has that;
// or in what was sent of them before, under the options of their own; or makes them.
func (o origin) open(ctx context.Context, control, data lttng.URL, own relay.Options, streams []relay.StreamOptions) (*relay.Session, []*relay.Stream, error) {
	if o.known {
		var options relay.Options
		o.identity.Apply(&options)
		r, err := relay.Dial(ctx, control, data, options)
		if err != nil {
			return nil, nil, err
		}
		made, err := resume(ctx, r, streams)
		if made != nil || err != nil {
			return r, made, err
		}
		if err := r.Close(ctx); err != nil {
			return nil, nil, err
		}
	}
	r, err := relay.Dial(ctx, control, data, own)
	if err != nil {
		return nil, nil, err
	}
	if o.known {
		made, err := resume(ctx, r, streams)
		if made != nil || err != nil {
			return r, made, err
		}
	}
	made, err := r.AddStreams(ctx, streams...)
	if err != nil {
		r.Abort()
		return nil, nil, err
	}
	return r, made, nil
}

// resume has streams go on; nil, and the session is as it was, if the relay has nothing
// of them. After an error the session has ended.
func resume(ctx context.Context, r *relay.Session, streams []relay.StreamOptions) ([]*relay.Stream, error) {
	if !r.Resumable() {
		return nil, nil
	}
	made, err := r.Resume(ctx, streams...)
	switch {
	case errors.Is(err, relay.ErrNothingStored):
		return nil, nil
	case err != nil:
		r.Abort()
	}
	return made, err
}
