// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package inventory

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/flow/topology"
	"github.com/weir-io/weir/internal/store"
	"github.com/weir-io/weir/internal/store/bolt"
	"github.com/weir-io/weir/internal/store/storetest"
	"github.com/weir-io/weir/internal/store/zookeeper"
)

// cycle makes, enables, disables and deletes a request.
func cycle(ctx context.Context, v *Inventory, device topology.ID) error {
	q, err := v.CreateTrace(ctx, topology.TraceRequest{DeviceType: topology.TraceBridge, Device: device, Limit: 10})
	if err != nil {
		return err
	}
	return errors.Join(v.EnableTrace(ctx, q.ID), v.DisableTrace(ctx, q.ID), v.DeleteTrace(ctx, q.ID))
}

// BenchmarkCycle measures trace requests that are made, enabled, disabled and deleted,
// by as many clients as the sub-benchmark says. Each client has a bridge of its own,
// but in "one bridge".
func BenchmarkCycle(b *testing.B) {
	for _, backend := range []struct {
		name string
		open func(b *testing.B) store.Store
	}{
		{"bolt", func(b *testing.B) store.Store { return newBolt(b) }},
		{"zookeeper", func(b *testing.B) store.Store {
			c, err := zookeeper.New(zookeeper.Config{Servers: []string{storetest.StartZooKeeper(b).Addr}})
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(func() { c.Close() })
			return c
		}},
	} {
		b.Run(backend.name, func(b *testing.B) {
			st := backend.open(b)
			for _, clients := range []int{1, 8, 64} {
				b.Run(strconv.Itoa(clients)+" clients", func(b *testing.B) { benchmarkCycle(b, st, clients, false) })
			}
			b.Run("8 clients, one bridge", func(b *testing.B) { benchmarkCycle(b, st, 8, true) })
		})
	}
}

func benchmarkCycle(b *testing.B, st store.Store, clients int, shared bool) {
	v, err := Open(b.Context(), st, Config{})
	if err != nil {
		b.Fatal(err)
	}
	defer v.Close()
	bridges := make([]topology.ID, clients)
	for i := range bridges {
		if shared && i > 0 {
			bridges[i] = bridges[0]
			continue
		}
		made, err := v.CreateBridge(b.Context(), topology.Bridge{})
		if err != nil {
			b.Fatal(err)
		}
		bridges[i] = made.ID
	}
	todo := make(chan struct{})
	spent := used(b)
	b.ResetTimer()
	go func() { // ends when all are handed out: the clients take them all
		for range b.N {
			todo <- struct{}{}
		}
		close(todo)
	}()
	err = errors.Join(at(clients, func(i int) (err error) {
		for range todo {
			err = errors.Join(err, cycle(b.Context(), v, bridges[i]))
		}
		return err
	})...)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "cycles/s")
	b.ReportMetric(float64((used(b)-spent).Microseconds())/float64(b.N), "µs-CPU/cycle")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkLoad measures how a hub with 100,000 ports starts: the file is opened, the
// inventory too, and all is loaded; and how soon a change is in a snapshot.
func BenchmarkLoad(b *testing.B) {
	const ports = 100_000
	file := filepath.Join(b.TempDir(), "control.db")
	fill(b, file, ports)
	for b.Loop() {
		begin, spent := time.Now(), used(b)
		d, err := bolt.Open(file, bolt.Options{})
		if err != nil {
			b.Fatal(err)
		}
		opened := time.Since(begin)
		v, err := Open(b.Context(), d, Config{})
		if err != nil {
			b.Fatal(err)
		}
		ctx, stop := context.WithCancel(b.Context())
		snaps, followed := make(chan *topology.Snapshot, 100), make(chan error, 1)
		go func() { // ended by stop; followed says so
			followed <- v.Follow(ctx, func(s *topology.Snapshot) { snaps <- s })
		}()
		snap := <-snaps
		b.ReportMetric(opened.Seconds(), "s-open")
		b.ReportMetric(time.Since(begin).Seconds(), "s-start")
		b.ReportMetric((used(b) - spent).Seconds(), "s-CPU")
		if len(snap.Ports) != ports+2 {
			b.Fatalf("%d ports", len(snap.Ports))
		}
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		b.ReportMetric(float64(m.HeapAlloc)/(1<<20), "MiB-heap")
		b.ReportMetric(float64(peak(b))/(1<<20), "MiB-peak")
		begin = time.Now()
		bridge := topology.NamedID(topology.KindBridge, "b")
		if _, err := v.CreatePort(b.Context(), topology.Port{Type: topology.BridgePort, Device: bridge}); err != nil {
			b.Fatal(err)
		}
		for snap = <-snaps; len(snap.Ports) == ports+2; snap = <-snaps {
		}
		b.ReportMetric(float64(time.Since(begin).Microseconds())/1000, "ms-change")
		stop()
		<-followed
		port := sorted(snap.Ports)
		for _, id := range port { // as it was, for the next round
			if snap.Ports[id].Interface == "" && !snap.Ports[id].Interior() {
				if err := v.DeletePort(b.Context(), id); err != nil {
					b.Fatal(err)
				}
			}
		}
		if err := errors.Join(v.Close(), d.Close()); err != nil {
			b.Fatal(err)
		}
	}
}

// fill makes a store with ports.
func fill(b *testing.B, file string, ports int) {
	d, err := bolt.Open(file, bolt.Options{})
	if err != nil {
		b.Fatal(err)
	}
	v, err := Open(b.Context(), d, Config{})
	if err != nil {
		b.Fatal(err)
	}
	begin := time.Now()
	if err := v.Import(b.Context(), sample(ports)); err != nil {
		b.Fatal(err)
	}
	b.Logf("import of %d ports: %v", ports, time.Since(begin))
	if err := errors.Join(v.Close(), d.Close()); err != nil {
		b.Fatal(err)
	}
	runtime.GC()
}

// used returns the processor time of the process so far.
func used(b *testing.B) time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// peak returns the largest resident size of the process so far, in bytes.
func peak(b *testing.B) int64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		b.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if text, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kb, err := strconv.ParseInt(strings.Fields(text)[0], 10, 64)
			if err != nil {
				b.Fatal(err)
			}
			return kb << 10
		}
	}
	b.Fatal("no VmHWM")
	return 0
}
