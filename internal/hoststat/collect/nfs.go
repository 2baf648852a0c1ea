// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
)

// Procedures of NFS in the order of their numbers.
var (
	nfs2 = words("Null GetAttr SetAttr Root Lookup ReadLink Read WrCache Write Create Remove Rename Link SymLink MkDir RmDir ReadDir FsStat")
	nfs3 = words(`Null GetAttr SetAttr Lookup Access ReadLink Read Write Create MkDir SymLink MkNod Remove RmDir Rename Link ReadDir ReadDirPlus
		FsStat FsInfo PathConf Commit`)
	nfs4 = words(`Null Read Write Commit Open OpenConfirm OpenNoattr OpenDowngrade Close Setattr FsInfo Renew SetClientID SetClientIDConfirm Lock
		Lockt Locku Access Getattr Lookup LookupRoot Remove Rename Link Symlink Create Pathconf StatFs ReadLink ReadDir ServerCaps DelegReturn GetACL
		SetACL FsLocations ReleaseLockowner Secinfo FsidPresent ExchangeID CreateSession DestroySession Sequence GetLeaseTime ReclaimComplete
		LayoutGet GetDeviceInfo LayoutCommit LayoutReturn SecinfoNoName TestStateID FreeStateID GetDeviceList BindConnToSession DestroyClientID
		Seek Allocate DeAllocate LayoutStats Clone`)
	// Of a server; those of the first three numbers are no operations, and what is "-" is
	// not shown.
	nfsd4 = words(`- - - Access Close Commit Create DelegPurge DelegReturn GetAttr GetFH Link Lock Lockt Locku Lookup LookupRoot Nverify Open
		OpenAttr OpenConfirm OpenDgrd PutFH - - Read ReadDir ReadLink Remove Rename Renew RestoreFH SaveFH SecInfo SetAttr Verify Write RelLockOwner`)
)

func words(s string) []string { return strings.Fields(s) }

// rpcLines reads a file of lines of a word and numbers.
func rpcLines(path string) (map[string][]float64, error) {
	s, err := text(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errAbsent
	}
	if err != nil {
		return nil, err
	}
	lines := make(map[string][]float64)
	for line := range strings.Lines(s) {
		words := strings.Fields(line)
		if len(words) < 2 {
			return nil, fmt.Errorf("%s: line %q, want numbers", path, strings.TrimSpace(line))
		}
		word, numbers := words[0], words[1:]
		if word == "th" && len(numbers) > 2 {
			numbers = numbers[:2] // what follows are seconds
		}
		for _, n := range numbers {
			v, err := strconv.ParseUint(n, 10, 64)
			if err != nil {
				return nil, fmt.Errorf("%s: line %s: %w", path, word, err)
			}
			lines[word] = append(lines[word], float64(v))
		}
	}
	return lines, nil
}

// at returns a number of a line; 0 of one that an older kernel does not have.
func at(line []float64, i int) float64 {
	if i < len(line) {
		return line[i]
	}
	return 0
}

// procedures adds the counters of a line whose first number says how many follow.
func (p *page) procedures(family, proto string, names []string, line []float64) {
	for i, name := range names {
		if name != "-" {
			p.counter(family, at(line, i+1), "proto", proto, "method", name)
		}
	}
}

// nfs shows what clients of NFS on this host have asked for.
func (r *Reader) nfs(p *page) error {
	lines, err := rpcLines(r.proc("net/rpc/nfs"))
	if err != nil {
		return err
	}
	p.counter("nfs_packets_total", at(lines["net"], 1), "protocol", "udp")
	p.counter("nfs_packets_total", at(lines["net"], 2), "protocol", "tcp")
	p.counter("nfs_connections_total", at(lines["net"], 3))
	p.counter("nfs_rpcs_total", at(lines["rpc"], 0))
	p.counter("nfs_rpc_retransmissions_total", at(lines["rpc"], 1))
	p.counter("nfs_rpc_authentication_refreshes_total", at(lines["rpc"], 2))
	p.procedures("nfs_requests_total", "2", nfs2, lines["proc2"])
	p.procedures("nfs_requests_total", "3", nfs3, lines["proc3"])
	p.procedures("nfs_requests_total", "4", nfs4, lines["proc4"])
	return nil
}

// nfsd shows what the host's server of NFS was asked for.
func (r *Reader) nfsd(p *page) error {
	lines, err := rpcLines(r.proc("net/rpc/nfsd"))
	if err != nil {
		return err
	}
	for _, c := range [...]struct {
		line string
		at   int
		name string
	}{
		{"rc", 0, "reply_cache_hits_total"},
		{"rc", 1, "reply_cache_misses_total"},
		{"rc", 2, "reply_cache_nocache_total"},
		{"fh", 0, "file_handles_stale_total"},
		{"io", 0, "disk_bytes_read_total"},
		{"io", 1, "disk_bytes_written_total"},
		{"ra", 11, "read_ahead_cache_not_found_total"},
		{"net", 3, "connections_total"},
		{"rpc", 0, "server_rpcs_total"},
	} {
		p.counter("nfsd_"+c.name, at(lines[c.line], c.at))
	}
	p.gauge("nfsd_server_threads", at(lines["th"], 0))
	p.gauge("nfsd_read_ahead_cache_size_blocks", at(lines["ra"], 0))
	p.counter("nfsd_packets_total", at(lines["net"], 1), "proto", "udp")
	p.counter("nfsd_packets_total", at(lines["net"], 2), "proto", "tcp")
	for i, kind := range [...]string{"fmt", "auth", "cInt"} {
		p.counter("nfsd_rpc_errors_total", at(lines["rpc"], 2+i), "error", kind)
	}
	p.procedures("nfsd_requests_total", "2", nfs2[1:], shift(lines["proc2"]))
	p.procedures("nfsd_requests_total", "3", nfs3[1:], shift(lines["proc3"]))
	p.procedures("nfsd_requests_total", "4", nfsd4, lines["proc4ops"])
	return nil
}

// shift leaves the first procedure out, which does nothing.
func shift(line []float64) []float64 { return line[min(1, len(line)):] }

// backend is a server behind a virtual one.
type backend struct{ localAddress, localPort, remoteAddress, remotePort, proto, mark string }

// ipvs shows the kernel's load balancer.
func (r *Reader) ipvs(p *page) error {
	s, err := text(r.proc("net/ip_vs_stats"))
	if errors.Is(err, fs.ErrNotExist) {
		return errAbsent
	}
	if err != nil {
		return err
	}
	lines := strings.Split(s, "\n") // two of headings
	names := [...]string{"connections", "incoming_packets", "outgoing_packets", "incoming_bytes", "outgoing_bytes"}
	var values []string
	if len(lines) > 2 {
		values = strings.Fields(lines[2])
	}
	if len(values) != len(names) {
		return fmt.Errorf("ip_vs_stats: %d numbers, want %d", len(values), len(names))
	}
	for i, name := range names {
		n, err := strconv.ParseUint(values[i], 16, 64)
		if err != nil {
			return fmt.Errorf("ip_vs_stats: %w", err)
		}
		p.counter("ipvs_"+name+"_total", float64(n))
	}
	if s, err = text(r.proc("net/ip_vs")); err != nil {
		return err
	}
	return p.backends(s)
}

// backends reads lines of virtual servers, and behind each those of its backends.
func (p *page) backends(s string) error {
	var now backend
	var order []backend
	sums := make(map[backend]*[3]float64) // weight, active, inactive
	for line := range strings.Lines(s) {
		f := strings.Fields(line)
		var err error
		switch {
		case len(f) < 2:
		case f[0] == "TCP" || f[0] == "UDP":
			now = backend{proto: f[0]}
			now.localAddress, now.localPort, err = addressPort(f[1])
		case f[0] == "FWM":
			now = backend{proto: f[0], mark: f[1], localPort: "0"}
		case f[0] == "->" && len(f) >= 6 && f[1] != "RemoteAddress:Port":
			b := now
			if b.remoteAddress, b.remotePort, err = addressPort(f[1]); err != nil {
				break
			}
			if sums[b] == nil {
				sums[b] = new([3]float64)
				order = append(order, b)
			}
			for i, word := range f[3:6] {
				n, bad := strconv.ParseUint(word, 10, 64)
				if bad != nil {
					err = bad
				}
				sums[b][i] += float64(n)
			}
		}
		if err != nil {
			return fmt.Errorf("ip_vs: line %q: %w", strings.TrimSpace(line), err)
		}
	}
	for _, b := range order {
		labels := []string{
			"local_address", b.localAddress, "local_port", b.localPort, "remote_address", b.remoteAddress, "remote_port", b.remotePort,
			"proto", b.proto, "local_mark", b.mark,
		}
		p.gauge("ipvs_backend_connections_active", sums[b][1], labels...)
		p.gauge("ipvs_backend_connections_inactive", sums[b][2], labels...)
		p.gauge("ipvs_backend_weight", sums[b][0], labels...)
	}
	return nil
}
