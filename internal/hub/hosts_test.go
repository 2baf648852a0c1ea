// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weir-io/weir/client"
	"github.com/weir-io/weir/internal/config"
	"github.com/weir-io/weir/internal/hoststat/polltest"
	"github.com/weir-io/weir/internal/wait"
)

// selfSigned makes a certificate of 127.0.0.1 that signs itself, in files.
func selfSigned(t *testing.T) (cert, key string, pair tls.Certificate, pool *x509.CertPool) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(t.TempDir(), "cert.pem"), filepath.Join(t.TempDir(), "key.pem")
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: keyDER})
	for path, text := range map[string][]byte{cert: certPEM, key: keyPEM} {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if pair, err = tls.LoadX509KeyPair(cert, key); err != nil {
		t.Fatal(err)
	}
	pool = x509.NewCertPool()
	pool.AppendCertsFromPEM(certPEM)
	return cert, key, pair, pool
}

// configured is a configuration on ports that the system chooses.
func configured(t *testing.T) *config.Config {
	t.Helper()
	cfg := config.Default()
	cfg.Hub.StateDir = t.TempDir()
	cfg.Hub.OutputDir = filepath.Join(cfg.Hub.StateDir, "traces")
	any := []string{"tcp://127.0.0.1:0"}
	cfg.Relay.ControlURL, cfg.Relay.DataURL, cfg.Relay.LiveURL, cfg.HTTP.Listen = any, any, any, "127.0.0.1:0"
	cfg.Hosts.Poll = 500 * time.Millisecond
	return cfg
}

// logged keeps what is logged.
type logged struct {
	mu  sync.Mutex
	all bytes.Buffer // guarded by mu
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.Write(b)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.String()
}

// started runs a hub until the test ends, and returns where it listens and what it
// logs.
func started(t *testing.T, cfg *config.Config) (Addresses, *logged) {
	t.Helper()
	log := new(logged)
	h, err := New(cfg, slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	listening := make(chan Addresses, 1)
	var running sync.WaitGroup
	var failed error
	running.Go(func() {
		if failed = h.Run(ctx, func(at Addresses) { listening <- at }); failed != nil {
			close(listening)
		}
	})
	t.Cleanup(func() {
		cancel()
		running.Wait()
		if failed != nil {
			t.Error(failed)
		}
	})
	return <-listening, log
}

func clientOf(t *testing.T, url string, cfg *tls.Config) *client.Client {
	t.Helper()
	c, err := client.NewTLS(url, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// Agents of other machines need a certificate where the hub wants one.
func TestHostsByTLS(t *testing.T) {
	cert, key, pair, pool := selfSigned(t)
	cfg := configured(t)
	cfg.Hosts.Listen, cfg.Hosts.TLSCert, cfg.Hosts.TLSKey, cfg.Hosts.TLSClientCA = "127.0.0.1:0", cert, key, cert
	at, _ := started(t, cfg)
	url := "https://" + at.Hosts[0]
	trusted := clientOf(t, url, &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{pair}})
	h, err := trusted.RegisterHost(t.Context(), "n1", client.HostRegistration{Address: ":7887"})
	if err != nil || h.Address != "127.0.0.1:7887" {
		t.Errorf("%+v, %v", h, err)
	}
	for what, c := range map[string]*client.Client{
		"without a certificate": clientOf(t, url, &tls.Config{RootCAs: pool}),
		"an older version":      clientOf(t, url, &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{pair}, MaxVersion: tls.VersionTLS12}),
		"without TLS":           clientOf(t, "http://"+at.Hosts[0], nil),
	} {
		if _, err := c.RegisterHost(t.Context(), "n2", client.HostRegistration{}); err == nil {
			t.Errorf("%s: registered", what)
		}
	}
	// At the other listener there is the same registry, and all the rest.
	if h, err := clientOf(t, "http://"+at.HTTP[0], nil).Host(t.Context(), "n1"); err != nil || h.State != client.HostRegistered {
		t.Errorf("%+v, %v", h, err)
	}
}

// Hosts of the configuration are asked, and alarms of the file judged.
func TestHostsOfTheConfiguration(t *testing.T) {
	busy := polltest.Default("busy")
	busy.Load = 9
	address := (&polltest.Daemon{Answer: polltest.Steady(busy)}).Start(t)
	host, port, _ := net.SplitHostPort(address)
	path := filepath.Join(t.TempDir(), "wulfhosts")
	text := "<wulfstat><host><label>busy</label><ip>" + host + "</ip><port>" + port + "</port><group>rack1</group></host>" +
		`<alarm id="load"><when>load1 &gt; 5</when><level>crit</level></alarm><odd/></wulfstat>`
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := configured(t)
	cfg.Hosts.File, cfg.Hosts.Watch = path, []string{"127.0.0.1:1"}
	at, log := started(t, cfg)
	c := clientOf(t, "http://"+at.HTTP[0], nil)
	wait.Until(t, "the alarm", func() bool {
		h, err := c.Host(t.Context(), "busy")
		return err == nil && h.Statistics != nil && len(h.Statistics.Alarms) == 1
	})
	n := 0
	for a, err := range c.HostAlarms(t.Context()) {
		if n++; err != nil || a.Host != "busy" || a.Alarm != "load" || a.State != "firing" || *a.Value != 9 {
			t.Errorf("%+v, %v", a, err)
		}
	}
	if n != 1 {
		t.Errorf("%d alarms", n)
	}
	names := map[string]string{}
	for h, err := range c.Hosts(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		names[h.ID] = h.Group + string(h.State)
	}
	if len(names) != 2 || names["busy"] != "rack1configured" || names["127.0.0.1:1"] != "configured" {
		t.Errorf("%v", names)
	}
	// The file is followed: another alarm, another host, one that is gone.
	text = "<wulfstat><host><label>busier</label><ip>" + host + "</ip><port>" + port + "</port></host>" +
		`<alarm id="loaded"><when>load1 &gt; 8</when></alarm></wulfstat>`
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	wait.Until(t, "the new host has the new alarm", func() bool {
		h, err := c.Host(t.Context(), "busier")
		return err == nil && h.Statistics != nil && slices.Equal(h.Statistics.Alarms, []string{"loaded"})
	})
	if h, err := c.Host(t.Context(), "busy"); err == nil {
		t.Errorf("the old one is there: %+v", h)
	}
	for _, line := range []string{"unknown element odd", "host=busy alarm=load level=crit value=9"} {
		if !strings.Contains(log.String(), line) {
			t.Errorf("the log has no %q", line)
		}
	}
}

// A configuration that cannot be is told of before anything runs.
func TestHostsMisconfigured(t *testing.T) {
	for name, change := range map[string]func(*config.Hosts){
		"hosts.file":     func(h *config.Hosts) { h.File = filepath.Join(t.TempDir(), "none") },
		"hosts.watch":    func(h *config.Hosts) { h.Watch = []string{"n[1-"} },
		"hosts.tls_cert": func(h *config.Hosts) { h.Listen, h.TLSCert, h.TLSKey = "127.0.0.1:0", "/none", "/none" },
	} {
		cfg := configured(t)
		change(&cfg.Hosts)
		h, err := New(cfg, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		if err := h.Run(t.Context(), func(Addresses) { t.Errorf("%s: it runs", name) }); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
