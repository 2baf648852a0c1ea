// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package rest

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

//go:embed schemas.json
var schemasJSON []byte

// documentVersion is the version of the interface, which is not weir's.
const documentVersion = "5.0.0"

func documentRoutes() []route {
	return []route{{
		method: http.MethodGet, path: "/openapi.json", handle: getDocument, open: true, status: http.StatusOK,
		id: "get-openapi", tag: "access", summary: "This document", body: "Document",
	}}
}

func getDocument(q *request) error {
	b, err := q.server.document()
	if err != nil {
		return err
	}
	q.w.Header().Set("Content-Type", q.media)
	_, _ = q.w.Write(b) // the client has gone: nothing to do
	return nil
}

// Document returns the OpenAPI document of the interface as indented JSON. It is made of
// the table of routes and the schemas.
func Document() ([]byte, error) {
	var schemas map[string]any
	if err := json.Unmarshal(schemasJSON, &schemas); err != nil {
		return nil, fmt.Errorf("schemas of the flow interface: %w", err)
	}
	schemas["Document"] = map[string]any{"type": "object", "description": "An OpenAPI 3.1 document."}
	paths := make(map[string]map[string]any)
	for _, rt := range routes() {
		path := Base + rt.path
		if rt.path == "/" {
			path = Base
		}
		if paths[path] == nil {
			paths[path] = make(map[string]any)
		}
		paths[path][strings.ToLower(rt.method)] = rt.operation()
	}
	b, err := json.MarshalIndent(map[string]any{
		"openapi": "3.1.0",
		"info": map[string]any{
			"title": "weir: virtual networks and their flow traces", "version": documentVersion,
			"description": "Bridges, routers, ports, chains, routes, groups, hosts and tunnel zones of tenants; trace requests for them, what they have traced, and dry runs. " +
				"Each resource has a media type of its own and is served as application/json, too. Errors have one form, Error.",
			"license": map[string]any{"name": "Apache-2.0", "identifier": "Apache-2.0"},
		},
		"paths": paths,
		"components": map[string]any{
			"schemas": schemas,
			"securitySchemes": map[string]any{
				"token": map[string]any{"type": "apiKey", "in": "header", "name": "X-Auth-Token"},
				"basic": map[string]any{"type": "http", "scheme": "basic"},
			},
		},
		"security": []any{map[string]any{"token": []any{}}},
	}, "", "  ")
	return append(b, '\n'), err
}

// operation returns what the document says of a route.
func (rt *route) operation() map[string]any {
	op := map[string]any{
		"operationId": rt.id, "summary": rt.summary, "tags": []string{rt.tag}, "responses": rt.responses(),
	}
	if rt.admin {
		op["description"] = "For the role admin."
	}
	if rt.open {
		op["security"] = []any{}
	}
	if rt.id == "login" {
		op["security"] = []any{map[string]any{"basic": []any{}}}
	}
	if params := rt.parameters(); len(params) > 0 {
		op["parameters"] = params
	}
	if rt.takes {
		content := make(map[string]any)
		for _, kind := range rt.bodyTypes() {
			content[kind] = map[string]any{"schema": schemaRef(rt.request)}
		}
		op["requestBody"] = map[string]any{"required": true, "content": content}
	}
	return op
}

func schemaRef(name string) map[string]any {
	return map[string]any{"$ref": "#/components/schemas/" + name}
}

// responses returns the answers of a route: success, and the errors that it can have.
func (rt *route) responses() map[string]any {
	success := map[string]any{"description": http.StatusText(rt.status)}
	if rt.answers() {
		schema := schemaRef(rt.body)
		if rt.collection {
			schema = map[string]any{"type": "array", "items": schema}
		}
		content := make(map[string]any)
		for _, kind := range rt.mediaTypes() {
			content[kind] = map[string]any{"schema": schema}
		}
		if rt.stream {
			content[streamType] = map[string]any{"schema": schemaRef(rt.body)}
		}
		success["content"] = content
	}
	if rt.status == http.StatusCreated {
		success["headers"] = map[string]any{"Location": map[string]any{
			"description": "URI of what was made, absolute.", "schema": map[string]any{"type": "string", "format": "uri"},
		}}
	}
	answers := map[string]any{strconv.Itoa(rt.status): success}
	for _, status := range rt.failures() {
		answers[strconv.Itoa(status)] = map[string]any{
			"description": failureTexts[status],
			"content":     map[string]any{errorType: map[string]any{"schema": schemaRef("Error")}},
		}
	}
	return answers
}

// failureTexts say when the errors are answered.
var failureTexts = map[int]string{
	400: "The body, or a parameter, is wrong; violations name what.",
	401: "There is no token, or one that is not known.",
	403: "The role does not allow it, or the object belongs to another tenant.",
	404: "There is no such object, or no id stands where one should.",
	408: "The body did not come in time.",
	406: "No type that the client accepts is served.",
	409: "There is such an object already, or one is in use, or others change it all the time.",
	413: "The body is too large.",
	415: "The body is of a type that is not taken.",
	503: "The store cannot be reached, or does not answer in time.",
}

// failures returns the statuses of errors that a route can answer with.
func (rt *route) failures() []int {
	if rt.open {
		if rt.id == "login" {
			return []int{401, 406}
		}
		return []int{406}
	}
	all := append([]int{401, 403, 503}, rt.errors...)
	if strings.Contains(rt.path, "{") || rt.id == "create-trace" || rt.id == "simulate" {
		all = append(all, 404)
	}
	if rt.takes {
		all = append(all, 400, 408, 413, 415)
	} else if len(rt.params) > 1 {
		all = append(all, 400)
	}
	if rt.answers() {
		all = append(all, 406)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// parameterTexts describe the parameters of queries and paths.
var parameterTexts = map[string]string{
	"tenant_id": "Only what this tenant owns.",
	"since":     "Not before this time: milliseconds since 1970, or RFC 3339.",
	"until":     "Not after this time: likewise.",
	"limit":     "Most of them: 1 to 10000, default 100; with follow=true it ends the answer, and the default is none.",
	"order":     "asc or desc, by time. Default: desc for flows, asc for events and with follow=true.",
	"verdict":   "Only flows that ended so, in whatever case: Forward, NoOp, Drop, ShortDrop, ErrorDrop.",
	"host":      "Only flows that were traced on this host.",
	"follow":    "true: the answer goes on as more come, a JSON object a line.",
	"id":        "Identifier, a UUID.",
	"port":      "Identifier of the port.",
	"flow":      "flowTraceId.",
	"name":      "Name of the interface.",
	"addr":      "The address.",
	"entry":     "Key and value with an underscore between them, hyphens in the MAC address.",
}

func (rt *route) parameters() []any {
	var list []any
	for _, segment := range split(rt.path) {
		name, ok := strings.CutPrefix(segment, "{")
		if !ok {
			continue
		}
		name = strings.TrimSuffix(name, "}")
		schema := map[string]any{"type": "string"}
		if name != "name" && name != "addr" && name != "entry" {
			schema["format"] = "uuid"
		}
		text := parameterTexts[name]
		if name == "host" {
			text = "Identifier of the host."
		}
		list = append(list, map[string]any{"name": name, "in": "path", "required": true, "description": text, "schema": schema})
	}
	for _, name := range rt.params {
		list = append(list, map[string]any{
			"name": name, "in": "query", "description": parameterTexts[name], "schema": map[string]any{"type": "string"},
		})
	}
	if rt.id == "login" {
		list = append(list, map[string]any{
			"name": "X-Auth-Project", "in": "header", "description": "Tenant to work for, of those that the user has.",
			"schema": map[string]any{"type": "string"},
		})
	}
	return list
}
