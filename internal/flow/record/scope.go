// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package record

import (
	"context"
	"log/slog"
	"net/netip"
	"strconv"
	"strings"

	"github.com/weir-io/weir/internal/flow/packet"
	"github.com/weir-io/weir/internal/flow/topology"
)

// Header is the headers of a packet as it came in. Fields that it does not have are
// zero, pointers nil.
type Header struct {
	EthSrc    packet.MAC
	EthDst    packet.MAC
	EtherType uint16
	Src, Dst  netip.Addr
	Proto     *uint8
	SrcPort   *uint16 // of ICMP: the identifier, in both
	DstPort   *uint16
}

// Scope is a traced packet.
type Scope struct {
	Cookie   uint64 // counts the packets that a worker has taken up
	Flow     topology.ID
	Requests []topology.ID
	Host     topology.ID
	Header   Header
}

// Keys of a Scope in log lines.
const (
	KeyCookie       = "cookie"
	KeyFlow         = "flowTraceId"
	KeyRequests     = "traceRequestId"
	KeyHost         = "host"
	KeyEthSrc       = "ethSrc"
	KeyEthDst       = "ethDst"
	KeyEtherType    = "etherType"
	KeyNetworkSrc   = "networkSrc"
	KeyNetworkDst   = "networkDst"
	KeyNetworkProto = "networkProto"
	KeySrcPort      = "srcPort"
	KeyDstPort      = "dstPort"
)

// CookieText is a cookie as it is printed.
func CookieText(cookie uint64) string { return "[cookie:" + strconv.FormatUint(cookie, 10) + "]" }

// Attrs returns the scope as attributes; numbers are decimal, what the packet does not
// have is left out.
func (s *Scope) Attrs() []slog.Attr {
	attrs := append(make([]slog.Attr, 0, 12), slog.String(KeyCookie, CookieText(s.Cookie)))
	if s.Flow != (topology.ID{}) {
		attrs = append(attrs, slog.String(KeyFlow, s.Flow.String()))
	}
	if len(s.Requests) > 0 {
		attrs = append(attrs, slog.String(KeyRequests, joinIDs(s.Requests)))
	}
	if s.Host != (topology.ID{}) {
		attrs = append(attrs, slog.String(KeyHost, s.Host.String()))
	}
	h := &s.Header
	if h.EtherType == 0 { // no frame
		return attrs
	}
	attrs = append(attrs, slog.String(KeyEthSrc, h.EthSrc.String()), slog.String(KeyEthDst, h.EthDst.String()), slog.Uint64(KeyEtherType, uint64(h.EtherType)))
	if h.Src.IsValid() {
		attrs = append(attrs, slog.String(KeyNetworkSrc, h.Src.String()))
	}
	if h.Dst.IsValid() {
		attrs = append(attrs, slog.String(KeyNetworkDst, h.Dst.String()))
	}
	if h.Proto != nil {
		attrs = append(attrs, slog.Uint64(KeyNetworkProto, uint64(*h.Proto)))
	}
	if h.SrcPort != nil {
		attrs = append(attrs, slog.Uint64(KeySrcPort, uint64(*h.SrcPort)))
	}
	if h.DstPort != nil {
		attrs = append(attrs, slog.Uint64(KeyDstPort, uint64(*h.DstPort)))
	}
	return attrs
}

func joinIDs(ids []topology.ID) string {
	texts := make([]string, len(ids))
	for i, id := range ids {
		texts[i] = id.String()
	}
	return strings.Join(texts, ",")
}

// scopeKey is the key of a context's Scope.
type scopeKey struct{}

// Enter returns a context of a traced packet. The scope must not change any more.
func Enter(ctx context.Context, s *Scope) context.Context {
	return context.WithValue(ctx, scopeKey{}, s)
}

// Of returns the traced packet of a context, nil if it is of none.
func Of(ctx context.Context) *Scope {
	s, _ := ctx.Value(scopeKey{}).(*Scope)
	return s
}
