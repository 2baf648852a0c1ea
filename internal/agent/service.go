// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"

	"github.com/weir-io/weir/client/agent"
	"github.com/weir-io/weir/internal/session"
)

// Caller is who gives a command, by the credentials of its socket.
type Caller = session.Caller

// service is the session daemon, as its interface needs it. Errors are
// *agent.Problem where they have a code. Names of sessions are the caller's own,
// for root also those of others; "" is never given.
type service interface {
	Create(ctx context.Context, by Caller, r agent.CreateSession) (agent.Session, agent.Done, error)
	Sessions(by Caller) []agent.Session
	Session(by Caller, name string) (agent.Session, error)
	Destroy(ctx context.Context, by Caller, name string, wait bool) (agent.Done, error)

	SetConsumerURI(ctx context.Context, by Caller, name string, uris []agent.URI) (agent.Done, error)
	EnableConsumer(ctx context.Context, by Caller, name string, o agent.EnableConsumer) (agent.Done, error)
	DisableConsumer(ctx context.Context, by Caller, name string, now bool) (agent.Done, error)

	EnableChannel(ctx context.Context, by Caller, name string, r agent.EnableChannel) (agent.Done, error)
	DisableChannel(ctx context.Context, by Caller, name, domain, channel string) (agent.Done, error)
	EnableEvents(ctx context.Context, by Caller, name string, r agent.EnableEvents) (agent.Done, error)
	DisableEvents(ctx context.Context, by Caller, name string, r agent.DisableEvents) (agent.Done, error)
	AddContext(ctx context.Context, by Caller, name string, r agent.AddContext) (agent.Done, error)
	Track(ctx context.Context, by Caller, name string, r agent.Track) (agent.Done, error)
	Untrack(ctx context.Context, by Caller, name string, r agent.Track) (agent.Done, error)

	Start(ctx context.Context, by Caller, name string) (agent.Done, error)
	Stop(ctx context.Context, by Caller, name string, wait bool) (agent.Done, error)
	Clear(ctx context.Context, by Caller, name string) (agent.Done, error)
	Rotate(ctx context.Context, by Caller, name string, wait bool) (agent.Done, error)
	EnableRotation(ctx context.Context, by Caller, name string, r agent.RotationSchedule) (agent.Done, error)
	DisableRotation(ctx context.Context, by Caller, name string, r agent.RotationSchedule) (agent.Done, error)
	RegenerateMetadata(ctx context.Context, by Caller, name string) (agent.Done, error)
	RegenerateStatedump(ctx context.Context, by Caller, name string) (agent.Done, error)

	SnapshotRecord(ctx context.Context, by Caller, name string, to agent.SnapshotOutput) (agent.Done, error)
	SnapshotOutputs(by Caller, name string) ([]agent.SnapshotOutput, error)
	AddSnapshotOutput(ctx context.Context, by Caller, name string, o agent.SnapshotOutput) (agent.SnapshotOutput, error)
	RemoveSnapshotOutput(ctx context.Context, by Caller, name, output string) error // by id or name

	Triggers(by Caller) []agent.Trigger
	AddTrigger(ctx context.Context, by Caller, t agent.Trigger) (agent.Trigger, error)
	RemoveTrigger(ctx context.Context, by Caller, name string) error

	// KernelEvents lists what the kernel offers; pattern "" is all, fields also
	// gives their fields.
	KernelEvents(ctx context.Context, pattern string, kind agent.EventType, fields bool) ([]agent.KernelEvent, error)
	KernelContexts() []string
	// StatEvents lists the events of the host's statistics.
	StatEvents(ctx context.Context, pattern string, fields bool) []agent.StatEvent
	// UserEvents lists the events of the applications that the caller may trace.
	UserEvents(ctx context.Context, by Caller, pattern string, fields bool) ([]agent.UserEvent, error)
	UserContexts() []string
	// Loggers lists the loggers of a domain in the programs that the caller may trace.
	Loggers(ctx context.Context, by Caller, domain string) ([]agent.Logger, error)
	// Capabilities tells what kernel and privileges allow, and why not.
	Capabilities() map[string]string

	// Watch hands on what happens, until ctx ends; a slow watcher loses the oldest
	// notices and is told how many.
	Watch(ctx context.Context, by Caller, session string) <-chan agent.Notice
}
