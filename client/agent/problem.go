// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package agent

import "strconv"

// Code tells why a command failed, in LTTng's numbers.
type Code uint16

// Codes of errors and warnings, LTTNG_ERR_* of lttng-tools 2.13.
const (
	CodeOK                  Code = 10
	CodeUnknown             Code = 11
	CodeNotSupported        Code = 15
	CodeNoSession           Code = 16
	CodeNoDaemon            Code = 19
	CodeBufferType          Code = 22
	CodeSessionNotFound     Code = 23
	CodeSessionExists       Code = 28
	CodePermission          Code = 32
	CodeKernelUnavailable   Code = 33
	CodeKernelEventExists   Code = 35
	CodeNeverStarted        Code = 50
	CodeUSTEventExists      Code = 55
	CodeChannelExists       Code = 62
	CodeNoChannel           Code = 72
	CodeBadSessionName      Code = 73
	CodeUSTEventNotFound    Code = 76
	CodeAlreadyStarted      Code = 80
	CodeAlreadyStopped      Code = 81
	CodeNeedChannelName     Code = 83
	CodeInvalid             Code = 97
	CodeNoDataURL           Code = 101
	CodeNoControlURL        Code = 102
	CodeEnableConsumer      Code = 103
	CodeRelayConnect        Code = 104
	CodeRelayVersion        Code = 105
	CodeFilter              Code = 106
	CodeNoConsumer          Code = 109
	CodeBadChannelName      Code = 113
	CodeChannelNotFound     Code = 146
	CodeContextUnavailable  Code = 121
	CodeNotSnapshotSession  Code = 124
	CodeRotationPending     Code = 129
	CodeRotationUnavailable Code = 130
	CodeRotatedSinceStop    Code = 133
	CodeScheduleExists      Code = 131
	CodeScheduleNotSet      Code = 132
	CodeLive                Code = 119
	CodeNoEvent             Code = 29
	CodeSnapshotNoData      Code = 71
	CodeTriggerExists       Code = 126
	CodeTriggerNotFound     Code = 127
)

// names are of the codes, as LTTng spells them without the prefix.
var names = map[Code]string{
	CodeOK: "OK", CodeUnknown: "UNK", CodeNotSupported: "NOT_SUPPORTED", CodeNoSession: "NO_SESSION",
	CodeNoDaemon: "NO_SESSIOND", CodeBufferType: "BUFFER_NOT_SUPPORTED", CodeSessionNotFound: "SESS_NOT_FOUND",
	CodeSessionExists: "EXIST_SESS", CodePermission: "EPERM", CodeKernelUnavailable: "KERN_NA",
	CodeKernelEventExists: "KERN_EVENT_EXIST", CodeNeverStarted: "START_SESSION_ONCE", CodeChannelExists: "CHAN_EXIST",
	CodeNoChannel: "NO_CHANNEL", CodeBadSessionName: "SESSION_INVALID_CHAR", CodeAlreadyStarted: "TRACE_ALREADY_STARTED",
	CodeAlreadyStopped: "TRACE_ALREADY_STOPPED", CodeInvalid: "INVALID", CodeNoDataURL: "URL_DATA_MISS",
	CodeNoControlURL: "URL_CTRL_MISS", CodeEnableConsumer: "ENABLE_CONSUMER_FAIL", CodeRelayConnect: "RELAYD_CONNECT_FAIL",
	CodeRelayVersion: "RELAYD_VERSION_FAIL", CodeFilter: "FILTER_INVAL", CodeNoConsumer: "NO_CONSUMER",
	CodeBadChannelName: "INVALID_CHANNEL_NAME", CodeChannelNotFound: "CHAN_NOT_FOUND",
	CodeContextUnavailable: "KERN_CONTEXT_UNAVAILABLE", CodeNotSnapshotSession: "NOT_SNAPSHOT_SESSION",
	CodeRotationPending: "ROTATION_PENDING", CodeRotationUnavailable: "ROTATION_NOT_AVAILABLE",
	CodeScheduleExists: "ROTATION_SCHEDULE_SET", CodeScheduleNotSet: "ROTATION_SCHEDULE_NOT_SET",
	CodeUSTEventExists: "UST_EVENT_ENABLED", CodeUSTEventNotFound: "UST_EVENT_NOT_FOUND",
	CodeNeedChannelName: "NEED_CHANNEL_NAME", CodeRotatedSinceStop: "ROTATION_MULTIPLE_AFTER_STOP",
	CodeLive: "LIVE_SESSION", CodeNoEvent: "NO_EVENT", CodeSnapshotNoData: "SNAPSHOT_NODATA", CodeTriggerExists: "TRIGGER_EXISTS", CodeTriggerNotFound: "TRIGGER_NOT_FOUND",
}

// String returns LTTng's name of a code.
func (c Code) String() string {
	if n := names[c]; n != "" {
		return n
	}
	return "code " + strconv.Itoa(int(c))
}

// Problem is an error or warning of the daemon.
type Problem struct {
	Code    Code   `json:"code"`
	Name    string `json:"name"`
	Message string `json:"message"`
}

// NewProblem makes a problem of a code and a text.
func NewProblem(c Code, message string) *Problem {
	return &Problem{Code: c, Name: c.String(), Message: message}
}

// Error returns the message.
func (p *Problem) Error() string { return p.Message }
