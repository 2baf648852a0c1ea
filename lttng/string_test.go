// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package lttng

import (
	"fmt"
	"testing"
)

func TestStrings(t *testing.T) {
	tests := []struct {
		v    fmt.Stringer
		want string
	}{
		{CmdAddIndex, "ADD_INDEX"},
		{CmdCloseIndex, "CLOSE_INDEX"},
		{CmdListSessions, "LIST_SESSIONS"},
		{CmdStartData, "START_DATA"},
		{CmdUpdateSyncInfo, "UPDATE_SYNC_INFO"},
		{Command(0), "command 0"},
		{Command(10009), "command 10009"},
		{CmdResume, "RESUME"},
		{CmdToken, "TOKEN"},
		{ReplyOK, "OK"},
		{ReplyUnknown, "UNKNOWN"},
		{ReplyFatal, "FATAL"},
		{ReplyNoMemory, "NO_MEMORY"},
		{ReplyInvalid, "INVALID"},
		{ReplyInvalidProtocol, "INVALID_PROTOCOL"},
		{ReplyFileCreation, "FILE_CREATION_ERROR"},
		{ReplyNotPending, "NOT_PENDING"},
		{ReplyPending, "PENDING"},
		{ReplyPendingUnknown, "PENDING_UNKNOWN"},
		{ReplyCode(12), "code 12"},
		{CloseMove, "MOVE_TO_COMPLETED"},
		{CloseNothing, "NO_OPERATION"},
		{CloseDelete, "DELETE"},
		{CloseCommand(3), "close command 3"},
		{ViewerConnect, "CONNECT"},
		{ViewerListSessions, "LIST_SESSIONS"},
		{ViewerAttachSession, "ATTACH_SESSION"},
		{ViewerGetNextIndex, "GET_NEXT_INDEX"},
		{ViewerGetPacket, "GET_PACKET"},
		{ViewerGetMetadata, "GET_METADATA"},
		{ViewerGetNewStreams, "GET_NEW_STREAMS"},
		{ViewerCreateSession, "CREATE_SESSION"},
		{ViewerDetachSession, "DETACH_SESSION"},
		{ViewerCommand(10), "viewer command 10"},
		{CreateOK, "OK"},
		{CreateError, "ERR"},
		{CreateStatus(0), "create status 0"},
		{AttachNotLive, "NOT_LIVE"},
		{AttachSeekError, "SEEK_ERR"},
		{AttachNoSession, "NO_SESSION"},
		{AttachStatus(7), "attach status 7"},
		{NewStreamsNone, "NO_NEW"},
		{NewStreamsError, "ERR"},
		{NewStreamsStatus(5), "new streams status 5"},
		{IndexEOF, "EOF"},
		{NextIndexStatus(7), "index status 7"},
		{PacketRetry, "RETRY"},
		{PacketEOF, "EOF"},
		{PacketStatus(0xffffffff), "packet status 4294967295"},
		{MetadataError, "ERR"},
		{MetadataStatus(0), "metadata status 0"},
		{DetachUnknown, "UNK"},
		{DetachStatus(4), "detach status 4"},
		{SeekBeginning, "BEGINNING"},
		{SeekLast, "LAST"},
		{Seek(0), "seek 0"},
	}
	for _, tt := range tests {
		if got := tt.v.String(); got != tt.want {
			t.Errorf("%T(%d).String() = %q, want %q", tt.v, tt.v, got, tt.want)
		}
	}
}

func TestBeacon(t *testing.T) {
	if !(Index{TimestampEnd: 1}).IsBeacon() || (Index{PacketSize: 8}).IsBeacon() {
		t.Error("an index is a beacon if, and only if, its packet size is 0")
	}
}

// TestStoredBytes adds two sizes that together need 33 bits.
func TestStoredBytes(t *testing.T) {
	h := DataHeader{DataSize: 0xffffffff, PaddingSize: 1}
	if got := h.StoredBytes(); got != 1<<32 {
		t.Errorf("StoredBytes() = %d, want %d", got, uint64(1<<32))
	}
}
