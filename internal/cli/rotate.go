// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/weir-io/weir/client/agent"
)

// newRotateCommand returns "weir rotate".
func newRotateCommand() *cobra.Command {
	var noWait bool
	c := &cobra.Command{
		Use:   "rotate [SESSION]",
		Short: "Begin a new chunk of a session's trace",
		Long: `End the current chunk of a session's trace and begin a new one. The old one is
moved aside, complete, and can be read and removed while recording goes on. A
session that is stopped is rotated once: then there is nothing more to rotate until
it is started again.`,
		Example:           "  weir rotate\n  weir rotate -n",
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: firstOnly(completeSessions),
	}
	c.Flags().BoolVarP(&noWait, "no-wait", "n", false, "do not wait until the old chunk is complete")
	return agentCommand(c, true, func(c *agentCall) error {
		name, err := c.name()
		if err != nil {
			return err
		}
		done, err := c.api.Rotate(c.ctx, name, !noWait)
		if err != nil {
			return err
		}
		c.did(name, done)
		if noWait {
			c.say("Rotation ongoing for session %s", name)
			return nil
		}
		c.say("Trace chunk archive for session %s is now readable", name)
		for _, place := range done.Names {
			c.say("Trace chunk archive written at: %s", place)
		}
		return nil
	})
}

// newEnableRotationCommand returns "weir enable-rotation".
func newEnableRotationCommand() *cobra.Command {
	var timer microsFlag
	var size sizeFlag
	c := &cobra.Command{
		Use:     "enable-rotation",
		Short:   "Rotate a session by itself",
		Long:    "Rotate a session by itself: after a time, or when so much has been recorded.",
		Example: "  weir enable-rotation --timer 10m\n  weir enable-rotation --size 500M",
		Args:    noArguments,
	}
	c.Flags().Var(&timer, "timer", "rotate so often, in µs or as 10m")
	c.Flags().Var(&size, "size", "rotate each time so much has been recorded")
	return agentCommand(c, true, func(c *agentCall) error {
		if timer == 0 && size == 0 {
			return usageErrorf("want --timer or --size")
		}
		name, err := c.current()
		if err != nil {
			return err
		}
		done, err := c.api.EnableRotation(c.ctx, name, agent.RotationSchedule{Period: time.Duration(timer), Bytes: uint64(size)})
		if err != nil {
			return err
		}
		c.did(name, done)
		if timer > 0 {
			c.say("Enabled periodic rotations every %d µs on session %s", time.Duration(timer).Microseconds(), name)
		}
		if size > 0 {
			c.say("Enabled size-based rotations every %d bytes written on session %s", uint64(size), name)
		}
		return nil
	})
}

// newDisableRotationCommand returns "weir disable-rotation".
func newDisableRotationCommand() *cobra.Command {
	var timer, size bool
	c := &cobra.Command{
		Use:     "disable-rotation",
		Short:   "Do not rotate a session by itself any more",
		Long:    "End rotating a session by itself: after a time, by size, or without a flag both.",
		Example: "  weir disable-rotation --timer",
		Args:    noArguments,
	}
	c.Flags().BoolVar(&timer, "timer", false, "that after a time")
	c.Flags().BoolVar(&size, "size", false, "that by size")
	return agentCommand(c, true, func(c *agentCall) error {
		name, err := c.current()
		if err != nil {
			return err
		}
		s, err := c.api.Session(c.ctx, name)
		if err != nil {
			return err
		}
		both := !timer && !size
		var r agent.RotationSchedule
		if timer || both {
			r.Period = s.Rotation.Period
		}
		if size || both {
			r.Bytes = s.Rotation.Bytes
		}
		if timer && r.Period == 0 || size && r.Bytes == 0 || r == (agent.RotationSchedule{}) {
			return agent.NewProblem(agent.CodeScheduleNotSet, "no such rotation schedule is set on session "+name)
		}
		return disableRotation(c, name, r)
	})
}

func disableRotation(c *agentCall, name string, r agent.RotationSchedule) error {
	done, err := c.api.DisableRotation(c.ctx, name, r)
	if err != nil {
		return err
	}
	c.did(name, done)
	if r.Period > 0 {
		c.say("Disabled periodic rotation on session %s", name)
	}
	if r.Bytes > 0 {
		c.say("Disabled size-based rotation on session %s", name)
	}
	return nil
}
