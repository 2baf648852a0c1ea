// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package poll_test

import (
	"crypto/tls"
	"crypto/x509"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/weir-io/weir/internal/hoststat/poll"
	"github.com/weir-io/weir/internal/hoststat/polltest"
	"github.com/weir-io/weir/internal/wait"
)

// A host by TLS is watched like the others, by one that trusts it.
func TestTLS(t *testing.T) {
	server := httptest.NewUnstartedServer(nil) // for its certificate of 127.0.0.1
	server.StartTLS()
	defer server.Close()
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: server.TLS.Certificates})
	if err != nil {
		t.Fatal(err)
	}
	d := &polltest.Daemon{Answer: polltest.Steady(polltest.Default("n1"))}
	d.Serve(l)
	defer d.Close()
	pool := x509.NewCertPool()
	pool.AddCert(server.Certificate())
	target := poll.Target{Name: "n1", Address: l.Addr().String(), TLS: true}
	c := watch(t, poll.Config{Delay: fast, TLS: &tls.Config{RootCAs: pool}}, target)
	wait.Until(t, "messages come", func() bool { return look(c, "n1").messages > 2 })
	d.Break()
	wait.Until(t, "the end is noticed", func() bool { return look(c, "n1").state == poll.Down })
	wait.Until(t, "it is up again", func() bool { return look(c, "n1").state == poll.OK })

	other := watch(t, poll.Config{Delay: fast, TLS: &tls.Config{RootCAs: x509.NewCertPool()}}, target)
	wait.Until(t, "it is refused", func() bool { return strings.Contains(look(other, "n1").reason, "certificate") })
}
