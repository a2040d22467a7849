package check

import (
	"strconv"

	"raftkv/kv"
	"raftkv/kv/history"
)

// commands are what an operation is on the wire. Several steps are a transaction.
func commands(o *history.Operation) [][]string {
	var out [][]string
	for i := range o.Steps {
		out = append(out, command(&o.Steps[i]))
	}
	if len(out) > 1 {
		out = append(append([][]string{{"MULTI"}}, out...), []string{"EXEC"})
	}
	return out
}

func command(s *history.Step) []string {
	switch s.Kind {
	case history.Set:
		if s.TTL > 0 {
			return []string{"SET", s.Key, s.Value, "PX", strconv.FormatInt(s.TTL, 10)}
		}
		return []string{"SET", s.Key, s.Value}
	case history.Append:
		return []string{"APPEND", s.Key, s.Value}
	case history.Swap:
		return []string{"SET", s.Key, s.Value, "IFEQ", s.Old}
	case history.Delete:
		return []string{"DEL", s.Key}
	case history.Incr:
		return []string{"INCR", s.Key}
	}
	return []string{"GET", s.Key}
}

// fill writes what was answered into an operation's steps.
func fill(o *history.Operation, reply *kv.Reply) {
	if len(o.Steps) == 1 {
		fillStep(&o.Steps[0], reply)
		return
	}
	for i := range min(len(o.Steps), len(reply.Elems)) {
		fillStep(&o.Steps[i], &reply.Elems[i])
	}
}

func fillStep(s *history.Step, r *kv.Reply) {
	switch s.Kind {
	case history.Get:
		s.Found, s.Got = r.Kind != kv.Nil, string(r.Str)
	case history.Append, history.Incr:
		s.Number = r.Int
	case history.Swap:
		s.Found = r.Kind != kv.Nil
	case history.Delete:
		s.Found = r.Int == 1
	}
}
