// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package rest

import "net/http"

// templates are the collections that an application names, with the path of each.
var templates = []struct{ name, path string }{
	{"bridges", "bridges"},
	{"chains", "chains"},
	{"hosts", "hosts"},
	{"ipAddrGroups", "ip_addr_groups"},
	{"portGroups", "port_groups"},
	{"ports", "ports"},
	{"routers", "routers"},
	{"traceRequests", "traces"},
	{"tunnelZones", "tunnel_zones"},
}

// singular are the names of the templates of one object, and their paths.
var singular = []struct{ name, path string }{
	{"bridgeTemplate", "bridges"},
	{"chainTemplate", "chains"},
	{"hostTemplate", "hosts"},
	{"ipAddrGroupTemplate", "ip_addr_groups"},
	{"portGroupTemplate", "port_groups"},
	{"portTemplate", "ports"},
	{"routeTemplate", "routes"},
	{"routerTemplate", "routers"},
	{"ruleTemplate", "rules"},
	{"traceRequestTemplate", "traces"},
	{"tunnelZoneTemplate", "tunnel_zones"},
}

func applicationRoutes() []route {
	in := route{
		method: http.MethodPost, path: "/login", kind: "Token-v1", handle: login, open: true,
		status: http.StatusOK, id: "login", summary: "Get a token for a name and password (Basic authentication)", body: "Token",
	}
	return tagged("access",
		reading("/", "Application-v5", "get-application", "Where everything is", getApplication),
		in,
	)
}

// getApplication answers with the URIs of all collections.
func getApplication(q *request) error {
	members := []member{{"uri", q.uri()}, {"version", "v5"}}
	for _, t := range templates {
		members = append(members, member{t.name, q.uri(t.path)})
	}
	for _, t := range singular {
		members = append(members, member{t.name, q.uri(t.path, "{id}")})
	}
	members = append(members,
		member{"login", q.uri("login")},
		member{"simulations", q.uri("simulations")},
		member{"topology", q.uri("topology")},
	)
	answer, err := represent(struct{}{}, members...)
	if err != nil {
		return err
	}
	return q.answer(answer)
}
