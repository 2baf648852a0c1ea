// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package feed

import "github.com/weir-io/weir/changelog"

// Batch is what one Read returns. Its records are good until the next Read of the
// consumer.
type Batch struct {
	Records []changelog.Record
	Through uint64 // last index looked at; Cancel(Through) is done with the batch
	More    bool   // there are more records now
	Gap     bool   // records are missing: a MARK of the batch says where and why
	Aborted bool   // this is the last batch of an aborted feed
}
