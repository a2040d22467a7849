package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"raftkv/cmd/logfilter/filter"
	"raftkv/kv/eventlog"
)

// otherNames are words of Raft for what raftkv's topics are called.
var otherNames = map[string]string{
	"vote": eventlog.TopicElection, "votes": eventlog.TopicElection,
	"append": eventlog.TopicReplication, "appends": eventlog.TopicReplication, "heartbeat": eventlog.TopicReplication,
	"apply": eventlog.TopicCommit, "install": eventlog.TopicSnapshot,
}

// chooseTopics returns the topics that the words mean: topics, their beginnings,
// and what else people call them. A word that looks like a slip is an error that
// says so; one that looks like nothing may be a topic that comes later.
func chooseTopics(words, seen []string) ([]string, error) {
	known := slices.Clone(eventlog.Topics())
	for _, topic := range seen {
		if !slices.Contains(known, topic) {
			known = append(known, topic)
		}
	}
	var chosen []string
	for _, word := range words {
		chosen = append(chosen, word)
		meant := false
		if other, ok := otherNames[strings.ToLower(word)]; ok {
			chosen, meant = append(chosen, other), true
		}
		for _, topic := range known {
			if strings.HasPrefix(strings.ToLower(topic), strings.ToLower(word)) {
				chosen, meant = append(chosen, topic), true
			}
		}
		names := slices.Concat(known, slices.Sorted(maps.Keys(otherNames)))
		if near := filter.Nearest(word, names); !meant && len(near) > 0 {
			return nil, misuse{fmt.Errorf("there is no topic %q; did you mean %s?", word, strings.Join(near, " or "))}
		}
	}
	return chosen, nil
}
