// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package systemtest

import (
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/weir-io/weir/client"
	"github.com/weir-io/weir/internal/identity"
)

// cluster is a hub on the machine, and hosts beside it that join it.
type cluster struct {
	*machine
	hub *process
}

// member is a host, or a monitor, of a cluster.
type member struct {
	c    *cluster
	site *site
	wire *wire
	name string
	dir  string // where it keeps who it is
}

func (m *machine) startCluster() *cluster {
	m.Helper()
	c := &cluster{machine: m}
	c.startHub()
	return c
}

// startHub starts the hub, again after it was killed.
func (c *cluster) startHub() {
	c.Helper()
	file := filepath.Join(c.dir, "hub.toml")
	if err := os.WriteFile(file, []byte("[hosts]\nlisten = \"0.0.0.0:9348\"\npoll = \"500ms\"\n"), 0o600); err != nil {
		c.Fatal(err)
	}
	c.hub = c.startNotifying(c.weir(), "hub", "--config="+file, "--output="+c.out)
}

// member makes a host with a wire to the hub, which has not joined yet.
func (c *cluster) member(name string) *member {
	c.Helper()
	s := c.site(name)
	return &member{c: c, site: s, wire: c.wire(nil, s), name: name, dir: filepath.Join(c.dir, "identity-"+name)}
}

// url is where the hub is, as the host sees it.
func (h *member) url() string { return "https://" + h.wire.near + ":9348" }

// invite returns a token.
func (c *cluster) invite(args ...string) string {
	c.Helper()
	var v client.Invitation
	if err := json.Unmarshal([]byte(c.run(append([]string{c.weir(), "hosts", "invite", "--json"}, args...)...)), &v); err != nil {
		c.Fatal(err)
	}
	return v.Token
}

// command is what serves statistics of the host and registers it.
func (h *member) command(args ...string) []string {
	return h.site.enter(append([]string{h.c.weir(), "xmlsysd", "-v", "1", "--hub", h.url(), "--hub-identity", h.dir, "--hub-name", h.name}, args...)...)
}

func (h *member) start(args ...string) *process {
	h.c.Helper()
	return h.c.start(h.command(args...)...)
}

// hosts are those that the hub knows.
func (c *cluster) hosts() map[string]client.Host {
	c.Helper()
	var list []client.Host
	if err := json.Unmarshal([]byte(c.run(c.weir(), "hosts", "--json")), &list); err != nil {
		c.Fatal(err)
	}
	all := make(map[string]client.Host)
	for _, h := range list {
		all[h.ID] = h
	}
	return all
}

// untilUp waits until the hub has heard of hosts by TLS.
func (c *cluster) untilUp(names ...string) {
	c.Helper()
	c.until("up: "+strings.Join(names, ", "), func() bool {
		all := c.hosts()
		return !slices.ContainsFunc(names, func(name string) bool {
			h := all[name]
			return !h.Enrolled || h.Statistics == nil || h.Statistics.State != "up"
		})
	})
}

// as is who the member is, for questions of the test's own.
func (h *member) as() *identity.Member {
	h.c.Helper()
	kept, err := identity.Dir(h.dir).Load()
	if err != nil {
		h.c.Fatal(err)
	}
	m, err := identity.NewMember(kept.Credentials, nil)
	if err != nil {
		h.c.Fatal(err)
	}
	return m
}

// client asks the hub as the member, from the hub's machine.
func (h *member) client() *client.Client {
	h.c.Helper()
	api, err := client.NewTLS("https://127.0.0.1:9348", h.as().Client(identity.Expect(identity.Hub, "")))
	if err != nil {
		h.c.Fatal(err)
	}
	h.c.Cleanup(api.Close)
	return api
}

// wantCode checks how the hub refuses.
func (c *cluster) wantCode(what string, err error, code string) {
	c.Helper()
	if p, ok := errors.AsType[*client.Problem](err); !ok || p.Code != code {
		c.Errorf("%s: got %v, want %s", what, err, code)
	}
}

// TestEnrolment has two hosts and a monitor join a hub, whose roles are kept apart, and
// expels them while they are connected.
func TestEnrolment(t *testing.T) {
	isolated(t, func(m *machine) {
		c := m.startCluster()
		one, two := c.member("one"), c.member("two")
		token := c.invite()
		one.start("--join", token)
		atTwo := two.start("--join", c.invite("two"))
		c.untilUp("one", "two")

		_, errs, code := c.try(c.member("three").command("--join", token)...)
		if code != 1 || !strings.Contains(errs, "has been used by one") {
			c.Errorf("a used token: exit code %d, %s", code, errs)
		}
		c.wantNoPlainText(one)

		asOne := one.client()
		_, err := asOne.RegisterHost(c.Context(), "two", client.HostRegistration{Address: ":1"})
		c.wantCode("another host's name", err, "not-for-role")
		c.wantCode("another host removed", asOne.RemoveHost(c.Context(), "two"), "not-for-role")
		for _, err := range asOne.Hosts(c.Context()) {
			c.wantCode("a host lists hosts", err, "not-for-role")
		}
		_, err = asOne.Invite(c.Context(), client.InvitationRequest{Role: "host"})
		c.wantCode("a host invites", err, "not-for-role")

		bob := &member{c: c, site: two.site, wire: two.wire, name: "bob", dir: filepath.Join(c.dir, "bob")}
		watch := two.site.enter(c.weir(), "stat", "--hub", two.url(), "--hub-identity", bob.dir, "-c", "1", "-d", "1", "-t", "load")
		c.run(append(watch, "--join", c.invite("--monitor", "bob"))...)
		if out := c.run(append(watch, "--filter", "two")...); !strings.Contains(out, "up=1") {
			c.Errorf("a monitor sees\n%s", out)
		}
		asBob := bob.client()
		_, err = asBob.RegisterHost(c.Context(), "bob", client.HostRegistration{})
		c.wantCode("a monitor registers", err, "not-for-role")
		c.wantCode("a monitor expels", asBob.Expel(c.Context(), "one"), "not-for-role")

		open, err := tls.Dial("tcp", one.wire.far+":7887", bob.as().Client(identity.Expect(identity.Host, "one")))
		if err != nil {
			c.Fatal(err)
		}
		defer open.Close()
		c.run(c.weir(), "hosts", "expel", "bob")
		_, err = asBob.Host(c.Context(), "one") // on the connection that is open
		c.wantCode("an expelled monitor", err, "expelled")
		if _, errs, code := c.try(watch...); code != 1 || !strings.Contains(errs, "expelled") {
			c.Errorf("an expelled monitor: exit code %d, %s", code, errs)
		}
		// The host learns of it when it renews its registration, and cuts the session.
		if n, err := open.Read(make([]byte, 1)); err == nil {
			c.Errorf("an expelled monitor reads %d bytes", n)
		}

		c.run(c.weir(), "hosts", "expel", "two")
		c.until("the agent is told", func() bool { return strings.Contains(atTwo.errors(), "weir hosts invite two") })
		c.hub.kill()
		c.startHub()
		c.untilUp("one")
		_, err = two.client().RegisterHost(c.Context(), "two", client.HostRegistration{})
		c.wantCode("an expelled host after the hub's end", err, "expelled")
		if h, there := c.hosts()["two"]; there {
			c.Errorf("an expelled host is there: %+v", h)
		}
		var list []client.Enrolment
		if err := json.Unmarshal([]byte(c.run(c.weir(), "hosts", "enrolled", "--json")), &list); err != nil {
			c.Fatal(err)
		}
		states := map[string]string{}
		for _, e := range list {
			states[e.Name] = e.Role + " " + e.State
		}
		if len(states) != 3 || states["one"] != "host enrolled" || states["two"] != "host expelled" || states["bob"] != "monitor expelled" {
			c.Errorf("%v", states)
		}
	})
}

// wantNoPlainText checks that a host tells nothing to who does not speak TLS.
func (c *cluster) wantNoPlainText(h *member) {
	c.Helper()
	conn, err := net.Dial("tcp", h.wire.far+":7887")
	if err != nil {
		c.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "init\nsend\nquit\n"); err != nil {
		c.Fatal(err)
	}
	answer, _ := io.ReadAll(conn) // it may be reset
	if strings.Contains(string(answer), "xml") {
		c.Errorf("statistics in plain text: %.100q", answer)
	}
}

// TestEnrolmentKilled kills hub and host between the steps of joining: the same command
// goes on.
func TestEnrolmentKilled(t *testing.T) {
	isolated(t, func(m *machine) {
		c := m.startCluster()
		h := c.member("one")
		token := c.invite()
		c.hub.kill()

		// The host has made its key, and reaches no hub.
		if _, errs, code := c.try(h.command("--join", token)...); code != 1 || !strings.Contains(errs, "refused") {
			c.Fatalf("without a hub: exit code %d, %s", code, errs)
		}
		pending, err := identity.Dir(h.dir).Pending()
		if err != nil {
			c.Fatal(err)
		}
		// The host is killed while it waits for an answer that does not come.
		h.wire.is(trouble{cut: true})
		waiting := h.start("--join", token)
		c.startHub()
		waiting.kill()
		h.wire.is(trouble{})

		joined := h.start("--join", token)
		c.until("it has joined", func() bool { _, err := identity.Dir(h.dir).Load(); return err == nil })
		joined.kill()
		c.hub.kill()
		kept, err := identity.Dir(h.dir).Load()
		if err != nil || !kept.Key.Equal(pending.Key) {
			c.Fatalf("another key than was begun with: %v", err)
		}
		// What it has kept is lost with its disk, but for the key: the token still answers it.
		if err := os.Remove(filepath.Join(h.dir, "identity.json")); err != nil {
			c.Fatal(err)
		}
		if err := identity.Dir(h.dir).Begin(pending); err != nil {
			c.Fatal(err)
		}
		c.startHub()
		again := h.start("--join", token)
		c.untilUp("one")
		again.kill()
		c.hub.kill()

		// Later starts need no token, and no hub at once.
		later := h.start()
		c.startHub()
		c.untilUp("one")
		later.stop()
		c.until("it has taken its leave", func() bool { _, there := c.hosts()["one"]; return !there })
	})
}
