// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package consumer

import (
	"testing"

	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/internal/handover"
	"github.com/weir-io/weir/internal/kerneltrace"
)

// looking is an output that looks into the ledger while it is written to: a kill
// can come then.
type looking struct {
	nowhere
	ledger *handover.Ledger
	told   []uint64
}

func (l *looking) write([]byte, ctf.PacketInfo) error {
	l.told = append(l.told, l.ledger.Told())
	return nil
}

func (l *looking) beacon(uint64) error { return nil }

// TestLossesAreInTheLedgerFirst writes packets: what they tell of losses is noted
// before they are written, so that who goes on after a kill tells no less.
func TestLossesAreInTheLedgerFirst(t *testing.T) {
	ledger, err := handover.NewLedger()
	if err != nil {
		t.Fatal(err)
	}
	defer ledger.Close()
	table, err := kerneltrace.NewTable(kerneltrace.Options{})
	if err != nil {
		t.Fatal(err)
	}
	out := &looking{ledger: ledger}
	d := &drain{rounds: rounds{stall: stall{s: &stream{channel: &channel{}, out: out}}}, ledger: ledger}
	d.conv = kerneltrace.NewConverter(table, kerneltrace.ConverterOptions{}, d)
	for i, lost := range []uint64{3, 3, 10} {
		if err := d.WritePacket(nil, ctf.PacketInfo{Sequence: uint64(i), Discarded: lost}); err != nil {
			t.Fatal(err)
		}
		if out.told[i] != lost {
			t.Errorf("packet %d was written when the ledger told of %d losses, want %d", i, out.told[i], lost)
		}
	}
}
