// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"

	"github.com/weir-io/weir/client/agent"
)

// handler carries out one request. Its result is the answer's document; nil is
// an answer without one.
type handler func(s service, q *request) (any, error)

// routes are all that the daemon can be asked, but for the stream of notices.
// Orders to sessions have the names of the commands that give them.
func routes() map[string]handler {
	const one = "/api/v1/sessions/{session}"
	return map[string]handler{
		"POST /api/v1/sessions": createSession,
		"GET /api/v1/sessions":  listSessions,
		"GET " + one:            getSession,
		"DELETE " + one:         destroySession,

		"GET " + one + "/consumer":              getConsumer,
		"PUT " + one + "/consumer":              setConsumer,
		"POST " + one + "/enable-consumer":      order(service.EnableConsumer),
		"POST " + one + "/disable-consumer":     disableConsumer,
		"POST " + one + "/enable-channel":       order(service.EnableChannel),
		"POST " + one + "/disable-channel":      disableChannel,
		"POST " + one + "/enable-event":         order(service.EnableEvents),
		"POST " + one + "/disable-event":        order(service.DisableEvents),
		"POST " + one + "/add-context":          order(service.AddContext),
		"POST " + one + "/track":                order(service.Track),
		"POST " + one + "/untrack":              order(service.Untrack),
		"POST " + one + "/enable-rotation":      order(service.EnableRotation),
		"POST " + one + "/disable-rotation":     order(service.DisableRotation),
		"POST " + one + "/record-snapshot":      order(service.SnapshotRecord),
		"POST " + one + "/start":                bare(service.Start),
		"POST " + one + "/clear":                bare(service.Clear),
		"POST " + one + "/regenerate-metadata":  bare(service.RegenerateMetadata),
		"POST " + one + "/regenerate-statedump": bare(service.RegenerateStatedump),
		"POST " + one + "/stop":                 waited(service.Stop),
		"POST " + one + "/rotate":               waited(service.Rotate),

		"GET " + one + "/snapshot-outputs":             listOutputs,
		"POST " + one + "/snapshot-outputs":            addOutput,
		"DELETE " + one + "/snapshot-outputs/{output}": removeOutput,

		"GET /api/v1/triggers":              listTriggers,
		"POST /api/v1/triggers":             addTrigger,
		"DELETE /api/v1/triggers/{trigger}": removeTrigger,

		"GET /api/v1/kernel/events":   listKernelEvents,
		"GET /api/v1/kernel/contexts": listKernelContexts,
		"GET /api/v1/stat/events":     listStatEvents,
		"GET /api/v1/user/events":     listUserEvents,
		"GET /api/v1/user/contexts":   listUserContexts,
		"GET /api/v1/user/loggers":    listLoggers,
		"GET /api/v1/capabilities":    getCapabilities,
	}
}

// order makes the handler of an order that comes with a document.
func order[T any](do func(service, context.Context, Caller, string, T) (agent.Done, error)) handler {
	return func(s service, q *request) (any, error) {
		var r T
		if err := q.document(&r); err != nil {
			return nil, err
		}
		return do(s, q.Context(), q.by, q.PathValue("session"), r)
	}
}

// bare makes the handler of an order that needs no more words.
func bare(do func(service, context.Context, Caller, string) (agent.Done, error)) handler {
	return func(s service, q *request) (any, error) {
		return do(s, q.Context(), q.by, q.PathValue("session"))
	}
}

// waited makes the handler of an order that can be waited for.
func waited(do func(service, context.Context, Caller, string, bool) (agent.Done, error)) handler {
	return func(s service, q *request) (any, error) {
		wait, err := q.flag("wait", true)
		if err != nil {
			return nil, err
		}
		return do(s, q.Context(), q.by, q.PathValue("session"), wait)
	}
}

func createSession(s service, q *request) (any, error) {
	var r agent.CreateSession
	if err := q.document(&r); err != nil {
		return nil, err
	}
	made, done, err := s.Create(q.Context(), q.by, r)
	return agent.Created{Session: made, Done: done}, err
}

func listSessions(s service, q *request) (any, error) { return list(s.Sessions(q.by)), nil }

func getSession(s service, q *request) (any, error) {
	return s.Session(q.by, q.PathValue("session"))
}

func destroySession(s service, q *request) (any, error) { return waited(service.Destroy)(s, q) }

func getConsumer(s service, q *request) (any, error) {
	found, err := s.Session(q.by, q.PathValue("session"))
	return found.Consumer, err
}

func setConsumer(s service, q *request) (any, error) {
	var r agent.ConsumerURIs
	if err := q.document(&r); err != nil {
		return nil, err
	}
	return s.SetConsumerURI(q.Context(), q.by, q.PathValue("session"), r.URIs)
}

func disableConsumer(s service, q *request) (any, error) {
	now, err := q.flag("now", false)
	if err != nil {
		return nil, err
	}
	return s.DisableConsumer(q.Context(), q.by, q.PathValue("session"), now)
}

func disableChannel(s service, q *request) (any, error) {
	var r agent.ChannelName
	if err := q.document(&r); err != nil {
		return nil, err
	}
	return s.DisableChannel(q.Context(), q.by, q.PathValue("session"), r.Domain, r.Channel)
}

func listOutputs(s service, q *request) (any, error) {
	all, err := s.SnapshotOutputs(q.by, q.PathValue("session"))
	return list(all), err
}

func addOutput(s service, q *request) (any, error) {
	var o agent.SnapshotOutput
	if err := q.document(&o); err != nil {
		return nil, err
	}
	return s.AddSnapshotOutput(q.Context(), q.by, q.PathValue("session"), o)
}

func removeOutput(s service, q *request) (any, error) {
	return nil, s.RemoveSnapshotOutput(q.Context(), q.by, q.PathValue("session"), q.PathValue("output"))
}

func listTriggers(s service, q *request) (any, error) { return list(s.Triggers(q.by)), nil }

func addTrigger(s service, q *request) (any, error) {
	var t agent.Trigger
	if err := q.document(&t); err != nil {
		return nil, err
	}
	return s.AddTrigger(q.Context(), q.by, t)
}

func removeTrigger(s service, q *request) (any, error) {
	return nil, s.RemoveTrigger(q.Context(), q.by, q.PathValue("trigger"))
}

func listKernelEvents(s service, q *request) (any, error) {
	fields, err := q.flag("fields", false)
	if err != nil {
		return nil, err
	}
	query := q.URL.Query()
	all, err := s.KernelEvents(q.Context(), query.Get("pattern"), agent.EventType(query.Get("type")), fields)
	return list(all), err
}

func listKernelContexts(s service, _ *request) (any, error) { return list(s.KernelContexts()), nil }

func listUserContexts(s service, _ *request) (any, error) { return list(s.UserContexts()), nil }

func listStatEvents(s service, q *request) (any, error) {
	fields, err := q.flag("fields", false)
	if err != nil {
		return nil, err
	}
	return list(s.StatEvents(q.Context(), q.URL.Query().Get("pattern"), fields)), nil
}

func listUserEvents(s service, q *request) (any, error) {
	fields, err := q.flag("fields", false)
	if err != nil {
		return nil, err
	}
	all, err := s.UserEvents(q.Context(), q.by, q.URL.Query().Get("pattern"), fields)
	return list(all), err
}

func listLoggers(s service, q *request) (any, error) {
	all, err := s.Loggers(q.Context(), q.by, q.URL.Query().Get("domain"))
	return list(all), err
}

func getCapabilities(s service, _ *request) (any, error) {
	all := s.Capabilities()
	if all == nil {
		all = map[string]string{}
	}
	return all, nil
}

// list makes an empty list of none: in JSON null is something else.
func list[T any](all []T) []T {
	if all == nil {
		return []T{}
	}
	return all
}
