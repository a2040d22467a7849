package format

import (
	"bytes"

	"raftkv/cmd/logfilter/event"
)

var _ Parser = (*JSON)(nil)

// JSON reads JSON lines: raftkv's own, and any others by the names of their
// fields.
type JSON struct{ names *names }

// Name implements Parser.
func (*JSON) Name() string { return "json" }

// Key returns the key that holds a field of Event, or name itself if it is none.
func (j *JSON) Key(name string) string {
	for f, known := range fieldNames {
		if known == name && f != 0 {
			return j.names.key[f]
		}
	}
	return name
}

// Parse implements Parser. A field whose value does not fit it (a term that is
// no number) is not lost: it stays among the attributes.
func (j *JSON) Parse(line []byte, e *event.Event) bool {
	var m members
	if !m.begin(line) {
		return false
	}
	was := *e
	for first := true; ; first = false {
		key, value, v := m.next(first)
		switch v {
		case theEnd:
			e.Rest = j
			return true
		case invalid:
			*e = was
			return false
		}
		if f := j.fieldOf(key); f != noField {
			takeJSON(f, value, e)
		}
	}
}

func (j *JSON) fieldOf(key []byte) field {
	if bytes.IndexByte(key, '\\') >= 0 {
		return j.names.field[decodeText(key)]
	}
	// Faster than a map: most keys differ in length already.
	for f := timeField; f < fieldCount; f++ {
		if string(key) == j.names.key[f] {
			return f
		}
	}
	return noField
}

// takeJSON stores a value in its field and reports whether it fits.
func takeJSON(f field, raw []byte, e *event.Event) bool {
	quoted := raw[0] == '"'
	inner := raw
	if quoted {
		inner = raw[1 : len(raw)-1]
	}
	switch f {
	case timeField:
		ns, ok := parseTime(inner)
		if ok {
			e.Time, e.HasTime = ns, true
		}
		return ok
	case levelField:
		return takeLevel(inner, quoted, e)
	case groupField, termField, indexField:
		return takeNumber(f, inner, e)
	}
	if !quoted && raw[0] != '-' && !digit(raw[0]) {
		return false // an object as the node
	}
	takeText(f, decodeText(inner), e)
	return true
}

func takeLevel(b []byte, quoted bool, e *event.Event) bool {
	level, ok := event.ParseLevel(asString(b))
	if !ok && !quoted {
		if n, isNumber := parseUint(b); isNumber {
			level, ok = event.NumberedLevel(n)
		}
	}
	if ok {
		e.Level = level
	}
	return ok
}

func takeNumber(f field, b []byte, e *event.Event) bool {
	n, ok := parseUint(b)
	if !ok {
		return false
	}
	number := event.Number{Value: n, Set: true}
	switch f {
	case groupField:
		e.Group = number
	case termField:
		e.Term = number
	case indexField:
		e.Index = number
	}
	return true
}

func takeText(f field, s string, e *event.Event) {
	switch f {
	case nodeField:
		e.Node = s
	case topicField:
		e.Topic = s
	case msgField:
		e.Msg = s
	}
}

// Time implements Parser. In raftkv's lines the time is the first member, so
// nothing else is looked at.
func (j *JSON) Time(line []byte) (int64, bool) {
	var m members
	if !m.begin(line) {
		return 0, false
	}
	for first := true; ; first = false {
		key, value, v := m.next(first)
		if v != member {
			return 0, false
		}
		if j.fieldOf(key) == timeField {
			if value[0] == '"' {
				value = value[1 : len(value)-1]
			}
			return parseTime(value)
		}
	}
}

// Attrs implements event.Fields.
func (j *JSON) Attrs(line []byte, yield func(string, event.Value) bool) {
	var m members
	if !m.begin(line) {
		return
	}
	for first := true; ; first = false {
		key, value, v := m.next(first)
		if v != member {
			return
		}
		if f := j.fieldOf(key); f != noField {
			var scratch event.Event
			if takeJSON(f, value, &scratch) {
				continue
			}
		}
		if !yield(decodeText(key), decodeValue(value)) {
			return
		}
	}
}
