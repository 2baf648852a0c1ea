// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package source

import (
	"os"
	"time"

	"github.com/weir-io/weir/client/agent"
	"github.com/weir-io/weir/internal/handover"
)

// What follows is for domains that need looking after while a session has them.
// A session asks from time to time, under its own lock, those traces and
// channels that have these methods.

// Follower is a trace whose events and rings come and go, as modules and
// processors do.
type Follower interface {
	// Follow has rules choose the events that have come, and publishes them.
	Follow() error
}

// Placed is a trace whose directory in the output is not that of its domain.
type Placed interface {
	// Place is a path below the directory of the session.
	Place() string
}

// Split is a trace of several, each with streams, metadata and a place of its own. The
// session asks it for these instead of for [Trace.Metadata] and [Trace.Regenerate].
type Split interface {
	// Texts returns what was not returned before of the metadata of each part that has
	// such, or, anew, all with what time is now.
	Texts(anew bool) ([]Text, error)
}

// Text is metadata of a part.
type Text struct {
	handover.Part

	Text []byte
}

// ByProgram is a source whose programs can have rings of their own.
type ByProgram interface {
	// OwnDefaults are Defaults of such.
	OwnDefaults(mode agent.Mode) agent.ChannelSettings
}

// Ending is a trace of which parts end, as programs do.
type Ending interface {
	// Ended returns parts in which nothing is recorded any more and of which everything
	// was returned, streams and metadata.
	Ended() []handover.Part
	// Forget frees what there is of a part that ended, once no consumer reads it.
	Forget(handover.Part) error
}

// Blocking is a source whose programs can wait for room in a ring.
type Blocking interface{ Blocks() }

// Periodic is a channel whose events come on a period that a rule may choose.
type Periodic interface {
	// Periods are the shortest and the longest one.
	Periods() (least, most time.Duration)
}

// Leveled is a channel whose events have log levels.
type Leveled interface {
	// Level is the full name of a level, which people write in several ways.
	Level(text string) (name string, ok bool)
}

// Growing is a channel that gets more rings.
type Growing interface {
	// MoreStreams opens the rings that have come since Streams, or since it was last
	// asked. The files are the caller's, who keeps those that no consumer has taken yet.
	MoreStreams() ([]Stream, error)
}

// Feeding is a trace of which more is recorded, beside its channels, for the consumer
// alone.
type Feeding interface {
	// Feed returns that, nil if there is nothing. It has all that the channels need
	// now; the same one may have more later.
	Feed() (Feed, error)
}

// Feed is rings with what the consumer has to know for the channels' events.
type Feed interface {
	Growing

	// Describe completes what the consumer is told. The file is a document of the
	// events.
	Describe(*handover.Channel) (*os.File, error)
	// Streams opens all rings. The files are the caller's.
	Streams() ([]Stream, error)
}

// Resting is a channel whose events cost something even while it is stopped.
type Resting interface {
	// Rest makes them cost nothing until the next Start.
	Rest() error
}

// Synced is a trace whose clock is not that of the day.
type Synced interface {
	// ClockSync compares the two. It reports false where they are as far apart as
	// when it was last told, or nearly so.
	ClockSync() (handover.ClockSync, bool)
}

// Warner is a trace that its user should know something of.
type Warner interface {
	Warnings() []string
}

// UserRestricted is a trace that restricts itself to users and groups.
type UserRestricted interface {
	// TrackUsers is of those that have one of the users and one of the groups; nil
	// stands for all.
	TrackUsers(uids, gids []int64) error
}

// Dumping is a trace whose programs can tell what is so now.
type Dumping interface {
	// DumpState has them record it.
	DumpState() error
}

// UserTracker is a trace that can be restricted to users, by its consumer.
type UserTracker interface {
	// CheckUsers tells why it cannot.
	CheckUsers() error
}
