package eventlog

// Names of the attributes that have a place of their own in a line.
const (
	KeyTopic = "topic" // string, one of the Topic constants
	KeyGroup = "group" // unsigned integer
	KeyTerm  = "term"  // unsigned integer
	KeyIndex = "index" // unsigned integer
)

// Topics: what a line is about. They are few, so that a reader can follow one
// thread of a story ("who led, and why did that change") over all nodes.
const (
	TopicNode        = "node"        // the process: start, stop, settings, resources; lines without another topic
	TopicServer      = "server"      // listeners and connections of the Redis, HTTP and peer ports
	TopicMembership  = "membership"  // replicas added, promoted, removed; nodes joining and leaving
	TopicElection    = "election"    // election timeouts, candidates, votes asked for, granted, refused
	TopicLeadership  = "leadership"  // who leads: won, lost, stepped down, transferred, followed
	TopicReplication = "replication" // entries and heartbeats between leader and followers
	TopicCommit      = "commit"      // entries proposed, committed, applied, and their outcome
	TopicMigration   = "migration"   // slots on their way from one group to another
	TopicSnapshot    = "snapshot"    // taken, sent, installed, restored; compaction of the log
	TopicStore       = "store"       // log and stable store on disk: opened, damaged, full, slow
	TopicSession     = "session"     // clients' sessions: a command that was repeated or came too late, sessions that end
	TopicFault       = "fault"       // faults injected on purpose, and when they end
	TopicLog         = "log"         // this log itself: lines dropped, write errors
	TopicClient      = "client"      // the Go client: routing, redirects, retries
)

// Topics lists the topics that raftkv's own lines have.
func Topics() []string {
	return []string{
		TopicNode, TopicServer, TopicMembership, TopicElection, TopicLeadership, TopicReplication, TopicCommit,
		TopicMigration, TopicSnapshot, TopicStore, TopicSession, TopicFault, TopicLog, TopicClient,
	}
}
