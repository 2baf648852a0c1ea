// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"path/filepath"
	"time"

	"github.com/weir-io/weir/client/agent"
	"github.com/weir-io/weir/internal/resend"
	"github.com/weir-io/weir/lttng"
)

// loadSpool lists the traces that were kept for relays, or sends them to one.
func (f *loadFlags) loadSpool(c *agentCall) error {
	all, err := resend.List(filepath.Join(f.stateDir, "spool", "kept"), f.name)
	if err != nil {
		return err
	}
	if f.name != "" && len(all) == 0 {
		return agent.NewProblem(agent.CodeSessionNotFound, fmt.Sprintf("load: nothing of the name %s is kept below %s", f.name, f.stateDir))
	}
	c.set("kept", all)
	if f.url == "" {
		for i := range all {
			c.say("%s, domain %s: %s", all[i].Name, all[i].Domain, keptText(&all[i]))
		}
		if len(all) == 0 {
			c.say("No packets are kept")
		}
		return nil
	}
	to, err := lttng.ParseURL(f.url)
	if err != nil {
		return usageErrorf("--override-url: %w", err)
	}
	for i := range all {
		t := &all[i]
		if err := t.Send(c.ctx, to, lttng.URL{}); err != nil {
			return agent.NewProblem(agent.CodeRelayConnect, fmt.Sprintf("%s, domain %s is not sent: %v", t.Name, t.Domain, err))
		}
		if err := t.Remove(); err != nil {
			return fmt.Errorf("%s, domain %s is sent, but: %w", t.Name, t.Domain, err)
		}
		there := ""
		if t.There > 0 {
			there = fmt.Sprintf("; the relay had %d of them", t.There)
		}
		c.say("%s, domain %s: %s sent%s", t.Name, t.Domain, keptText(t), there)
	}
	return nil
}

func keptText(t *resend.Trace) string {
	return fmt.Sprintf("%d packets, %s, kept %s", t.Packets, bytesText(float64(t.Bytes)), t.Time.Local().Format(time.DateTime))
}
