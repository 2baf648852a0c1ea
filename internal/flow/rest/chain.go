// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"

	"github.com/weir-io/weir/internal/flow/topology"
)

const (
	chainMedia = "Chain-v1"
	ruleMedia  = "Rule-v2"
	routeMedia = "Route-v1"
)

func routeRoutes() []route {
	return tagged("routes",
		listing("/routers/{id}/routes", routeMedia, "list-routes", "List the routes of a router", listRoutes),
		creation("/routers/{id}/routes", routeMedia, "create-route", "Make a route", createRoute),
		reading("/routes/{id}", routeMedia, "get-route", "One route", getRoute),
		removal("/routes/{id}", "delete-route", "Delete a route", deleteRoute),
	)
}

func representRoute(q *request, r topology.Route) (json.RawMessage, error) {
	return represent(r,
		member{"uri", q.uri("routes", r.ID.String())},
		member{"router", q.uri("routers", r.Router.String())})
}

func listRoutes(q *request) error {
	b, err := routerKind.device(q)
	if err != nil {
		return err
	}
	routes, err := q.inventory().Routes(q.ctx(), b.ID)
	if err != nil {
		return err
	}
	return list(q, routes, all, func(r topology.Route) (json.RawMessage, error) { return representRoute(q, r) })
}

func createRoute(q *request) error {
	b, err := routerKind.device(q)
	if err != nil {
		return err
	}
	var r topology.Route
	if err := q.body(&r); err != nil {
		return err
	}
	r.Router = b.ID
	if r, err = q.inventory().CreateRoute(q.ctx(), r); err != nil {
		return err
	}
	return createdAs(q, q.uri("routes", r.ID.String()), r, representRoute)
}

// pathRoute returns the route of the path, which the caller owns.
func pathRoute(q *request) (topology.Route, error) {
	id, err := q.id("id")
	if err != nil {
		return topology.Route{}, err
	}
	r, err := q.inventory().Route(q.ctx(), id)
	if err != nil {
		return r, err
	}
	tenant, err := q.inventory().TenantOf(q.ctx(), topology.TraceRouter, r.Router)
	if err != nil {
		return r, err
	}
	return r, q.own(tenant, "route", id)
}

func getRoute(q *request) error {
	r, err := pathRoute(q)
	if err != nil {
		return err
	}
	answer, err := representRoute(q, r)
	if err != nil {
		return err
	}
	return q.answer(answer)
}

func deleteRoute(q *request) error {
	r, err := pathRoute(q)
	if err != nil {
		return err
	}
	if err := q.inventory().DeleteRoute(q.ctx(), r.ID); err != nil {
		return err
	}
	return q.done()
}

func chainRoutes() []route {
	chains := listing("/chains", chainMedia, "list-chains", "List chains", listChains)
	chains.params = []string{"tenant_id"}
	return tagged("chains",
		chains,
		creation("/chains", chainMedia, "create-chain", "Make a chain", createChain),
		reading("/chains/{id}", chainMedia, "get-chain", "One chain", getChain),
		removal("/chains/{id}", "delete-chain", "Delete a chain with its rules; devices lose it as their filter", deleteChain),
		listing("/chains/{id}/rules", ruleMedia, "list-rules", "List the rules of a chain in their order", listRules),
		creation("/chains/{id}/rules", ruleMedia, "create-rule", "Make a rule at a position", createRule),
		reading("/rules/{id}", ruleMedia, "get-rule", "One rule", getRule),
		removal("/rules/{id}", "delete-rule", "Delete a rule", deleteRule),
	)
}

func representChain(q *request, c topology.Chain) (json.RawMessage, error) {
	return represent(c,
		member{"uri", q.uri("chains", c.ID.String())},
		member{"rules", q.uri("chains", c.ID.String(), "rules")})
}

func listChains(q *request) error {
	chains, err := q.inventory().Chains(q.ctx())
	if err != nil {
		return err
	}
	see := func(c topology.Chain) bool { return q.selects(c.TenantID) }
	return list(q, chains, see, func(c topology.Chain) (json.RawMessage, error) { return representChain(q, c) })
}

func createChain(q *request) error {
	var c topology.Chain
	if err := q.body(&c); err != nil {
		return err
	}
	if err := q.claim(&c.TenantID); err != nil {
		return err
	}
	c, err := q.inventory().CreateChain(q.ctx(), c)
	if err != nil {
		return err
	}
	return createdAs(q, q.uri("chains", c.ID.String()), c, representChain)
}

// chain returns a chain that the caller owns.
func (q *request) chain(id topology.ID) (topology.Chain, error) {
	c, err := q.inventory().Chain(q.ctx(), id)
	if err != nil {
		return c, err
	}
	return c, q.own(c.TenantID, "chain", id)
}

func (q *request) pathChain() (topology.Chain, error) {
	id, err := q.id("id")
	if err != nil {
		return topology.Chain{}, err
	}
	return q.chain(id)
}

func getChain(q *request) error {
	c, err := q.pathChain()
	if err != nil {
		return err
	}
	answer, err := representChain(q, c)
	if err != nil {
		return err
	}
	return q.answer(answer)
}

func deleteChain(q *request) error {
	c, err := q.pathChain()
	if err != nil {
		return err
	}
	if err := q.inventory().DeleteChain(q.ctx(), c.ID); err != nil {
		return err
	}
	return q.done()
}

// placedRule is a rule with its position, among those that the caller may see.
type placedRule struct {
	topology.Rule
	position int
}

func representRule(q *request, r placedRule) (json.RawMessage, error) {
	members := []member{
		{"uri", q.uri("rules", r.ID.String())},
		{"chain", q.uri("chains", r.Chain.String())},
		{"position", r.position},
	}
	if r.JumpChain != (topology.ID{}) {
		c, err := q.inventory().Chain(q.ctx(), r.JumpChain)
		switch {
		case err != nil: // it is gone
		case q.who.owns(c.TenantID):
			members = append(members, member{"jumpChainName", c.Name})
		default:
			r.JumpChain = topology.ID{} // an administrator has made the rule
		}
	}
	return represent(r.Rule, members...)
}

// hides reports whether a rule is a trace rule for what another tenant owns: a chain
// may be the filter of devices of several.
func (q *request) hides(r *topology.Rule) bool {
	if q.who.Role == Admin || r.Type != topology.TraceRule {
		return false
	}
	if p, err := q.inventory().Port(q.ctx(), r.Device); err == nil {
		tenant, err := q.portOwner(&p)
		return err != nil || !q.who.owns(tenant)
	}
	tenant, err := q.owner(r.Device)
	return err != nil || !q.who.owns(tenant)
}

func listRules(q *request) error {
	c, err := q.pathChain()
	if err != nil {
		return err
	}
	rules, err := q.shownRules(c.ID)
	if err != nil {
		return err
	}
	return list(q, rules, all, func(r placedRule) (json.RawMessage, error) { return representRule(q, r) })
}

// shownRules returns the rules of a chain that the caller may see. Their positions do
// not count the others: a gap would tell of them.
func (q *request) shownRules(chain topology.ID) ([]placedRule, error) {
	rules, err := q.inventory().Rules(q.ctx(), chain)
	if err != nil {
		return nil, err
	}
	var shown []placedRule
	for _, r := range rules {
		if !q.hides(&r) {
			shown = append(shown, placedRule{r, len(shown) + 1})
		}
	}
	return shown, nil
}

func createRule(q *request) error {
	c, err := q.pathChain()
	if err != nil {
		return err
	}
	raw, err := q.rawBody()
	if err != nil {
		return err
	}
	var r topology.Rule
	if err := r.UnmarshalJSON(raw); err != nil {
		return err
	}
	if r.Type == topology.TraceRule {
		return violation("type", "got trace: trace rules come with enabled trace requests")
	}
	position, err := readPosition(raw)
	if err != nil {
		return err
	}
	if err := q.ownJump(r.JumpChain); err != nil {
		return err
	}
	r.Chain = c.ID
	hidden := q.hides
	if q.who.Role == Admin {
		hidden = nil
	}
	if r, err = q.inventory().CreateRule(q.ctx(), r, position, hidden); err != nil {
		return err
	}
	return createdAs(q, q.uri("rules", r.ID.String()), placedRule{r, position}, representRule)
}

// ownJump refuses a jump to a chain that is not there, or another tenant's.
func (q *request) ownJump(chain topology.ID) error {
	if chain == (topology.ID{}) {
		return nil
	}
	_, err := q.chain(chain)
	if err != nil && q.server.fault(err).Status == http.StatusNotFound {
		return violation("jumpChainId", "there is no chain %v", chain)
	}
	return err
}

// readPosition returns where a rule is to go, which is first unless it is said.
func readPosition(raw json.RawMessage) (int, error) {
	var body struct {
		Position json.RawMessage `json:"position"`
	}
	if err := json.Unmarshal(raw, &body); err != nil {
		return 0, violation("position", "%v", err)
	}
	if len(body.Position) == 0 || string(body.Position) == "null" {
		return 1, nil
	}
	n, err := strconv.Atoi(string(body.Position))
	if err != nil || n < 1 {
		return 0, violation("position", "got %.60s, want an integer of at least 1", body.Position)
	}
	return n, nil
}

// pathRule returns the rule of the path, whose chain the caller owns.
func pathRule(q *request) (placedRule, error) {
	id, err := q.id("id")
	if err != nil {
		return placedRule{}, err
	}
	r, position, err := q.inventory().Rule(q.ctx(), id)
	if err != nil {
		return placedRule{}, err
	}
	if _, err := q.chain(r.Chain); err != nil {
		if q.server.fault(err).Status == http.StatusForbidden {
			return placedRule{}, faultf(http.StatusForbidden, "rule %v belongs to another tenant", id)
		}
		return placedRule{}, err
	}
	if q.hides(&r) {
		return placedRule{}, faultf(http.StatusForbidden, "rule %v belongs to another tenant", id)
	}
	if q.who.Role == Admin || position == 0 {
		return placedRule{r, position}, nil
	}
	shown, err := q.shownRules(r.Chain)
	if err != nil {
		return placedRule{}, err
	}
	at := slices.IndexFunc(shown, func(s placedRule) bool { return s.ID == id })
	return placedRule{r, at + 1}, nil
}

func getRule(q *request) error {
	r, err := pathRule(q)
	if err != nil {
		return err
	}
	answer, err := representRule(q, r)
	if err != nil {
		return err
	}
	return q.answer(answer)
}

func deleteRule(q *request) error {
	r, err := pathRule(q)
	if err != nil {
		return err
	}
	if err := q.inventory().DeleteRule(q.ctx(), r.ID); err != nil {
		return err
	}
	return q.done()
}
