// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
)

// Created is the answer to creating a session.
type Created struct {
	Session Session `json:"session"`
	Done    Done    `json:"done"`
}

// ConsumerURIs is a consumer's destination.
type ConsumerURIs struct {
	URIs []URI `json:"uris"`
}

// ChannelName names a channel of a session.
type ChannelName struct {
	Domain  string `json:"domain"`
	Channel string `json:"channel"`
}

// CreateSession makes a session. Its consumer is enabled already where the
// session's data stays on this host; a network destination is a template until
// [Client.EnableConsumer].
func (c *Client) CreateSession(ctx context.Context, r CreateSession) (Session, Done, error) {
	var out Created
	err := c.call(ctx, http.MethodPost, nil, r, &out, "sessions")
	return out.Session, out.Done, err
}

// Sessions lists the caller's sessions, for root those of all users.
func (c *Client) Sessions(ctx context.Context) ([]Session, error) {
	return get[[]Session](ctx, c, nil, "sessions")
}

// Session returns one session.
func (c *Client) Session(ctx context.Context, session string) (Session, error) {
	return get[Session](ctx, c, nil, "sessions", session)
}

// DestroySession ends a session. Its trace stays. With wait it returns when all
// data is where it belongs.
func (c *Client) DestroySession(ctx context.Context, session string, wait bool) (Done, error) {
	var done Done
	err := c.call(ctx, http.MethodDelete, waiting(wait), nil, &done, "sessions", session)
	return done, err
}

// SetConsumerURI sets the destination of a session's consumer, lttng_set_consumer_uri:
// a template, which [Client.EnableConsumer] brings to life. A consumer that is
// there already works on until then.
func (c *Client) SetConsumerURI(ctx context.Context, session string, uris []URI) (Done, error) {
	var done Done
	err := c.call(ctx, http.MethodPut, nil, ConsumerURIs{uris}, &done, "sessions", session, "consumer")
	return done, err
}

// EnableConsumer enables the consumer of a session, lttng_enable_consumer. It
// returns when both ends, control and data, are established, or undone.
func (c *Client) EnableConsumer(ctx context.Context, session string, o EnableConsumer) (Done, error) {
	return c.order(ctx, session, "enable-consumer", nil, o)
}

// DisableConsumer stops the consumer, lttng_disable_consumer: tracing goes on
// into the rings. With now, what is queued is not sent.
func (c *Client) DisableConsumer(ctx context.Context, session string, now bool) (Done, error) {
	return c.order(ctx, session, "disable-consumer", url.Values{"now": {strconv.FormatBool(now)}}, nil)
}

// ConsumerStatus tells how the consumer of a session is.
func (c *Client) ConsumerStatus(ctx context.Context, session string) (Consumer, error) {
	return get[Consumer](ctx, c, nil, "sessions", session, "consumer")
}

// EnableChannel makes a channel, or enables a disabled one.
func (c *Client) EnableChannel(ctx context.Context, session string, r EnableChannel) (Done, error) {
	return c.order(ctx, session, "enable-channel", nil, r)
}

// DisableChannel disables a channel.
func (c *Client) DisableChannel(ctx context.Context, session, domain, channel string) (Done, error) {
	return c.order(ctx, session, "disable-channel", nil, ChannelName{domain, channel})
}

// EnableEvents adds event rules, or enables disabled ones.
func (c *Client) EnableEvents(ctx context.Context, session string, r EnableEvents) (Done, error) {
	return c.order(ctx, session, "enable-event", nil, r)
}

// DisableEvents disables event rules.
func (c *Client) DisableEvents(ctx context.Context, session string, r DisableEvents) (Done, error) {
	return c.order(ctx, session, "disable-event", nil, r)
}

// AddContext adds contexts to channels.
func (c *Client) AddContext(ctx context.Context, session string, r AddContext) (Done, error) {
	return c.order(ctx, session, "add-context", nil, r)
}

// Track restricts a session to processes or users, or adds some.
func (c *Client) Track(ctx context.Context, session string, r Track) (Done, error) {
	return c.order(ctx, session, "track", nil, r)
}

// Untrack removes processes or users from those that are tracked.
func (c *Client) Untrack(ctx context.Context, session string, r Track) (Done, error) {
	return c.order(ctx, session, "untrack", nil, r)
}

// Start starts a session.
func (c *Client) Start(ctx context.Context, session string) (Done, error) {
	return c.order(ctx, session, "start", nil, nil)
}

// Stop stops a session. With wait it returns when all data is where it belongs.
func (c *Client) Stop(ctx context.Context, session string, wait bool) (Done, error) {
	return c.order(ctx, session, "stop", waiting(wait), nil)
}

// Clear drops what a session has recorded in its current chunk.
func (c *Client) Clear(ctx context.Context, session string) (Done, error) {
	return c.order(ctx, session, "clear", nil, nil)
}

// Rotate begins a new chunk. With wait it returns when the old one is complete.
func (c *Client) Rotate(ctx context.Context, session string, wait bool) (Done, error) {
	return c.order(ctx, session, "rotate", waiting(wait), nil)
}

// EnableRotation has a session rotated by itself.
func (c *Client) EnableRotation(ctx context.Context, session string, r RotationSchedule) (Done, error) {
	return c.order(ctx, session, "enable-rotation", nil, r)
}

// DisableRotation ends the schedules that are not zero in r.
func (c *Client) DisableRotation(ctx context.Context, session string, r RotationSchedule) (Done, error) {
	return c.order(ctx, session, "disable-rotation", nil, r)
}

// RegenerateMetadata writes the metadata anew, with the clock's offset of now.
func (c *Client) RegenerateMetadata(ctx context.Context, session string) (Done, error) {
	return c.order(ctx, session, "regenerate-metadata", nil, nil)
}

// RegenerateStatedump records the state of the system again.
func (c *Client) RegenerateStatedump(ctx context.Context, session string) (Done, error) {
	return c.order(ctx, session, "regenerate-statedump", nil, nil)
}

// RecordSnapshot records what a snapshot session has in its rings, to a place of
// its own or to the session's outputs.
func (c *Client) RecordSnapshot(ctx context.Context, session string, to SnapshotOutput) (Done, error) {
	return c.order(ctx, session, "record-snapshot", nil, to)
}

// SnapshotOutputs lists the places for a session's snapshots.
func (c *Client) SnapshotOutputs(ctx context.Context, session string) ([]SnapshotOutput, error) {
	return get[[]SnapshotOutput](ctx, c, nil, "sessions", session, "snapshot-outputs")
}

// AddSnapshotOutput adds a place for snapshots and returns it with its id.
func (c *Client) AddSnapshotOutput(ctx context.Context, session string, o SnapshotOutput) (SnapshotOutput, error) {
	var out SnapshotOutput
	err := c.call(ctx, http.MethodPost, nil, o, &out, "sessions", session, "snapshot-outputs")
	return out, err
}

// RemoveSnapshotOutput removes a place for snapshots, by id or name.
func (c *Client) RemoveSnapshotOutput(ctx context.Context, session, output string) error {
	return c.call(ctx, http.MethodDelete, nil, nil, nil, "sessions", session, "snapshot-outputs", output)
}

// Triggers lists the caller's triggers, for root those of all users.
func (c *Client) Triggers(ctx context.Context) ([]Trigger, error) {
	return get[[]Trigger](ctx, c, nil, "triggers")
}

// AddTrigger adds a trigger and returns it with its name.
func (c *Client) AddTrigger(ctx context.Context, t Trigger) (Trigger, error) {
	var out Trigger
	err := c.call(ctx, http.MethodPost, nil, t, &out, "triggers")
	return out, err
}

// RemoveTrigger removes a trigger.
func (c *Client) RemoveTrigger(ctx context.Context, trigger string) error {
	return c.call(ctx, http.MethodDelete, nil, nil, nil, "triggers", trigger)
}

// KernelEvents lists events that the kernel offers: those that a pattern chooses,
// of a kind, with their fields; "" is all.
func (c *Client) KernelEvents(ctx context.Context, pattern string, kind EventType, fields bool) ([]KernelEvent, error) {
	query := url.Values{"pattern": {pattern}, "type": {string(kind)}, "fields": {strconv.FormatBool(fields)}}
	return get[[]KernelEvent](ctx, c, query, "kernel", "events")
}

// KernelContexts lists the contexts that events of the kernel can have.
func (c *Client) KernelContexts(ctx context.Context) ([]string, error) {
	return get[[]string](ctx, c, nil, "kernel", "contexts")
}

// UserContexts lists the contexts that events of applications can have, but for those of
// their own: $app.PROVIDER:NAME.
func (c *Client) UserContexts(ctx context.Context) ([]string, error) {
	return get[[]string](ctx, c, nil, "user", "contexts")
}

// UserEvents lists the events of the applications that the caller may trace: those that
// a pattern chooses, with their fields; "" is all.
func (c *Client) UserEvents(ctx context.Context, pattern string, fields bool) ([]UserEvent, error) {
	query := url.Values{"pattern": {pattern}, "fields": {strconv.FormatBool(fields)}}
	return get[[]UserEvent](ctx, c, query, "user", "events")
}

// Loggers lists the loggers of a domain, "python", "jul" or "log4j", in the programs that
// the caller may trace.
func (c *Client) Loggers(ctx context.Context, domain string) ([]Logger, error) {
	return get[[]Logger](ctx, c, url.Values{"domain": {domain}}, "user", "loggers")
}

// StatEvents lists the events of the host's statistics: those whose name, or that of
// whose section, a pattern chooses, with the fields that they may have; "" is all.
func (c *Client) StatEvents(ctx context.Context, pattern string, fields bool) ([]StatEvent, error) {
	query := url.Values{"pattern": {pattern}, "fields": {strconv.FormatBool(fields)}}
	return get[[]StatEvent](ctx, c, query, "stat", "events")
}

// Capabilities tells what kernel and privileges allow the daemon, and why not.
func (c *Client) Capabilities(ctx context.Context) (map[string]string, error) {
	return get[map[string]string](ctx, c, nil, "capabilities")
}

// order gives a command to a session.
func (c *Client) order(ctx context.Context, session, verb string, query url.Values, in any) (Done, error) {
	var done Done
	err := c.call(ctx, http.MethodPost, query, in, &done, "sessions", session, verb)
	return done, err
}

func get[T any](ctx context.Context, c *Client, query url.Values, path ...string) (T, error) {
	var out T
	err := c.call(ctx, http.MethodGet, query, nil, &out, path...)
	return out, err
}

func waiting(wait bool) url.Values { return url.Values{"wait": {strconv.FormatBool(wait)}} }
