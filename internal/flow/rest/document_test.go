// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"bytes"
	"encoding/json"
	"flag"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/weir-io/weir/internal/flow/topology"
)

var update = flag.Bool("update", false, "write the committed document anew")

// openAPI is the part of a document that is looked at.
type openAPI struct {
	OpenAPI string
	Paths   map[string]map[string]struct {
		OperationID string
		Summary     string
		Parameters  []struct{ Name, In, Description string }
		RequestBody struct {
			Content map[string]any
		}
		Responses map[string]struct {
			Description string
			Content     map[string]struct{ Schema map[string]any }
		}
	}
	Components struct {
		Schemas map[string]struct {
			Description string
			Properties  map[string]struct {
				Description string
				Ref         string `json:"$ref"`
			}
		}
	}
}

func readOpenAPI(t *testing.T) (d openAPI) {
	t.Helper()
	b, err := Document()
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &d); err != nil {
		t.Fatal(err)
	}
	return d
}

func TestDocumentIsCommitted(t *testing.T) {
	b, err := Document()
	if err != nil {
		t.Fatal(err)
	}
	const path = "../../../docs/flow-openapi.json"
	if *update {
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	committed, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(committed, b) {
		t.Errorf("%s is old: go test ./internal/flow/rest -update", path)
	}
}

func TestDocumentIsWhole(t *testing.T) {
	d := readOpenAPI(t)
	if !strings.HasPrefix(d.OpenAPI, "3.1") {
		t.Errorf("version %q, want 3.1", d.OpenAPI)
	}
	var ids []string
	for path, operations := range d.Paths {
		for method, op := range operations {
			what := method + " " + path
			ids = append(ids, op.OperationID)
			if op.Summary == "" || op.OperationID == "" {
				t.Errorf("%s: nothing is said of it", what)
			}
			for _, p := range op.Parameters {
				if p.Description == "" {
					t.Errorf("%s: nothing is said of the parameter %s", what, p.Name)
				}
			}
			for status, r := range op.Responses {
				if r.Description == "" {
					t.Errorf("%s: nothing is said of status %s", what, status)
				}
			}
		}
	}
	slices.Sort(ids)
	if n := len(slices.Compact(slices.Clone(ids))); n != len(ids) || n != len(routes()) {
		t.Errorf("%d operations with %d ids for %d routes", len(ids), n, len(routes()))
	}
	b, _ := Document()
	for ref := range strings.SplitSeq(string(b), `"$ref": "#/components/schemas/`) {
		name, _, _ := strings.Cut(ref, `"`)
		if _, ok := d.Components.Schemas[name]; !ok && !strings.HasPrefix(ref, "{") {
			t.Errorf("no schema %q", name)
		}
	}
	for name, s := range d.Components.Schemas {
		for property, p := range s.Properties {
			if p.Description == "" && p.Ref == "" {
				t.Errorf("schema %s: nothing is said of %s", name, property)
			}
		}
		if s.Description == "" {
			t.Errorf("nothing is said of schema %s", name)
		}
	}
}

// TestDocumentHasEveryMember compares what is answered with the schemas.
func TestDocumentHasEveryMember(t *testing.T) {
	d := readOpenAPI(t)
	f := newFixture(t)
	chain := named(topology.KindChain, "red-in")
	f.create(red, "/chains/"+chain+"/rules", `{"type":"snat","natTargets":[{"addressFrom":"10.0.0.1","portFrom":1,"portTo":9}],"inPorts":["`+redPort+`"],
		"nwSrcAddress":"10.0.0.0","nwSrcLength":8,"tpDst":{"start":80,"end":90}}`)
	f.trace(red, "bridges/"+redLAN)
	compared := 0
	for _, rt := range routes() {
		if rt.method != http.MethodGet || rt.document || rt.tag == "flows" || rt.tag == "topology" || rt.path == "/openapi.json" {
			continue
		}
		path := variables(f, rt.path)
		if rt.path == "/hosts/{id}/interfaces/{name}" || rt.path == "/port_groups/{id}/ports/{port}" {
			continue // the fixture's host has no interfaces, and the new group no ports
		}
		if strings.HasPrefix(rt.path, "/bridges/{id}/") {
			path = strings.Replace(path, blueLAN, redLAN, 1)
		}
		got := f.want(http.StatusOK, root, "GET", path, "")
		objects := []map[string]any{}
		if rt.collection {
			objects = got.array(t)
		} else {
			objects = append(objects, got.object(t))
		}
		for _, o := range objects {
			for name := range o {
				compared++
				if _, ok := d.Components.Schemas[rt.body].Properties[name]; !ok {
					t.Errorf("GET %s: schema %s has no %s", rt.path, rt.body, name)
				}
			}
		}
	}
	if compared < 200 {
		t.Errorf("compared %d members, want those of the whole fixture", compared)
	}
}

func TestDocumentIsServedToAll(t *testing.T) {
	f := newFixture(t)
	f.want(http.StatusOK, "", "GET", "/openapi.json", "")
}
