// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package api

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/weir-io/weir/client"
)

// NetworksPath is what the paths of virtual networks begin with.
const NetworksPath = "/midonet-api"

// ofNetworks reports whether a request is for virtual networks. Their bodies have
// bounds of their own, and their errors another form.
func ofNetworks(r *http.Request) bool {
	rest, ok := strings.CutPrefix(r.URL.Path, NetworksPath)
	return ok && (rest == "" || rest[0] == '/')
}

// refuse answers with a problem, in the form that clients of the path know.
func refuse(w http.ResponseWriter, r *http.Request, p *client.Problem) {
	if !ofNetworks(r) {
		writeProblem(w, p)
		return
	}
	w.Header().Set("Content-Type", "application/vnd.org.midonet.Error-v1+json")
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(struct { // the client has gone: nothing to do
		Message string `json:"message"`
		Code    int    `json:"code"`
	}{p.Title + ": " + p.Detail, p.Status})
}
