// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package bench is what weir's benchmarks are made of: a plan says what is
// measured, steps measure it, and a report shows it next to a peer and to the
// bars of the project. It also has the figures and tables of benchmarks that
// report in a form of their own.
//
// # Figures
//
// A figure is the median of some runs; its spread is the distance of the largest
// from the smallest as a part of the median, of which tables show half, as ±. A
// ratio is weir's figure divided by the peer's. Where there is nothing to divide
// by, there is no ratio, which is 0.
//
// # Concurrency
//
// All is used by one goroutine at a time.
package bench
