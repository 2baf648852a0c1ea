// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package mirror keeps a directory as a copy of another, by a feed of its changes.
//
// # What records are for
//
// A record says what to look at; what is true, the source says. Doing again what
// records tell cannot work: when one is read, the parents of its names may have moved
// on. So a batch of records becomes a set of names and a set of objects: each name is
// made to stand for what it stands for on the source now, each object is made what it
// is there now. When the source has come to rest, and the records of that have been
// read, the target is an exact copy: names, hard links, contents, owners, modes,
// extended attributes and times, those of directories, too.
//
// # Never delete first
//
// A name that stands for something else is taken out: the object is unlinked if it has
// other names, or else parked in the target's .weir-mirror directory, until it is known
// whether the source has it still.
//
// # Steps
//
// What was not there before, and what is compared as a whole, is looked at directory by
// directory, a bounded number of names in each batch, between what records tell: a batch is
// small, whatever a directory holds. Which directories are still to be looked at is committed
// with the rest. A directory that goes away is emptied in the same way.
//
// # Crashes
//
// Before names are touched they are written down as intents. The state of the target,
// and how far the feed was read, are committed together after the target is synced; only
// then is the feed cancelled. What a crash leaves is put right from the intents. Copies are
// made where objects are parked, and written down before they get their names: so what is
// found at an intent's name, and is not known, is of others.
//
// # Others
//
// What others have put in the target is not removed. The mirror stops where it comes upon
// that, and stays so until it is told to take it over.
//
//	Mirror  a source, a target, their state and a feed
//	origin  the source: source looks at its objects by their handles, far asks another
//	        host's agent to
//	target  changes the copy, and refuses what others have changed there
//	state   what the target has: names, objects, intents
//	work    one batch under way: names and objects; a name gets its place (place), its object
//	        is made before (make) and made equal at the end (equalize)
//	surveys the directories to be looked at
//	troubles  what the target cannot have, and what fails
//	Stop    what others have changed
//	teller  stores the status for other processes
package mirror
