// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package kernelsource

import (
	"encoding/json"
	"fmt"

	"github.com/weir-io/weir/internal/kernel/tracefs"
)

// describeCapabilities is the document of capabilities as words.
func describeCapabilities(c tracefs.Capabilities) map[string]string {
	b, err := json.Marshal(c)
	if err != nil {
		return map[string]string{"kernel": err.Error()}
	}
	var values map[string]any
	if err := json.Unmarshal(b, &values); err != nil {
		return map[string]string{"kernel": err.Error()}
	}
	words := make(map[string]string, len(values))
	for name, v := range values {
		switch v {
		case true:
			words[name] = "yes"
		case false:
			words[name] = "no: this kernel lacks it"
		default:
			words[name] = fmt.Sprint(v)
		}
	}
	return words
}
