package eventlog

import "strings"

// topicWords says what raft's messages are about. The first match counts, so
// "heartbeat timeout reached, starting election" is about the election, and
// "rejecting vote request since we have a leader" too. Lower case.
var topicWords = []struct{ word, topic string }{
	{"election", TopicElection},
	{"vote", TopicElection},
	{"voting", TopicElection}, // voting for self
	{"candidate", TopicElection},
	{"leader", TopicLeadership},
	{"follower", TopicLeadership},      // entering follower state
	{"stepping down", TopicLeadership}, // failed to contact quorum of nodes, stepping down
	{"snapshot", TopicSnapshot},
	{"configuration", TopicMembership},
	{"starting replication", TopicMembership}, // added peer, starting replication
	{"stopping replication", TopicMembership}, // removed peer, stopping replication
	{"heartbeat", TopicReplication},
	{"appendentries", TopicReplication},
	{"pipelin", TopicReplication},           // pipeline, pipelining
	{"failed to contact", TopicReplication}, // a follower that does not answer
	{"previous log", TopicReplication},      // a follower's log that differs
	{"log suffix", TopicReplication},
	{"peer", TopicMembership},
}

// TopicOf returns the topic of one of raft's messages, or otherwise if its words
// do not tell.
func TopicOf(msg, otherwise string) string {
	msg = strings.ToLower(msg)
	for _, w := range topicWords {
		if strings.Contains(msg, w.word) {
			return w.topic
		}
	}
	return otherwise
}

// isPeerKey reports whether raft names a peer by this key.
func isPeerKey(key string) bool {
	switch key {
	case "peer", "server-id", "target", "candidate", "from":
		return true
	}
	return false
}
