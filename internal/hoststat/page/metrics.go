// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package page

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"github.com/weir-io/weir/internal/hoststat/poll"
	"github.com/weir-io/weir/internal/hoststat/table"
)

// WriteMetrics writes all numbers of all hosts in the text format of Prometheus,
// as gauges: what hosts count is a rate here.
func WriteMetrics(out io.Writer, c *poll.Cluster) error {
	var b []byte
	c.View(func(hosts []*poll.Host) {
		for i := range poll.Metrics() {
			m := poll.Metric(i)
			head := false
			for _, h := range hosts {
				v := h.Value(m)
				if math.IsNaN(v) {
					continue
				}
				if !head {
					b = fmt.Appendf(b, "# TYPE weir_stat_%v gauge\n", m)
					head = true
				}
				b = fmt.Appendf(b, "weir_stat_%v{host=\"%s\"} %s\n", m, label(h.Name), strconv.FormatFloat(v, 'g', -1, 64))
			}
		}
	})
	_, err := out.Write(append(b, '\n'))
	return err
}

// label writes a value of a label. Names have no control characters.
func label(name string) string {
	return strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(table.Clean(name))
}
