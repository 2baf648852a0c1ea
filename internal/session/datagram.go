// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package session

import (
	"fmt"
	"strconv"

	"github.com/weir-io/weir/client/agent"
	"github.com/weir-io/weir/client/relay"
)

// maxUDPPacket bounds packets that go by UDP, in bytes. One that is sent in
// fewer datagrams is hit less often by what gets lost.
const maxUDPPacket = 32 << 10

// datagramOptions reads the options of a UDP destination.
func datagramOptions(u agent.URI) (relay.UDP, error) {
	var o relay.UDP
	number := func(key string, least, most uint64) (uint64, error) {
		text, given := u.Options[key]
		if !given {
			return 0, nil
		}
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil || n < least || n > most {
			return 0, problemf(agent.CodeInvalid, "option %s of UDP data: got %q, want %d to %d", key, text, least, most)
		}
		return n, nil
	}
	payload, err := number(agent.OptionMTU, 128, 65507-56)
	if err != nil {
		return o, err
	}
	window, err := number(agent.OptionWindow, 1, 1<<40)
	if err != nil {
		return o, err
	}
	rate, err := number(agent.OptionRate, 1, 1<<40)
	if err != nil {
		return o, err
	}
	o = relay.UDP{Payload: int(payload), Window: int64(window), Rate: int64(rate), Unreliable: u.Options[agent.OptionReliable] == "0"}
	return o, nil
}

// byUDP reports whether the next packets of the session go in datagrams.
func (c *consumer) byUDP() bool {
	return c.now.udp && c.template == nil || c.next.udp && c.template != nil
}

// packetBytes is the size up to which packets of the channel grow.
func (m *domain) packetBytes(c *channel) uint64 {
	if m.s.consumer.now.udp {
		return min(c.settings.SubbufBytes, maxUDPPacket)
	}
	return c.settings.SubbufBytes
}

// warnOfPackets tells what UDP does to the packets of a channel whose size was
// asked for.
func (m *domain) warnOfPackets(c *channel, done *agent.Done) {
	if !c.sized || !m.s.consumer.byUDP() || c.settings.SubbufBytes <= maxUDPPacket {
		return
	}
	text := fmt.Sprintf("channel %s: packets are at most %d bytes long over UDP, not %d", c.name, maxUDPPacket, c.settings.SubbufBytes)
	if m.proc != nil {
		text = fmt.Sprintf("channel %s: packets stay %d bytes long, as recording has begun: over UDP at most %d lose less", c.name, c.settings.SubbufBytes, maxUDPPacket)
	}
	warn(done, agent.CodeInvalid, text)
}
