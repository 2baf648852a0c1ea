// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"os"

	"github.com/spf13/pflag"

	"github.com/weir-io/weir/client/agent"
)

// uriFlags are the flags and the argument that say where data goes.
type uriFlags struct {
	control, data string
	strict        bool
}

// add adds the flags; those of LTTng's names are understood too.
func (f *uriFlags) add(fl *pflag.FlagSet, controlName, dataName string) {
	fl.StringVarP(&f.control, controlName, "C", "", "where control goes: `[HOP,...]URI`, TCP")
	fl.StringVarP(&f.data, dataName, "D", "", "where data goes: `[HOP,...]URI`, TCP or UDP")
	fl.BoolVar(&f.strict, "strict-uri", false, "refuse URIs of unknown schemes, which are file names otherwise")
	other := map[string]string{"ctrl-url": controlName, "control-uri": controlName, "data-url": dataName, "data-uri": dataName}
	fl.SetNormalizeFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		if n, ok := other[name]; ok {
			name = n
		}
		return pflag.NormalizedName(name)
	})
}

// parse reads the URIs; arg is the one for control and data. None at all is nil.
func (f *uriFlags) parse(c *agentCall, arg string) ([]agent.URI, error) {
	cwd, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	uris, warnings, err := agent.ParseConsumerURIs(arg, f.control, f.data, cwd)
	if err != nil {
		return nil, err
	}
	for _, w := range warnings {
		if f.strict {
			return nil, agent.NewProblem(agent.CodeInvalid, w)
		}
		c.warn("%s", w)
	}
	return uris, nil
}

// isNetwork reports whether data leaves the host.
func isNetwork(uris []agent.URI) bool {
	return len(uris) > 0 && uris[0].DestinationType != agent.DestinationPath
}
