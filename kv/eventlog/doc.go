// Package eventlog is the structured log of a node: what it writes, how it is
// written, and how a line is read back.
//
// # A line
//
// A log file holds one JSON object a line. Its fields come in this order:
//
//	t       time, RFC 3339 with exactly nine fractional digits, UTC: as text it sorts as in time
//	level   debug, info, warn or error
//	node    id of the node that wrote the line
//	topic   one of the Topic constants; "node" if the caller named none
//	group   number of the Raft group          (only where there is one)
//	term    the group's term                  (only where there is one)
//	index   index of a raft entry             (only where there is one)
//	msg     what happened, a constant text: what varies goes into attributes
//	...     all other attributes, in the order they were given
//
// Attributes are flat scalars: string, number, true, false, null. A slog group
// becomes a prefix ("peer" holding "id" is "peer.id"). Errors, durations, times,
// []byte and all composite values are strings. A byte that is not valid UTF-8 is
// shown as \xNN, and a string longer than 8 KiB is cut and says so.
//
// topic, group, term and index are taken from top-level attributes of these
// names. An attribute whose name belongs to the line but whose value does not
// fit (a term that is not a number, or anybody's "node", "msg", "t", "level") is
// kept as "attr.<name>". If a name is given twice both are written, and readers
// see the last.
//
// # How it is written
//
// A call formats its line and puts it into a bounded queue; a goroutine of the
// [Log] writes. A slow or hung disk therefore never holds up a caller (a log
// sink that blocks has frozen data paths elsewhere): when the queue is full the
// line is dropped, counted, and the count is logged as soon as lines flow again.
// Lines are not fsynced before Close, and what is queued when a process is
// killed is lost: the log explains a cluster, it is no part of its durability.
package eventlog
