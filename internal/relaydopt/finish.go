// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relaydopt

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// finish fills in what depends on several options and checks the whole.
func (b *builder) finish() error {
	steps := []func() error{b.finishURLs, b.finishPool, b.finishClear, b.finishOutput, b.finishWorkingDir, b.finishRunDir, b.finishNetwork}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func (b *builder) finishURLs() error {
	for _, l := range []struct {
		option, fallback string
		port             uint16
		to               *Listen
	}{
		{optControlPort, defaultControlURL, defaultControlPort, &b.opts.Control},
		{optDataPort, defaultDataURL, defaultDataPort, &b.opts.Data},
		{optLivePort, defaultLiveURL, defaultLivePort, &b.opts.Live},
	} {
		fallback, err := b.resolve(stripPort(l.fallback, b.dynamic), l.port)
		if err != nil {
			return err
		}
		*l.to = fallback
		for _, c := range b.urls[l.option] {
			got, err := b.resolve(c.url, l.port)
			switch {
			case err == nil:
				*l.to = got
				b.opts.Given[l.option] = true
			case c.fromFile:
				b.warn("--%s: %v", l.option, err)
			default:
				return fmt.Errorf("--%s: %w", l.option, err)
			}
		}
	}
	return nil
}

// stripPort leaves the port of a default URL to the system when asked to.
func stripPort(url string, dynamic bool) string {
	if !dynamic {
		return url
	}
	return url[:strings.LastIndexByte(url, ':')]
}

// resolve looks names up once, at the start; the resolver's own time-outs bound
// the wait.
func (b *builder) resolve(text string, port uint16) (Listen, error) {
	return resolveListen(context.Background(), b.in.Resolve, text, port, b.dynamic)
}

func (b *builder) finishPool() error {
	limit := b.in.FileLimit
	given := b.opts.Given[optFDPoolSize]
	if given && b.opts.FDPoolSize < minFDPool {
		return fmt.Errorf("file descriptor pool size must be set to at least %d, got %d", minFDPool, b.opts.FDPoolSize)
	}
	if limit == 0 {
		return nil
	}
	if limit < minFDPool {
		return fmt.Errorf("the process' limit of open files is %d, must be at least %d", limit, minFDPool)
	}
	if given && uint64(b.opts.FDPoolSize) > limit {
		return fmt.Errorf("file descriptor pool size %d exceeds the process' soft limit of open files %d", b.opts.FDPoolSize, limit)
	}
	if !given {
		const most = 1 << 30 // an unlimited soft limit must fit an int
		b.opts.FDPoolSize = max(int(min(limit, most))-reservedFDs, minFDPool)
	}
	return nil
}

// finishClear looks at the environment only when the option is absent: the
// original lets the option hide even a bad value.
func (b *builder) finishClear() error {
	text, ok := b.env[envDisallowClear]
	if !ok || b.opts.Given[optNoClear] {
		return nil
	}
	n, ok := parseSwitch(text)
	if !ok {
		return fmt.Errorf("invalid value %q of %s, want 0 or 1", text, envDisallowClear)
	}
	b.opts.AllowClear = n == 0
	b.opts.Given[optNoClear] = true
	return nil
}

func (b *builder) finishOutput() error {
	o := &b.opts
	if o.Given[optOutput] {
		if !filepath.IsAbs(o.OutputDir) {
			return fmt.Errorf("please specify an absolute path for -o, --output PATH, got %q", o.OutputDir)
		}
		return nil
	}
	if b.opts.Home == "" {
		return fmt.Errorf("no home directory for the output: set %s or use --output", envHome)
	}
	o.OutputDir = filepath.Join(b.opts.Home, defaultOutputDir)
	return nil
}

func (b *builder) finishWorkingDir() error {
	dir := b.opts.WorkingDir
	if dir == "" && b.env[envWorkingDir] != "" {
		dir = b.in.absolute(b.env[envWorkingDir])
	}
	b.opts.WorkingDir = dir
	if dir == "" {
		return nil
	}
	info, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("working directory: %w", err)
	}
	if !info.IsDir() {
		return fmt.Errorf("working directory %s is no directory", dir)
	}
	return nil
}

func (b *builder) finishRunDir() error {
	o := &b.opts
	switch {
	case b.env[envRunDir] != "":
		o.RunDir = b.in.absolute(b.env[envRunDir])
	case b.in.Root:
		o.RunDir = rootRunDir
	case b.opts.Home == "":
		return fmt.Errorf("no home directory for the run directory: set %s or %s", envHome, envRunDir)
	default:
		o.RunDir = filepath.Join(b.opts.Home, homeRunDir)
	}
	o.HealthSocket = b.in.absolute(b.env[envHealth])
	return nil
}

func (b *builder) finishNetwork() error {
	var complaints []string
	b.opts.KeepAlive, complaints = b.env.keepAlive()
	for _, c := range complaints {
		b.warn("%s", c)
	}
	timeout, err := b.env.socketTimeout()
	if err != nil {
		b.warn("%v", err)
	}
	b.opts.SocketTimeout = timeout
	return nil
}
