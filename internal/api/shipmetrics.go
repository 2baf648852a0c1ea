// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package api

import "github.com/prometheus/client_golang/prometheus"

// shipMetrics are the figures of the records that are brought to log services.
func shipMetrics() []metric {
	of := func(name, help string, kind prometheus.ValueType, read func(s *ShipStats) float64) metric {
		return metric{
			name: name, help: help, labels: []string{"service"}, kind: kind, values: func(s *snapshot, emit emit) {
				for i := range s.ships {
					emit(read(&s.ships[i]), s.ships[i].Service)
				}
			},
		}
	}
	return []metric{
		of("weir_flow_ship_taken_total", "Records of traced packets to be brought to a log service: elasticsearch, splunk or file.", prometheus.CounterValue, func(s *ShipStats) float64 { return float64(s.Taken) }),
		of("weir_flow_ship_sent_total", "Records that the service has taken.", prometheus.CounterValue, func(s *ShipStats) float64 { return float64(s.Sent) }),
		of("weir_flow_ship_refused_total", "Records that the service does not want.", prometheus.CounterValue, func(s *ShipStats) float64 { return float64(s.Refused) }),
		of("weir_flow_ship_lost_total", "Records given up: too many waited for the service, or the hub stopped.", prometheus.CounterValue, func(s *ShipStats) float64 { return float64(s.Lost) }),
		of("weir_flow_ship_waiting", "Records that the service has not taken yet, those under way included.", prometheus.GaugeValue, func(s *ShipStats) float64 { return float64(s.Waiting) }),
	}
}
