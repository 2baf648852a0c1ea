// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package monitor

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/weir-io/weir/internal/hoststat/poll"
)

const (
	maxWaiting  = 256              // alarms that the command has not been run for; newer ones are dropped
	commandTime = 30 * time.Second // that it may take
)

// runner runs a command for each alarm, one at a time and without a shell: what a
// host says is in its environment only.
type runner struct {
	command []string
	logger  *slog.Logger
	waiting chan poll.Event // never closed
}

func newRunner(command []string, logger *slog.Logger) *runner {
	return &runner{command, logger, make(chan poll.Event, maxWaiting)}
}

// add has the command run soon.
func (r *runner) add(e poll.Event) {
	select {
	case r.waiting <- e:
	default:
		r.logger.Warn("alarm without its command: too many wait", "host", e.Host, "alarm", e.Rule.ID)
	}
}

func (r *runner) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case e := <-r.waiting:
			r.runFor(ctx, e)
		}
	}
}

func (r *runner) runFor(ctx context.Context, e poll.Event) {
	ctx, cancel := context.WithTimeout(ctx, commandTime)
	defer cancel()
	c := exec.CommandContext(ctx, r.command[0], r.command[1:]...)
	c.Env = append(os.Environ(), environment(e)...)
	c.WaitDelay = time.Second
	if out, err := c.CombinedOutput(); err != nil {
		text := strings.TrimSpace(string(out[:min(len(out), 200)]))
		r.logger.Warn("command of an alarm", "alarm", e.Rule.ID, "error", err.Error(), "output", text)
	}
}

// environment tells a command of an alarm.
func environment(e poll.Event) []string {
	clean := strings.NewReplacer("\x00", "")
	return []string{
		"WEIR_ALARM=" + clean.Replace(e.Rule.ID), "WEIR_HOST=" + clean.Replace(e.Host), "WEIR_STATE=" + e.State.String(),
		"WEIR_LEVEL=" + e.Rule.Level, "WEIR_VALUE=" + fmt.Sprint(e.Value),
	}
}
