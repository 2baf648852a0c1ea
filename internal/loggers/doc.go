// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package loggers is the loggers of Python and Java programs as domains of sessions:
// programs with LTTng's agents are traced as they are, in the domains "python", "jul"
// (java.util.logging) and "log4j".
//
//	agent ── registers by TCP ──▶ listener ──▶ program (a worker, a reader)
//	                                             │ commands: rules, contexts, lists
//	session ──▶ trace ── wants ──────────────────┘
//	   │
//	   └──▶ channel of applications ── a filter by the logger's name ──▶ the program's rings
//
// An agent is the part of a program that hands messages of loggers over to LTTng-UST.
// There they are events of one provider (lttng_python, lttng_jul, lttng_log4j), which
// sessions record in a channel of the user domain. A rule about a logger is a filter
// there, and here an order to agents to hand over what the logger gets.
//
// # Trust
//
// Whoever can connect to the port may say anything. Whose process it is tells the kernel
// by the connection; an agent is told of the sessions of that user and of root alone,
// and one that breaks the protocol or gives no answer in time is dropped and told. Of
// connections that have not said yet who they are the oldest goes when there are too
// many, and a user has a share of the agents only.
//
// # Lock order
//
//	the session's lock (outside) → Source.mu → Trace.mu
//
// No lock is held while a program is waited for, but that of the session.
package loggers
