// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"encoding/json"
	"net/http"

	"github.com/weir-io/weir/internal/flow/inventory"
	"github.com/weir-io/weir/internal/flow/topology"
)

const (
	hostMedia      = "Host-v3"
	interfaceMedia = "Interface-v1"
	bindingMedia   = "HostInterfacePort-v1"
)

// hostRoutes are for admins: hosts are not any tenant's.
func hostRoutes() []route {
	remove := removal("/hosts/{id}", "delete-host", "Forget a host that is not alive and has no bound ports", deleteHost)
	remove.status = http.StatusOK
	return onlyAdmin(tagged("hosts",
		listing("/hosts", hostMedia, "list-hosts", "List hosts", listHosts),
		reading("/hosts/{id}", hostMedia, "get-host", "One host", getHost),
		remove,
		listing("/hosts/{id}/interfaces", interfaceMedia, "list-interfaces", "List the interfaces of a host", listInterfaces),
		reading("/hosts/{id}/interfaces/{name}", interfaceMedia, "get-interface", "One interface of a host", getInterface),
		listing("/hosts/{id}/ports", bindingMedia, "list-bindings", "List the ports that are bound to interfaces of a host", listBindings),
		creation("/hosts/{id}/ports", bindingMedia, "bind-port", "Bind a port to an interface of a host", bindPort),
		reading("/hosts/{id}/ports/{port}", bindingMedia, "get-binding", "One binding", getBinding),
		removal("/hosts/{id}/ports/{port}", "unbind-port", "Take a port off an interface", unbindPort),
	))
}

func representHost(q *request, h topology.Host) (json.RawMessage, error) {
	alive, err := q.inventory().Alive(q.ctx(), h.ID)
	if err != nil {
		return nil, err
	}
	interfaces, err := q.inventory().Interfaces(q.ctx(), h.ID)
	if err != nil {
		return nil, err
	}
	if interfaces == nil {
		interfaces = []inventory.Interface{}
	}
	id := h.ID.String()
	return represent(h,
		member{"uri", q.uri("hosts", id)},
		member{"alive", alive},
		member{"hostInterfaces", interfaces},
		member{"interfaces", q.uri("hosts", id, "interfaces")},
		member{"ports", q.uri("hosts", id, "ports")})
}

func listHosts(q *request) error {
	hosts, err := q.inventory().Hosts(q.ctx())
	if err != nil {
		return err
	}
	return list(q, hosts, all, func(h topology.Host) (json.RawMessage, error) { return representHost(q, h) })
}

func (q *request) pathHost() (topology.Host, error) {
	id, err := q.id("id")
	if err != nil {
		return topology.Host{}, err
	}
	return q.inventory().Host(q.ctx(), id)
}

func getHost(q *request) error {
	h, err := q.pathHost()
	if err != nil {
		return err
	}
	answer, err := representHost(q, h)
	if err != nil {
		return err
	}
	return q.answer(answer)
}

// deleteHost forgets a host that is gone. While it is there, that is forbidden.
func deleteHost(q *request) error {
	h, err := q.pathHost()
	if err != nil {
		return err
	}
	alive, err := q.inventory().Alive(q.ctx(), h.ID)
	if err != nil {
		return err
	}
	if alive {
		return faultf(http.StatusForbidden, "host %v is alive", h.ID)
	}
	bindings, err := q.inventory().Bindings(q.ctx(), h.ID)
	if err != nil {
		return err
	}
	if len(bindings) > 0 {
		return faultf(http.StatusForbidden, "host %v has bound ports, as %v", h.ID, bindings[0].Port)
	}
	if err := q.inventory().DeleteHost(q.ctx(), h.ID); err != nil {
		return err
	}
	q.w.WriteHeader(http.StatusOK)
	return nil
}

func representInterface(q *request, host topology.ID, i inventory.Interface) (json.RawMessage, error) {
	return represent(i,
		member{"uri", q.uri("hosts", host.String(), "interfaces", i.Name)},
		member{"hostId", host})
}

func listInterfaces(q *request) error {
	h, err := q.pathHost()
	if err != nil {
		return err
	}
	interfaces, err := q.inventory().Interfaces(q.ctx(), h.ID)
	if err != nil {
		return err
	}
	return list(q, interfaces, all, func(i inventory.Interface) (json.RawMessage, error) { return representInterface(q, h.ID, i) })
}

func getInterface(q *request) error {
	h, err := q.pathHost()
	if err != nil {
		return err
	}
	interfaces, err := q.inventory().Interfaces(q.ctx(), h.ID)
	if err != nil {
		return err
	}
	for _, i := range interfaces {
		if i.Name != q.vars["name"] {
			continue
		}
		answer, err := representInterface(q, h.ID, i)
		if err != nil {
			return err
		}
		return q.answer(answer)
	}
	return faultf(http.StatusNotFound, "host %v has no interface %.60q", h.ID, q.vars["name"])
}

func representBinding(q *request, b inventory.Binding) (json.RawMessage, error) {
	host, port := b.Host.String(), b.Port.String()
	return represent(b,
		member{"uri", q.uri("hosts", host, "ports", port)},
		member{"host", q.uri("hosts", host)},
		member{"port", q.uri("ports", port)})
}

func listBindings(q *request) error {
	h, err := q.pathHost()
	if err != nil {
		return err
	}
	bindings, err := q.inventory().Bindings(q.ctx(), h.ID)
	if err != nil {
		return err
	}
	return list(q, bindings, all, func(b inventory.Binding) (json.RawMessage, error) { return representBinding(q, b) })
}

func bindPort(q *request) error {
	host, err := q.id("id")
	if err != nil {
		return err
	}
	raw, err := q.rawBody()
	if err != nil {
		return err
	}
	b := inventory.Binding{Host: host}
	if b.Port, err = idMember(raw, "portId"); err != nil {
		return err
	}
	if b.Interface, err = textMember(raw, "interfaceName"); err != nil {
		return err
	}
	if b.Interface == "" {
		return violation("interfaceName", "got none")
	}
	if err := q.inventory().Bind(q.ctx(), b); err != nil {
		return err
	}
	return createdAs(q, q.uri("hosts", host.String(), "ports", b.Port.String()), b, representBinding)
}

func (q *request) pathBinding() (inventory.Binding, error) {
	h, err := q.pathHost()
	if err != nil {
		return inventory.Binding{}, err
	}
	port, err := q.id("port")
	if err != nil {
		return inventory.Binding{}, err
	}
	bindings, err := q.inventory().Bindings(q.ctx(), h.ID)
	if err != nil {
		return inventory.Binding{}, err
	}
	for _, b := range bindings {
		if b.Port == port {
			return b, nil
		}
	}
	return inventory.Binding{}, faultf(http.StatusNotFound, "port %v is not bound to host %v", port, h.ID)
}

func getBinding(q *request) error {
	b, err := q.pathBinding()
	if err != nil {
		return err
	}
	answer, err := representBinding(q, b)
	if err != nil {
		return err
	}
	return q.answer(answer)
}

func unbindPort(q *request) error {
	b, err := q.pathBinding()
	if err != nil {
		return err
	}
	if err := q.inventory().Unbind(q.ctx(), b.Host, b.Port); err != nil {
		return err
	}
	return q.done()
}
